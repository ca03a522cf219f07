"""Instance types: which there are."""

from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.compute.limits import instance


def check_instance(kind: str | None, member: str) -> None:
    """Refuse an instance type that is missing or that nobody knows the size of."""
    if kind is None:
        raise validation(f"{member} is required.")
    if instance(kind) is None:
        raise validation(f"{member} {kind} is not known to this platform.")
