"""List operations: filters, sort and pages, all read off botocore's shape of the request."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from sagebrush.kernel.base.errors import AwsError, validation
from sagebrush.kernel.state.record import Page, Query, Test, Where

_FILTERS: Mapping[str, tuple[str, Test]] = {
    "NameContains": ("name", "contains"),
    "StatusEquals": ("status", "="),
    "CreationTimeAfter": ("created", ">"),
    "CreationTimeBefore": ("created", "<"),
    "LastModifiedTimeAfter": ("modified", ">"),
    "LastModifiedTimeBefore": ("modified", "<"),
}
_SORTS = {"CreationTime": "created", "LastModifiedTime": "modified", "Name": "name", "Status": "status"}
_PAGING = {"NextToken", "MaxResults", "SortBy", "SortOrder"}


def query(
    kind: str,
    account: str,
    region: str,
    params: Mapping[str, Any],
    *,
    descending: bool,
    filters: Mapping[str, str],
) -> Query:
    """Return the query that the parameters of a List operation ask for.

    `descending` is the operation's order where the request names none; `filters` maps filter members of the kind's
    own to the paths of the body that they compare. `<Member>Equals` needs no entry. Raises ValidationException for a
    filter that is none of these, and for a page token of another query.
    """
    where = tuple(_condition(name, value, filters) for name, value in params.items() if name not in _PAGING)
    order = params.get("SortOrder")
    asked = Query(
        kind,
        account,
        region,
        where,
        sort=_SORTS[params.get("SortBy", "CreationTime")],
        descending=descending if order is None else order == "Descending",
        limit=params.get("MaxResults", 10),
    )
    token = params.get("NextToken")
    if token is None:
        return asked
    return Query(**{**_fields(asked), "after": open_token(token, asked)})


def _condition(name: str, value: Any, filters: Mapping[str, str]) -> Where:
    if name in _FILTERS:
        column, test = _FILTERS[name]
        return Where(column, test, value.timestamp() if hasattr(value, "timestamp") else value)
    if name in filters:
        return Where(filters[name], "=", value)
    if name.endswith("Equals"):
        return Where(f"$.{name.removesuffix('Equals')}", "=", value)
    raise validation(f"{name} is not supported by this platform.")


def _fields(asked: Query) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in Query.__slots__}


def _digest(asked: Query, position: Any, row: int) -> str:
    bound = (asked.kind, asked.account, asked.region, asked.where, asked.sort, asked.descending, position, row)
    return hashlib.sha256(repr(bound).encode()).hexdigest()[:16]


def token(page: Page, asked: Query) -> str | None:
    """Return the token of the next page, bound to what was asked and to its place; None on the last page."""
    if page.next is None:
        return None
    return base64.urlsafe_b64encode(orjson.dumps([_digest(asked, *page.next), *page.next])).decode().rstrip("=")


def open_token(text: str, asked: Query) -> tuple[Any, int]:
    """Return the position that a token holds. Raises ValidationException for one of another query, or for garbage."""
    try:
        digest, position, row = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, binascii.Error):
        raise invalid_token() from None
    if digest != _digest(asked, position, row):
        raise invalid_token()
    return position, row


def invalid_token() -> AwsError:
    """Return the refusal of a page token."""
    return validation("Invalid NextToken: it does not belong to this request.")
