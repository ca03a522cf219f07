"""SageMaker's control plane: a file per family; importing them registers their operations."""

from sagebrush.services.sagemaker import (
    endpoint_config,
    endpoint_run,
    model,
    processing_run,
    search,
    tags,
    training_run,
    transform_run,
)
from sagebrush.services.sagemaker.service import service

__all__ = [
    "endpoint_config",
    "endpoint_run",
    "model",
    "processing_run",
    "search",
    "service",
    "tags",
    "training_run",
    "transform_run",
]
