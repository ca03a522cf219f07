"""Fixtures of several services' tests."""

from tests.services.hosting import hosting

__all__ = ["hosting"]
