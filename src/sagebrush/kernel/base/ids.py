"""Identifiers in the alphabets that AWS uses."""

import secrets
import string
import uuid

_LOWER = string.ascii_lowercase + string.digits
_UPPER = string.ascii_uppercase + "234567"


def uuid4() -> str:
    """Return a random UUID, as request ids and inference ids are."""
    return str(uuid.uuid4())


def lower(length: int) -> str:
    """Return `length` random lower-case letters and digits."""
    return "".join(secrets.choice(_LOWER) for _ in range(length))


def upper(prefix: str, length: int = 16) -> str:
    """Return an IAM-style unique id: `prefix` (AROA, AKIA, …) and `length` random upper-case characters."""
    return prefix + "".join(secrets.choice(_UPPER) for _ in range(length))


def secret(length: int = 40) -> str:
    """Return a secret access key of `length` characters."""
    return secrets.token_urlsafe(length)[:length]
