"""Which bytes of an object a request means. Sources: RFC 9110 section 14; GetObject in the S3 API Reference."""

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from sagebrush.kernel.state.keys import Entry, PartOf
from sagebrush.services.s3.errors import refusal

_RANGE = re.compile(r"bytes=(?:(\d{1,30})-(\d{0,30})|-(\d{1,30}))", re.ASCII)
_COPY_RANGE = re.compile(r"bytes=(\d{1,30})-(\d{1,30})", re.ASCII)


class Span(NamedTuple):
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


def asked(entry: Entry, params: Mapping[str, Any], parts: Sequence[PartOf]) -> Span | None:
    """Return the bytes that `Range` or `PartNumber` means; None for the whole object. Raises AwsError."""
    text, number = params.get("Range"), params.get("PartNumber")
    if number is None:
        return _ranged(text, entry.size) if text else None
    if text:
        raise refusal("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    return _part(entry, number, parts)


def content_range(span: Span, size: int) -> str:
    """Return the Content-Range header of a part of `size` bytes."""
    return f"bytes {span.start}-{span.end - 1}/{size}"


def copied(text: str | None, entry: Entry) -> Span:
    """Return the bytes that an UploadPartCopy means. Raises AwsError."""
    if text is None:
        return Span(0, entry.size)
    found = _COPY_RANGE.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
        raise refusal("InvalidArgument", message, ArgumentName="x-amz-copy-source-range", ArgumentValue=text)
    span = Span(int(found[1]), int(found[2]) + 1)
    if span.end > entry.size:
        message = f"Range specified is not valid for source object of size: {entry.size}"
        raise refusal("InvalidArgument", message, ArgumentName="x-amz-copy-source-range", ArgumentValue=text)
    return span


def _ranged(text: str, size: int) -> Span | None:
    """Return one range; None for several and for what is no range, which S3 answers with the whole object."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        span = Span(max(size - int(suffix), 0), size)
    else:
        if last and int(last) < int(first):
            return None
        span = Span(int(first), min(int(last) + 1, size) if last else size)
    if span.start >= span.end:
        raise refusal("InvalidRange", ActualObjectSize=size, RangeRequested=text)
    return span


def _part(entry: Entry, number: int, parts: Sequence[PartOf]) -> Span | None:
    if not parts:
        if number != 1:
            raise refusal("InvalidPartNumber", ActualPartCount=1, PartNumberRequested=number)
        return Span(0, entry.size) if entry.size else None
    ends = list(accumulate(part.size for part in parts))
    for part, end in zip(parts, ends, strict=True):
        if part.number == number:
            return Span(end - part.size, end)
    raise refusal("InvalidPartNumber", ActualPartCount=len(parts), PartNumberRequested=number)
