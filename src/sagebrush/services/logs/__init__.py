"""CloudWatch Logs."""

from sagebrush.services.logs import events, filtering, groups, streams, tags
from sagebrush.services.logs.service import service

__all__ = ["events", "filtering", "groups", "service", "streams", "tags"]
