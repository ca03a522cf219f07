"""CopyObject and UploadPartCopy."""

import asyncio
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.objects.base import Blob, MissingBlobError
from sagebrush.kernel.objects.reading import Reading
from sagebrush.kernel.state.keys import Entry
from sagebrush.services.s3.checksums import DEFAULT, FULL_OBJECT, Digests, Promise, encoded, shown
from sagebrush.services.s3.conditions import check_source, writing
from sagebrush.services.s3.errors import refusal
from sagebrush.services.s3.headers import checksum_of, encrypted_anew, encryption, given, header_tags, quoted
from sagebrush.services.s3.incoming import LIMIT, Incoming
from sagebrush.services.s3.multipart import check_number, commit_part, open_upload
from sagebrush.services.s3.ranges import copied
from sagebrush.services.s3.service import admit, check_key, open_bucket, put, release, service, settling

_ATTEMPTS = 5  # at a source that is overwritten between the look at its row and at its bytes
_ILLEGAL = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's"
    " metadata, storage class, website redirect location or encryption attributes."
)
_TOO_LARGE = f"The specified copy source is larger than the maximum allowable size for a copy source: {LIMIT}"


class Source(NamedTuple):
    """What `x-amz-copy-source` names."""

    bucket: str
    key: str
    version: str | None


def source_of(text: str) -> Source:
    """Read `bucket/key?versionId=…`, percent-encoded, with or without a slash first. Raises AwsError."""
    path, _, version = text.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        raise refusal("InvalidArgument", message, ArgumentName="x-amz-copy-source", ArgumentValue=text)
    check_key(key)
    return Source(bucket, key, unquote(version) or None)


def source_entry(call: Call) -> Entry:
    """Return the object to copy from, if the conditions on it hold. Raises AwsError."""
    source = source_of(call.params["CopySource"])
    open_bucket(call.world, source.bucket, call.params.get("ExpectedSourceBucketOwner"))
    entry = call.world.keys.get(source.bucket, source.key)
    if source.version not in {None, "null"}:
        raise refusal("NoSuchVersion", Key=source.key, VersionId=source.version)
    if entry is None:
        raise refusal("NoSuchKey", Key=source.key)
    check_source(entry, call.params)
    return entry


def sources(call: Call) -> Iterator[Entry]:
    """Yield the object to copy from, anew each time that its bytes were gone already."""
    for _ in range(_ATTEMPTS):
        yield source_entry(call)
    raise refusal("InternalError")


@service.operation
def copy_object(call: Call) -> Result:
    """Copy an object; its bytes are shared, not copied, where the store can."""
    admit(call)
    check = writing(call.params)
    for source in sources(call):
        entry = _planned(call, source)
        try:
            blob = call.world.objects.copy(source.blob)
        except MissingBlobError:
            continue
        with settling(call.world, blob.id):
            etag, checksum = _digested(call, source, blob, entry.algorithm)
            entry = entry._replace(blob=blob.id, etag=etag, checksum=checksum)
            freed = put(call.world, entry, check)
        release(call.world, freed)
        return {
            "CopyObjectResult": {"ETag": quoted(etag), "LastModified": entry.modified, **checksum_of(entry)},
            **encryption(entry.headers),
        }
    raise AssertionError


def _planned(call: Call, source: Entry) -> Entry:
    """Return the copy's row, but for its blob and digests. Raises AwsError."""
    params = call.params
    if source.size > LIMIT:
        raise refusal("InvalidRequest", _TOO_LARGE)
    replaces = params.get("MetadataDirective") == "REPLACE"
    storage_class = params.get("StorageClass", "STANDARD")
    changes = replaces or storage_class != source.storage_class or "ServerSideEncryption" in params
    algorithm = params.get("ChecksumAlgorithm") or source.algorithm
    if (
        (source.bucket, source.key) == (params["Bucket"], params["Key"])
        and not changes
        and algorithm == source.algorithm
    ):
        raise refusal("InvalidRequest", _ILLEGAL)
    return source._replace(
        bucket=params["Bucket"],
        key=params["Key"],
        modified=int(call.now),
        storage_class=storage_class,
        algorithm=algorithm,
        checksum_type=FULL_OBJECT,
        tags=header_tags(params.get("Tagging")) if params.get("TaggingDirective") == "REPLACE" else source.tags,
        headers=given(params) if replaces else encrypted_anew(source.headers, params),
        upload="",
        part_count=0,
    )


def _digested(call: Call, source: Entry, blob: Blob, algorithm: str) -> tuple[str, str]:
    """Return a copy's ETag and checksum, which are those of one PUT; known already where the source was one."""
    if not source.part_count and (algorithm, FULL_OBJECT) == (source.algorithm, source.checksum_type):
        return source.etag, source.checksum
    digests = Digests([algorithm])
    for chunk in Reading(call.world.objects, blob):
        digests.update_etag([chunk])
        digests.update_checksums([chunk])
    return digests.md5.hex(), encoded(digests.digest(algorithm))


@service.operation
async def upload_part_copy(call: Call) -> Result:
    """Make a part of an upload from a range of an object. The bytes are copied: a part's are built upon later."""
    admit(call)
    check_number(call)
    upload = open_upload(call)
    for source in sources(call):
        span = copied(call.params.get("CopySourceRange"), source)
        try:
            reading = Reading(call.world.objects, Blob(source.blob, source.size), *span)
        except MissingBlobError:
            continue
        async with Incoming(call.world.objects, Promise({}), upload.algorithm or DEFAULT) as body:
            body.give(reading)
            part = await asyncio.get_running_loop().run_in_executor(None, commit_part, call, body)
        return {
            "CopyPartResult": {
                "ETag": quoted(part.etag),
                "LastModified": part.modified,
                **shown(upload.algorithm, part.checksum),
            },
            **encryption(upload.headers),
        }
    raise AssertionError
