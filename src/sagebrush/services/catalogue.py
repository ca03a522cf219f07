"""The services of this platform."""

from sagebrush.kernel.grammar.service import Service
from sagebrush.services import cloudwatch, iam, logs, s3, sagemaker, sagemaker_runtime, sts


def all_services() -> list[Service]:
    """Return every service there is."""
    return [
        cloudwatch.service,
        iam.service,
        logs.service,
        s3.service,
        sagemaker.service,
        sagemaker_runtime.service,
        sts.service,
    ]
