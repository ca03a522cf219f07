"""CloudWatch metrics."""

from sagebrush.services.cloudwatch import data, listing, put, statistics
from sagebrush.services.cloudwatch.service import service

__all__ = ["data", "listing", "put", "service", "statistics"]
