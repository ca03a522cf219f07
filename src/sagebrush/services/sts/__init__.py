"""AWS Security Token Service."""

from sagebrush.services.sts import sessions
from sagebrush.services.sts.service import service

__all__ = ["service", "sessions"]
