"""Page tokens: a position in a listing, bound to the request that it belongs to. One that was changed is none."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

_FREE = {"nextToken", "NextToken", "limit", "startFromHead"}
"""Members that may differ from one page to the next; the direction of FilterLogEvents is in the token itself."""


def seal(operation: str, params: Mapping[str, Any], position: Any) -> str:
    """Return a token for `position` (anything that JSON can hold) in the answers to a request."""
    return base64.urlsafe_b64encode(orjson.dumps([_digest(operation, params, position), position])).decode()


def unseal(operation: str, params: Mapping[str, Any], token: str) -> Any:
    """Return the position that a token of the same request holds. Raises ValueError for any other token."""
    try:
        digest, position = orjson.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error, TypeError) as error:
        raise ValueError("not a token") from error
    if digest != _digest(operation, params, position):
        raise ValueError("a token of another request")
    return position


def _digest(operation: str, params: Mapping[str, Any], position: Any) -> str:
    asked = {name: value for name, value in params.items() if name not in _FREE}
    text = operation.encode() + orjson.dumps([asked, position], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]
