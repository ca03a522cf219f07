"""Single values as text: numbers, booleans, blobs and the three forms of a timestamp.

Source: "Smithy: HTTP binding and protocol traits" (timestampFormat) and what botocore's parsers take.
"""

import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final

import orjson
from botocore.model import Shape

Timestamp = datetime | float | int | str
FromText = Callable[[str], Any]
ToText = Callable[[Any], str]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_FRACTION = re.compile(r"(\d\d:\d\d:\d\d)(\.\d{1,9}) GMT$")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_RANGES = {"integer": 2**31, "long": 2**63}


class MalformedError(ValueError):
    """What a client sent cannot be read as what the model says it is.

    `argument` names the header, query parameter or label that is wrong; empty where it is the body.
    """

    def __init__(self, message: str, argument: str = "", value: str = "") -> None:
        super().__init__(message)
        self.argument = argument
        self.value = value


def instant(value: Timestamp) -> datetime:
    """Return a timestamp, however it came (epoch seconds, ISO 8601, RFC 822), as an aware datetime in UTC.

    Raises MalformedError.
    """
    try:
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, int | float):
            return EPOCH + timedelta(microseconds=round(value * 1_000_000))
        if _NUMBER.fullmatch(value):
            return instant(float(value))
        if "," in value:
            return _rfc822(value)
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError) as error:
        raise MalformedError(f"{_shown(value)} is not a valid timestamp") from error


def _rfc822(value: str) -> datetime:
    fraction = _FRACTION.search(value)
    if fraction is None:
        found = parsedate_to_datetime(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    whole = parsedate_to_datetime(value.replace(fraction[2], ""))
    return whole.replace(tzinfo=UTC) + timedelta(seconds=float(fraction[2]))


def epoch(value: Timestamp) -> float | int:
    """Return epoch seconds, as an integer where there is no fraction."""
    if isinstance(value, datetime):
        # Whole microseconds divided once: adding a rounded fraction to the seconds would round twice.
        value = (instant(value) - EPOCH) // timedelta(microseconds=1) / 1e6
    elif isinstance(value, str):
        return epoch(instant(value))
    return int(value) if value == int(value) else value


def iso8601(value: Timestamp) -> str:
    """Return `2026-11-21T08:26:21Z`, with as much of a fraction as there is."""
    text = instant(value).replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0') if '.' in text else text}Z"


def iso8601_milliseconds(value: Timestamp) -> str:
    """Return `2026-11-21T08:26:21.000Z`, which S3 writes in its documents."""
    return f"{instant(value).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def rfc822(value: Timestamp) -> str:
    """Return `Sat, 21 Nov 2026 08:26:21 GMT`."""
    return format_datetime(instant(value).replace(microsecond=0), usegmt=True)


TIMESTAMPS: Mapping[str, Callable[[Timestamp], Any]] = {
    "iso8601": iso8601,
    "iso8601-milliseconds": iso8601_milliseconds,
    "rfc822": rfc822,
    "unixtimestamp": epoch,
}


def timestamp_writer(shape: Shape, default: str) -> Callable[[Timestamp], Any]:
    """Return how a timestamp of `shape` is written; a `str` is taken to be written already."""
    write = TIMESTAMPS[shape.serialization.get("timestampFormat", default).lower()]
    return lambda value: value if isinstance(value, str) else write(value)


def decode_base64(value: str) -> bytes:
    """Return the bytes of a base64 text. Raises MalformedError."""
    try:
        return binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeError) as error:
        raise MalformedError("A blob must be in base64") from error  # which is not shown: blobs hold keys


def encode_base64(value: bytes | str) -> str:
    """Return bytes, or the UTF-8 of a text, as base64."""
    data = value.encode() if isinstance(value, str) else value
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def in_range(value: int, type_name: str) -> int:
    """Return an integer that fits a model's `integer` (32 bits) or `long` (64 bits). Raises MalformedError."""
    bound = _RANGES[type_name]
    if not -bound <= value < bound:
        raise MalformedError(f"{value} is out of the range of {type_name}")
    return value


def float_text(value: float) -> str:
    """Return a floating-point number as text, with the names that AWS has for what is no number."""
    if math.isfinite(value):
        return str(value)
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def read_float(text: str) -> float:
    """Return the number that a text states, or NaN, Infinity, -Infinity by name. Raises MalformedError."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _NUMBER.fullmatch(text) is None:
        raise MalformedError(f"{_shown(text)} is not a valid number")
    return float(text)


def _read_boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise MalformedError(f"{_shown(text)} is not a valid boolean")
    return text.lower() == "true"


def _read_integer(text: str, type_name: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise MalformedError(f"{_shown(text)} is not a valid {type_name}")
    return in_range(int(text), type_name)


def read_json_text(text: str | bytes) -> Any:
    """Return the JSON value of a text. Raises MalformedError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedError("The JSON text is malformed") from error


def identity(value: Any) -> Any:
    """Return the value itself: how texts and other values that need no change are read and written."""
    return value


_READERS: dict[str, FromText] = {
    "string": identity,
    "character": identity,
    "boolean": _read_boolean,
    "integer": lambda text: _read_integer(text, "integer"),
    "long": lambda text: _read_integer(text, "long"),
    "float": read_float,
    "double": read_float,
    "timestamp": instant,
    "blob": decode_base64,
}
_WRITERS: dict[str, ToText] = {
    "string": str,
    "character": str,
    "boolean": lambda value: "true" if value else "false",
    "integer": str,
    "long": str,
    "float": float_text,
    "double": float_text,
    "blob": encode_base64,
}


def text_reader(shape: Shape) -> FromText:
    """Return what reads a scalar of `shape` from a text: of a header, a URL, a form or an XML element.

    The functions raise MalformedError.
    """
    return _READERS[shape.type_name]


def text_writer(shape: Shape, timestamps: str) -> ToText:
    """Return what writes a scalar of `shape` as text; `timestamps` is the format where the shape names none."""
    if shape.type_name == "timestamp":
        write = timestamp_writer(shape, timestamps)
        return lambda value: str(write(value))
    return _WRITERS[shape.type_name]


def _shown(value: object) -> str:
    text = str(value)
    return f"'{text[:100]}'" if len(text) <= 100 else f"'{text[:100]}…'"
