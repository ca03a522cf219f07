"""AWS Identity and Access Management: roles, and what they may do."""

from sagebrush.services.iam import roles, simulation, tags
from sagebrush.services.iam.service import service

__all__ = ["roles", "service", "simulation", "tags"]
