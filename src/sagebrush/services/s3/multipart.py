"""Multipart uploads up to their completion: create, upload parts, list, abort.

Source: "Multipart upload limits" (S3 User Guide). Upload ids sort by age, so that listings do.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.uploads import CompletingError, MissingBucketError, MissingUploadError, Part, Upload
from sagebrush.services.s3.checksums import COMPOSITE, DEFAULT, checksum_type, shown
from sagebrush.services.s3.errors import refusal
from sagebrush.services.s3.headers import encryption, epoch, given, header_tags, quoted
from sagebrush.services.s3.incoming import Incoming, promise
from sagebrush.services.s3.listing import encoder, page_size, paged
from sagebrush.services.s3.service import admit, owner, release, service, settling

MOST_PARTS = 10000


@service.operation
def create_multipart_upload(call: Call) -> Result:
    """Begin an upload."""
    admit(call)
    params = call.params
    algorithm = params.get("ChecksumAlgorithm") or ""
    if params.get("ChecksumType") and not algorithm:
        text = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        raise refusal("InvalidRequest", text)
    upload = Upload(
        id=f"{int(call.now * 1e9):016x}{secrets.token_hex(24)}",
        bucket=params["Bucket"],
        key=params["Key"],
        initiated=int(call.now),
        initiator=call.identity.arn,
        storage_class=params.get("StorageClass", "STANDARD"),
        algorithm=algorithm,
        checksum_type=checksum_type(algorithm or DEFAULT, params.get("ChecksumType")),
        tags=header_tags(params.get("Tagging")),
        headers=given(params),
    )
    try:
        call.world.keys.uploads.create(upload)
    except MissingBucketError:
        raise refusal("NoSuchBucket", BucketName=upload.bucket) from None
    return {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.id,
        **_checksum(upload),
        **encryption(upload.headers),
    }


def open_upload(call: Call) -> Upload:
    """Return the upload that a call names. Raises AwsError."""
    upload = call.world.keys.uploads.get(call.params["UploadId"])
    if upload is None or (upload.bucket, upload.key) != (call.params["Bucket"], call.params["Key"]):
        raise refusal("NoSuchUpload", UploadId=call.params["UploadId"])
    return upload


@service.operation
async def upload_part(call: Call) -> Result:
    """Store a body as a part; a former part of the same number is replaced."""
    admit(call)
    check_number(call)
    upload = open_upload(call)
    promised = promise(call.request, call.params)
    stated = promised.algorithm or (call.params.get("ChecksumAlgorithm", "") if call.request is None else "")
    if upload.algorithm not in {"", stated} and (stated or upload.checksum_type == COMPOSITE):
        raise refusal(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.lower()},"
            f" actual checksum Type: {stated.lower() or 'null'}",
        )
    async with Incoming(call.world.objects, promised, upload.algorithm or DEFAULT) as body:
        await body.take(call.params.get("Body"))
        part = await asyncio.get_running_loop().run_in_executor(None, commit_part, call, body)
    return {"ETag": quoted(part.etag), **shown(upload.algorithm, part.checksum), **encryption(upload.headers)}


def check_number(call: Call) -> None:
    """Refuse a part number that no upload has."""
    number = call.params["PartNumber"]
    if not 1 <= number <= MOST_PARTS:
        text = f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive"
        raise refusal("InvalidArgument", text, ArgumentName="partNumber", ArgumentValue=str(number))


def commit_part(call: Call, body: Incoming) -> Part:
    """Have a part hold a body, or leave nothing of it behind. Raises AwsError."""
    world = call.world
    blob, etag, found = body.seal()
    part = Part(call.params["PartNumber"], blob.size, etag, int(call.now), blob.id, found[body.algorithm])
    with settling(world, blob.id), going_on(call):
        freed = world.keys.uploads.put_part(call.params["UploadId"], part)
    release(world, freed)
    return part


@contextmanager
def going_on(call: Call) -> Iterator[None]:
    """Say as S3 does that an upload has ended, or that it is ending right now."""
    try:
        yield
    except MissingUploadError:
        raise refusal("NoSuchUpload", UploadId=call.params["UploadId"]) from None
    except CompletingError:
        raise refusal("OperationAborted") from None


@service.operation
def abort_multipart_upload(call: Call) -> Result:
    """Drop an upload and its parts."""
    admit(call)
    upload = open_upload(call)
    started = call.params.get("IfMatchInitiatedTime")
    if started is not None and epoch(started) != upload.initiated:
        raise refusal("PreconditionFailed", Condition="x-amz-if-match-initiated-time")
    with going_on(call):
        freed = call.world.keys.uploads.abort(upload.id)
    release(call.world, freed)
    return {}


@service.operation
def list_parts(call: Call) -> Result:
    """List an upload's parts by number."""
    bucket = admit(call)
    upload = open_upload(call)
    marker = int(call.params.get("PartNumberMarker") or 0)
    size = page_size(call.params, "MaxParts")
    page, truncated = paged(call.world.keys.uploads.parts(upload.id, marker), size)
    holder = owner(bucket.account)
    return {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": size,
        "IsTruncated": truncated,
        "Parts": [
            {
                "PartNumber": part.number,
                "LastModified": part.modified,
                "ETag": quoted(part.etag),
                "Size": part.size,
                **shown(upload.algorithm, part.checksum),
            }
            for part in page
        ],
        "Initiator": {"ID": upload.initiator},
        "Owner": holder,
        "StorageClass": upload.storage_class,
        **_checksum(upload),
    }


@service.operation
def list_multipart_uploads(call: Call) -> Result:
    """List the uploads under way, by key and then by age."""
    bucket = admit(call)
    params = call.params
    write = encoder(params)
    size = page_size(params, "MaxUploads")
    marker, after = params.get("KeyMarker") or "", params.get("UploadIdMarker") or ""
    prefix, delimiter = params.get("Prefix") or "", params.get("Delimiter") or ""
    found = call.world.keys.uploads.scan(bucket.name, prefix, delimiter, marker)
    items, truncated = paged(dropwhile(lambda item: _seen(item, marker, after), found), size)
    uploads = [item for item in items if isinstance(item, Upload)]
    holder = owner(bucket.account)
    result: Result = {
        "Bucket": bucket.name,
        "KeyMarker": write(marker),
        "UploadIdMarker": after,
        "Prefix": write(prefix),
        "MaxUploads": size,
        "IsTruncated": truncated,
        "CommonPrefixes": [{"Prefix": write(item)} for item in items if isinstance(item, str)],
        "Uploads": [
            {
                "UploadId": upload.id,
                "Key": write(upload.key),
                "Initiated": upload.initiated,
                "StorageClass": upload.storage_class,
                "Owner": holder,
                "Initiator": {"ID": upload.initiator},
                **_checksum(upload),
            }
            for upload in uploads
        ],
    }
    if params.get("EncodingType"):
        result["EncodingType"] = params["EncodingType"]
    if delimiter:
        result["Delimiter"] = write(delimiter)
    if truncated and items:
        last = items[-1]
        result["NextKeyMarker"] = write(last if isinstance(last, str) else last.key)
        result["NextUploadIdMarker"] = "" if isinstance(last, str) else last.id
    return result


def _seen(item: Upload | str, marker: str, after: str) -> bool:
    """Tell whether a former page had this item: all of a key's uploads up to the marked one, or all of them."""
    if isinstance(item, str):
        return bool(marker) and item <= marker
    return item.key == marker and bool(marker) and (not after or item.id <= after)


def _checksum(upload: Upload) -> dict[str, str]:
    return {"ChecksumAlgorithm": upload.algorithm, "ChecksumType": upload.checksum_type} if upload.algorithm else {}
