"""What an object carries besides its bytes: system headers, user metadata, tags.

Sources: "Working with object metadata" (S3 User Guide: 2 KB of user metadata, names in lower case, RFC 2047 for
values outside ASCII) and "Categorizing your objects using tags" (10 tags, keys of 128 and values of 256 characters).
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.state.keys import Entry
from sagebrush.services.s3.checksums import shown
from sagebrush.services.s3.errors import refusal

METADATA_LIMIT = 2048
OBJECT_TAGS = 10
BUCKET_TAGS = 50

_SETTABLE = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")
_KMS = ("SSEKMSKeyId", "SSEKMSEncryptionContext", "BucketKeyEnabled")
_KMS_HEADER = "x-amz-server-side-encryption"
_DEFAULT_TYPE = "binary/octet-stream"
_TAG_TEXT = re.compile(r"[\w\s+\-=.:/@]*")


def given(params: Mapping[str, Any]) -> str:
    """Return, as the index keeps them, the headers and metadata that a request sets. Raises AwsError."""
    headers: dict[str, Any] = {name: params[name] for name in _SETTABLE if params.get(name) is not None}
    headers.setdefault("ContentType", _DEFAULT_TYPE)
    if "Expires" in headers:
        headers["Expires"] = epoch(headers["Expires"])
    if "ContentEncoding" in headers:
        headers["ContentEncoding"] = _without_transfer(headers["ContentEncoding"])
    metadata = {name.lower(): value for name, value in (params.get("Metadata") or {}).items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_LIMIT:
        raise refusal("MetadataTooLarge", Size=size, MaxSizeAllowed=METADATA_LIMIT)
    kept = {name: value for name, value in headers.items() if value != ""}
    return orjson.dumps({**kept, "Metadata": metadata, "Encryption": _encryption(params)}).decode()


def _encryption(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the encryption that a request asks for, as it is recorded: the disk is the user's, and so are its keys."""
    kind = params.get("ServerSideEncryption") or "AES256"
    keys = {name: params[name] for name in _KMS if params.get(name) is not None}
    if keys and not kind.startswith("aws:kms"):
        text = f"Server Side Encryption with KMS managed key requires HTTP header {_KMS_HEADER} : aws:kms"
        raise refusal("InvalidArgument", text, ArgumentName=_KMS_HEADER, ArgumentValue=kind)
    return {"ServerSideEncryption": kind, **keys}


def encryption(headers: str) -> dict[str, Any]:
    """Return the members that say how an object, or an upload, is encrypted."""
    told: dict[str, Any] = dict(orjson.loads(headers)["Encryption"])
    told.pop("SSEKMSEncryptionContext", None)
    return told


def encrypted_anew(headers: str, params: Mapping[str, Any]) -> str:
    """Return an object's headers as a copy has them: the encryption is the copy's own."""
    return orjson.dumps({**orjson.loads(headers), "Encryption": _encryption(params)}).decode()


def said(entry: Entry) -> dict[str, Any]:
    """Return the members of a HEAD that come from the object's row."""
    headers = orjson.loads(entry.headers)
    del headers["Encryption"]
    result = {
        **headers,
        "Metadata": {name: _ascii(value) for name, value in headers["Metadata"].items()},
        "ETag": quoted(entry.etag),
        "LastModified": entry.modified,
        "AcceptRanges": "bytes",
        **encryption(entry.headers),
    }
    if entry.storage_class != "STANDARD":
        result["StorageClass"] = entry.storage_class
    if entry.tags:
        result["TagCount"] = len(orjson.loads(entry.tags))
    return result


def checksum_of(entry: Entry) -> dict[str, str]:
    """Return the members that say an object's checksum."""
    return shown(entry.algorithm, entry.checksum, entry.checksum_type)


def quoted(etag: str) -> str:
    """Return an ETag as HTTP has it."""
    return f'"{etag}"'


def epoch(moment: datetime | float) -> int:
    """Return a timestamp member in whole epoch seconds, as HTTP dates are."""
    return int(moment.timestamp() if isinstance(moment, datetime) else moment)


def header_tags(text: str | None) -> str:
    """Return the tags of an `x-amz-tagging` header (`a=1&b=2`) as the index keeps them. Raises AwsError."""
    if not text:
        return ""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."
        raise refusal("InvalidArgument", message, ArgumentName="x-amz-tagging", ArgumentValue=text) from None
    return _kept(pairs, OBJECT_TAGS)


def document_tags(tag_set: Sequence[Mapping[str, str]], limit: int) -> str:
    """Return the tags of a TagSet as the index keeps them. Raises AwsError."""
    return _kept([(tag["Key"], tag["Value"]) for tag in tag_set], limit)


def tag_set(tags: str) -> list[dict[str, str]]:
    """Return tags as a TagSet."""
    return [{"Key": key, "Value": value} for key, value in orjson.loads(tags or "{}").items()]


def _kept(pairs: Sequence[tuple[str, str]], limit: int) -> str:
    if len(pairs) > limit:
        kind = "Object" if limit == OBJECT_TAGS else "Bucket"
        raise AwsError("BadRequest", f"{kind} tags cannot be greater than {limit}", 400)
    for problem in _tag_problems(pairs):
        raise refusal("InvalidTag", problem)
    return orjson.dumps(dict(pairs)).decode() if pairs else ""


def _tag_problems(pairs: Iterable[tuple[str, str]]) -> Iterable[str]:
    seen: set[str] = set()
    for key, value in pairs:
        if not 1 <= len(key) <= 128 or not _TAG_TEXT.fullmatch(key):
            yield "The TagKey you have provided is invalid"
        if len(value) > 256 or not _TAG_TEXT.fullmatch(value):
            yield "The TagValue you have provided is invalid"
        if key.lower().startswith("aws:"):
            yield "System tags cannot be added/updated by requester"
        if key in seen:
            yield "Cannot provide multiple Tags with the same key"
        seen.add(key)


def _without_transfer(encoding: str) -> str:
    """Drop `aws-chunked`, which is how the body came and not what it is."""
    return ",".join(
        part for part in (piece.strip() for piece in encoding.split(",")) if part not in {"", "aws-chunked"}
    )


def _ascii(value: str) -> str:
    return value if value.isascii() else f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="
