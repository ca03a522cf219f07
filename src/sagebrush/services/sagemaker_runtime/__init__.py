"""SageMaker's data plane; importing its files registers their operations."""

from sagebrush.services.sagemaker_runtime import invoke
from sagebrush.services.sagemaker_runtime.service import service

__all__ = ["invoke", "service"]
