"""Listings of objects: version 2, version 1, and by version.

Keys are listed in the order of their UTF-8 bytes. What a common prefix covers is passed over, so a page costs its own
length and no more. A continuation token says where the next page starts; nothing is kept between pages.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.keys import Entry
from sagebrush.kernel.state.walk import after, beyond
from sagebrush.services.s3.errors import refusal
from sagebrush.services.s3.headers import quoted
from sagebrush.services.s3.service import admit, owner, service

T = TypeVar("T")

LIMIT = 1000
_TOKEN = re.compile(r"1([pk])(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of keys and common prefixes, in order."""

    items: list[Entry | str]
    truncated: bool

    @property
    def last(self) -> str:
        """The last key or common prefix."""
        item = self.items[-1]
        return item if isinstance(item, str) else item.key

    @property
    def entries(self) -> list[Entry]:
        """The objects."""
        return [item for item in self.items if isinstance(item, Entry)]

    @property
    def prefixes(self) -> list[str]:
        """The common prefixes."""
        return [item for item in self.items if isinstance(item, str)]


def encoder(params: Mapping[str, Any]) -> Callable[[str], str]:
    """Return how keys are written: as they are, or with `EncodingType=url` percent-encoded."""
    return quote if params.get("EncodingType") else str


def page_size(params: Mapping[str, Any], member: str = "MaxKeys") -> int:
    """Return how many items a page may have. Raises AwsError."""
    size = int(params.get(member, LIMIT))
    if size < 0:
        name = {"MaxKeys": "max-keys", "MaxUploads": "max-uploads", "MaxParts": "max-parts"}[member]
        text = f"Argument {name} must be an integer between 0 and 2147483647"
        raise refusal("InvalidArgument", text, ArgumentName=name, ArgumentValue=str(size))
    return min(size, LIMIT)


def paged(items: Iterator[T], size: int) -> tuple[list[T], bool]:
    """Return the first `size` items, and whether there are more; a page of none ends the listing."""
    found = list(islice(items, size + 1)) if size else []
    return found[:size], len(found) > size


def start_after(marker: str, prefix: str, delimiter: str) -> str | None:
    """Return where a listing starts whose client has seen everything up to `marker`; None: nowhere.

    A marker that is itself a common prefix stands for all keys below it.
    """
    cut = marker.find(delimiter, len(prefix)) if delimiter and marker.startswith(prefix) else -1
    is_common = cut >= 0 and cut + len(delimiter) == len(marker)
    return beyond(marker) if is_common else after(marker)


def _page(call: Call, start: str | None) -> Page:
    params = call.params
    size = page_size(params)
    if start is None:
        return Page([], truncated=False)
    items = call.world.keys.scan(params["Bucket"], params.get("Prefix") or "", params.get("Delimiter") or "", start)
    return Page(*paged(items, size))


def _described(entry: Entry, write: Callable[[str], str]) -> Result:
    return {
        "Key": write(entry.key),
        "LastModified": entry.modified,
        "ETag": quoted(entry.etag),
        "ChecksumAlgorithm": [entry.algorithm],
        "ChecksumType": entry.checksum_type,
        "Size": entry.size,
        "StorageClass": entry.storage_class,
    }


def _common(call: Call, page: Page, write: Callable[[str], str]) -> Result:
    """Return the members that all three listings share."""
    params = call.params
    result = {
        "Name": params["Bucket"],
        "Prefix": write(params.get("Prefix") or ""),
        "MaxKeys": page_size(params),
        "IsTruncated": page.truncated,
        "CommonPrefixes": [{"Prefix": write(prefix)} for prefix in page.prefixes],
    }
    if params.get("Delimiter"):
        result["Delimiter"] = write(params["Delimiter"])
    if params.get("EncodingType"):
        result["EncodingType"] = params["EncodingType"]
    return result


@service.operation
def list_objects_v2(call: Call) -> Result:
    """List a bucket's objects."""
    bucket = admit(call)
    params = call.params
    write = encoder(params)
    token, first = params.get("ContinuationToken"), params.get("StartAfter") or ""
    page = _page(call, _position(token) if token is not None else _first(params, first))
    held = {"Owner": owner(bucket.account)} if params.get("FetchOwner") else {}
    result = {
        **_common(call, page, write),
        "Contents": [{**_described(entry, write), **held} for entry in page.entries],
        "KeyCount": len(page.items),
    }
    if token is not None:
        result["ContinuationToken"] = token
    if first:
        result["StartAfter"] = write(first)
    if page.truncated:
        result["NextContinuationToken"] = _token(page)
    return result


@service.operation
def list_objects(call: Call) -> Result:
    """List a bucket's objects, the old way: by marker."""
    bucket = admit(call)
    params = call.params
    write = encoder(params)
    marker = params.get("Marker") or ""
    page = _page(call, _first(params, marker))
    held = {"Owner": owner(bucket.account)}
    result = {
        **_common(call, page, write),
        "Marker": write(marker),
        "Contents": [{**_described(entry, write), **held} for entry in page.entries],
    }
    if page.truncated and params.get("Delimiter"):
        result["NextMarker"] = write(page.last)
    return result


@service.operation
def list_object_versions(call: Call) -> Result:
    """List objects by version: in a bucket without versioning each has one, called `null`."""
    bucket = admit(call)
    params = call.params
    write = encoder(params)
    marker, version = params.get("KeyMarker") or "", params.get("VersionIdMarker") or ""
    if version and not marker:
        text = "A version-id marker cannot be specified without a key marker."
        raise refusal("InvalidArgument", text, ArgumentName="version-id-marker", ArgumentValue=version)
    page = _page(call, _first(params, marker))
    held = {"VersionId": "null", "IsLatest": True, "Owner": owner(bucket.account)}
    result = {
        **_common(call, page, write),
        "KeyMarker": write(marker),
        "VersionIdMarker": version,
        "Versions": [{**_described(entry, write), **held} for entry in page.entries],
    }
    if page.truncated:
        result["NextKeyMarker"] = write(page.last)
        if isinstance(page.items[-1], Entry):
            result["NextVersionIdMarker"] = "null"
    return result


def _first(params: Mapping[str, Any], marker: str) -> str | None:
    return start_after(marker, params.get("Prefix") or "", params.get("Delimiter") or "") if marker else ""


def _token(page: Page) -> str:
    """Return the token of the page after this one."""
    kind = "p" if isinstance(page.items[-1], str) else "k"
    return base64.urlsafe_b64encode(f"1{kind}{page.last}".encode()).decode()


def _position(token: str) -> str | None:
    """Return where the page of a token starts. Raises AwsError."""
    try:
        found = _TOKEN.fullmatch(base64.b64decode(token, altchars=b"-_", validate=True).decode())
    except ValueError:
        found = None
    if found is None:
        raise refusal(
            "InvalidArgument", "The continuation token provided is incorrect", ArgumentName="continuation-token"
        )
    kind, last = found.groups()
    return beyond(last) if kind == "p" else after(last)
