"""If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since: on reads, on copies' sources, on writes.

Sources: RFC 9110 section 13, with S3's order of precedence ("Conditional reads", "Conditional writes", "Conditional
deletes" in the S3 User Guide).
"""

from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.state.keys import Check, Entry
from sagebrush.services.s3.errors import lacking, refusal
from sagebrush.services.s3.headers import epoch, quoted


def matches(condition: str, etag: str) -> bool:
    """Tell whether a list of entity tags, or `*`, names this one."""
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in condition.split(","))
    return any(tag in {"*", etag} for tag in tags)


def check_read(entry: Entry, params: Mapping[str, Any]) -> None:
    """Raise AwsError 412 or 304 where a GET or HEAD is not to be answered."""
    failed = _failed(entry, params, "")
    if failed in {"If-None-Match", "If-Modified-Since"}:
        headers = {"ETag": quoted(entry.etag), "Last-Modified": formatdate(entry.modified, usegmt=True)}
        raise AwsError("NotModified", "Not Modified", 304, headers=headers)
    if failed:
        raise refusal("PreconditionFailed", Condition=failed)


def check_source(entry: Entry, params: Mapping[str, Any]) -> None:
    """Raise AwsError 412 where an object is not to be copied."""
    failed = _failed(entry, params, "CopySource")
    if failed:
        raise refusal("PreconditionFailed", Condition=f"x-amz-copy-source-{failed}")


def _failed(entry: Entry, params: Mapping[str, Any], prefix: str) -> str:
    """Return the condition that does not hold. A tag outranks the time of the same sense."""
    match, none_match = params.get(f"{prefix}IfMatch"), params.get(f"{prefix}IfNoneMatch")
    since, until = params.get(f"{prefix}IfModifiedSince"), params.get(f"{prefix}IfUnmodifiedSince")
    if match is not None:
        if not matches(match, entry.etag):
            return "If-Match"
    elif until is not None and entry.modified > epoch(until):
        return "If-Unmodified-Since"
    if none_match is not None:
        if matches(none_match, entry.etag):
            return "If-None-Match"
    elif since is not None and entry.modified <= epoch(since):
        return "If-Modified-Since"
    return ""


def writing(params: Mapping[str, Any]) -> Check:
    """Return the check that a write makes of what its key holds, when it is about to be replaced. Raises AwsError."""
    match, none_match = params.get("IfMatch"), params.get("IfNoneMatch")
    if none_match not in {None, "*"}:
        raise lacking("If-None-Match")

    def check(old: Entry | None) -> None:
        if none_match and old is not None:
            raise refusal("PreconditionFailed", Condition="If-None-Match")
        if match is not None:
            if old is None:
                raise refusal("NoSuchKey", Key=params["Key"])
            if not matches(match, old.etag):
                raise refusal("PreconditionFailed", Condition="If-Match")

    return check


_DELETE: dict[str, tuple[str, Callable[[Entry, Any], bool]]] = {
    "ETag": ("If-Match", lambda old, value: matches(value, old.etag)),
    "LastModifiedTime": ("x-amz-if-match-last-modified-time", lambda old, value: old.modified == epoch(value)),
    "Size": ("x-amz-if-match-size", lambda old, value: old.size == value),
}


def deleting(wanted: Mapping[str, Any]) -> Check:
    """Return the check that a deletion makes; `wanted` has ETag, LastModifiedTime and Size where they are given."""

    def check(old: Entry | None) -> None:
        for member, (header, holds) in _DELETE.items():
            value = wanted.get(member)
            if value is not None and old is not None and not holds(old, value):
                raise refusal("PreconditionFailed", Condition=header)

    return check
