"""SageMaker's control plane: a file per family; importing them registers their operations."""

from sagebrush.services.sagemaker import (
    endpoint,
    endpoint_config,
    model,
    processing_run,
    search,
    tags,
    training_run,
    transform,
)
from sagebrush.services.sagemaker.service import service

__all__ = [
    "endpoint",
    "endpoint_config",
    "model",
    "processing_run",
    "search",
    "service",
    "tags",
    "training_run",
    "transform",
]
