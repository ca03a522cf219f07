"""Objects: put, get, head, delete.

In process, `get_object` answers a `Body` that is a `Reading`: `async for`, `for`, `read()`, `save(path)`, `link(path)`;
`put_object` takes as `Body` bytes, an async iterator, a `Path` to copy, or a `Handover` of a file to take over.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.objects.base import Blob, MissingBlobError
from sagebrush.kernel.objects.reading import Reading
from sagebrush.kernel.state.keys import Entry
from sagebrush.services.s3.checksums import FULL_OBJECT
from sagebrush.services.s3.conditions import check_read, deleting, writing
from sagebrush.services.s3.documents import check_document
from sagebrush.services.s3.errors import refusal
from sagebrush.services.s3.headers import checksum_of, encryption, given, header_tags, quoted, said
from sagebrush.services.s3.incoming import Incoming, promise
from sagebrush.services.s3.ranges import Span, asked, content_range
from sagebrush.services.s3.service import admit, check_key, find, put, release, service, settling

DELETE_LIMIT = 1000
_SMALL = 1 << 16  # bytes of an object that is answered in one piece
_ATTEMPTS = 5  # at an object whose key is overwritten between the look at its row and at its bytes

_OVERRIDES = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")


@service.operation
async def put_object(call: Call) -> Result:
    """Store a body under a key."""
    admit(call)
    headers, tags = given(call.params), header_tags(call.params.get("Tagging"))
    check = writing(call.params)
    async with Incoming(
        call.world.objects, promise(call.request, call.params), call.params.get("ChecksumAlgorithm", "")
    ) as body:
        await body.take(call.params.get("Body"))

        def store() -> Entry:
            blob, etag, checksums = body.seal()
            entry = Entry(
                bucket=call.params["Bucket"],
                key=call.params["Key"],
                size=blob.size,
                etag=etag,
                modified=int(call.now),
                blob=blob.id,
                storage_class=call.params.get("StorageClass", "STANDARD"),
                algorithm=body.algorithm,
                checksum=checksums[body.algorithm],
                checksum_type=FULL_OBJECT,
                tags=tags,
                headers=headers,
            )
            with settling(call.world, blob.id):
                freed = put(call.world, entry, check)
            release(call.world, freed)
            return entry

        entry = await asyncio.get_running_loop().run_in_executor(None, store)
    return {"ETag": quoted(entry.etag), **checksum_of(entry), **encryption(headers)}


@service.operation
async def get_object(call: Call) -> Result:
    """Answer an object, or a range or a part of it."""
    admit(call)
    for _ in range(_ATTEMPTS):
        entry = find(call)
        result, span = _described(call, entry)
        whole = span or Span(0, entry.size)
        try:
            body = Reading(call.world.objects, Blob(entry.blob, entry.size), whole.start, whole.end)
        except MissingBlobError:
            continue
        small = call.request is not None and len(body) <= _SMALL
        return {**result, "Body": await body.drain() if small else body}
    raise refusal("InternalError")


@service.operation
def head_object(call: Call) -> Result:
    """Describe an object without its bytes."""
    admit(call)
    result, _ = _described(call, find(call))
    return result


def _described(call: Call, entry: Entry) -> tuple[Result, Span | None]:
    """Return what GET and HEAD say, and which bytes are meant. Raises AwsError where they are not to be answered."""
    params = call.params
    check_read(entry, params)
    number = params.get("PartNumber")
    parts = call.world.keys.parts(entry) if number and entry.part_count else []
    span = asked(entry, params, parts)
    result = {**said(entry), "ContentLength": entry.size}
    result |= {name: params[f"Response{name}"] for name in _OVERRIDES if f"Response{name}" in params}
    if span is not None:
        result |= {"ContentLength": span.end - span.start, "ContentRange": content_range(span, entry.size)}
    elif params.get("ChecksumMode") == "ENABLED":
        result |= checksum_of(entry)
    if number and entry.part_count:
        result["PartsCount"] = entry.part_count
    return result, span


@service.operation
def delete_object(call: Call) -> Result:
    """Have a key hold nothing; it may hold nothing already."""
    admit(call)
    wanted = {
        "ETag": call.params.get("IfMatch"),
        "LastModifiedTime": call.params.get("IfMatchLastModifiedTime"),
        "Size": call.params.get("IfMatchSize"),
    }
    release(call.world, _delete(call, {**call.params, **wanted}))
    return {}


@service.operation
def delete_objects(call: Call) -> Result:
    """Delete up to 1,000 keys; each that is refused is told by itself."""
    check_document(call)
    admit(call)
    wanted = call.params["Delete"]["Objects"]
    if not 1 <= len(wanted) <= DELETE_LIMIT:
        raise refusal("MalformedXML")
    deleted: list[Result] = []
    errors: list[Result] = []
    freed: list[str] = []
    with call.world.keys.together():
        for item in wanted:
            named = {name: item[name] for name in ("Key", "VersionId") if item.get(name)}
            try:
                check_key(item["Key"])
                freed += _delete(call, item)
            except AwsError as error:
                errors.append({**named, "Code": error.code, "Message": error.message})
            else:
                deleted.append(named)
    release(call.world, freed)
    return {"Errors": errors} if call.params["Delete"].get("Quiet") else {"Deleted": deleted, "Errors": errors}


def _delete(call: Call, wanted: Mapping[str, Any]) -> list[str]:
    """Delete a key's one version; any other version is not there, which S3 takes for success."""
    if wanted.get("VersionId") not in {None, "", "null"}:
        return []
    return call.world.keys.delete(call.params["Bucket"], wanted["Key"], deleting(wanted))
