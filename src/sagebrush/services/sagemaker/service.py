"""The service object of SageMaker's control plane, and the words that its families share."""

from collections.abc import Callable

from sagebrush.kernel.base.errors import AwsError, validation
from sagebrush.kernel.grammar.service import Service

service = Service("sagemaker")


def missing(text: str) -> Callable[[str, str], AwsError]:
    """Return the refusal "there is none", worded by `text` with `{name}` and `{arn}`.

    Most of SageMaker's kinds answer ValidationException here, not the ResourceNotFound that their model declares.
    """
    return lambda name, arn: validation(text.format(name=name, arn=arn))


def in_use(text: str) -> Callable[[str, str], AwsError]:
    """Return the refusal of a name that a job has already, worded by `text` with `{name}` and `{arn}`."""
    return lambda name, arn: AwsError("ResourceInUse", text.format(name=name, arn=arn))


def existing(text: str) -> Callable[[str, str], AwsError]:
    """Return the refusal of a name that a hosting resource has already: a ValidationException."""
    return lambda name, arn: validation(text.format(name=name, arn=arn))
