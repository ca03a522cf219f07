"""The service object of IAM, and how its lists are paged."""

from collections.abc import Sequence
from typing import Any

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.grammar.service import Service
from sagebrush.kernel.signals.pages import seal, unseal

service = Service("iam")


def limit(call: Call) -> int:
    """Return the most items that the answer may hold."""
    items: int = call.params.get("MaxItems", 100)
    return items


def position(call: Call) -> tuple[Any, int] | None:
    """Return where the page that `Marker` stands for begins; None without one. Raises AwsError ValidationError."""
    marker = call.params.get("Marker")
    if marker is None:
        return None
    try:
        name, row = unseal(call.operation.name, _asked(call), marker)
        return str(name), int(row)
    except (ValueError, TypeError):
        raise invalid("Invalid Marker: it does not belong to this request.") from None


def paged(call: Call, member: str, items: Sequence[Any], following: tuple[Any, int] | None) -> Result:
    """Return a page of `items`; `following` is the position of the next page, None on the last."""
    if following is None:
        return {member: items, "IsTruncated": False}
    marker = seal(call.operation.name, _asked(call), following)
    return {member: items, "IsTruncated": True, "Marker": marker}


def sliced(call: Call, member: str, items: Sequence[Any]) -> Result:
    """Return the page that is asked for of a list that is whole."""
    after = position(call)
    start = max(after[1], 0) if after else 0
    end = start + limit(call)
    return paged(call, member, items[start:end], ("", end) if end < len(items) else None)


def invalid(message: str) -> AwsError:
    """Return the refusal of bad input, as IAM words it."""
    return AwsError("ValidationError", message)


def _asked(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.params.items() if name not in ("Marker", "MaxItems")}
