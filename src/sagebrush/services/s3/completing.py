"""CompleteMultipartUpload: the parts become an object.

The object's blob is built on the first part's, so that only the other parts are copied, and within the kernel. Until
the commit every part counts as it was: a crash, or a condition that does not hold, leaves the upload as it is.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.objects.base import Blob
from sagebrush.kernel.state.keys import Entry, PartOf
from sagebrush.kernel.state.uploads import MissingUploadError, Part, Upload
from sagebrush.services.s3.checksums import ALGORITHMS, COMPOSITE, DEFAULT, bad_digest, composite, multipart_etag, whole
from sagebrush.services.s3.conditions import writing
from sagebrush.services.s3.errors import refusal
from sagebrush.services.s3.headers import checksum_of, encryption, quoted
from sagebrush.services.s3.multipart import open_upload
from sagebrush.services.s3.service import admit, put, release, service, settling

SMALLEST = 5 * 2**20
"""The fewest bytes of a part that is not the last."""


@service.operation
def complete_multipart_upload(call: Call) -> Result:
    """Make an object of an upload's parts.

    Once more is fine as long as the object is there: a client that lost patience, and tries again while a large object
    is still being made, waits and gets the same answer.
    """
    admit(call)
    done = _completed(call)
    if done is None:
        try:
            done = _complete(call, open_upload(call))
        except MissingUploadError:
            done = _completed(call)
    if done is None:
        raise refusal("NoSuchUpload", UploadId=call.params["UploadId"])
    return {
        "Location": _location(call),
        "Bucket": done.bucket,
        "Key": done.key,
        "ETag": quoted(done.etag),
        **checksum_of(done),
        **encryption(done.headers),
    }


def _completed(call: Call) -> Entry | None:
    """Return the object that the upload has become, while its key holds it."""
    entry = call.world.keys.get(call.params["Bucket"], call.params["Key"])
    return entry if entry is not None and entry.upload == call.params["UploadId"] else None


def _complete(call: Call, upload: Upload) -> Entry:
    check = writing(call.params)
    index, store = call.world.keys, call.world.objects
    with index.uploads.completing(upload.id):
        parts = _chosen(call.params, upload, {part.number: part for part in index.uploads.parts(upload.id)})
        entry = _entry(call, upload, parts)
        check(index.get(upload.bucket, upload.key))  # once more at the commit; here it saves the copying
        blob = store.join([Blob(part.blob, part.size) for part in parts])
        entry = entry._replace(blob=blob.id)
        with settling(call.world, blob.id):
            freed = put(call.world, entry, check, [PartOf(part.number, part.size, part.checksum) for part in parts])
    release(call.world, freed)
    return entry


def _chosen(params: Mapping[str, Any], upload: Upload, stored: Mapping[int, Part]) -> list[Part]:
    """Return the parts that the client lists. Raises AwsError."""
    listed: Sequence[Mapping[str, Any]] = (params.get("MultipartUpload") or {}).get("Parts") or ()
    if not listed or any("PartNumber" not in item for item in listed):
        raise refusal("MalformedXML")
    numbers = [item["PartNumber"] for item in listed]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise refusal("InvalidPartOrder", UploadId=upload.id)
    parts = []
    for item in listed:
        part = stored.get(item["PartNumber"])
        if part is None or (item.get("ETag") or "").strip('"') != part.etag:
            raise _invalid(upload, item)
        _check_part(upload, item, part)
        parts.append(part)
    for part in parts[:-1]:
        if part.size < SMALLEST:
            raise refusal(
                "EntityTooSmall",
                ProposedSize=part.size, MinSizeAllowed=SMALLEST, PartNumber=part.number, ETag=part.etag,
            )  # fmt: skip
    return parts


def _check_part(upload: Upload, item: Mapping[str, Any], part: Part) -> None:
    """Raise AwsError where the checksum listed is another, or one is missing of which a composite is made."""
    listed = {name: item[f"Checksum{name}"] for name in ALGORITHMS if item.get(f"Checksum{name}")}
    if listed and upload.algorithm and listed != {upload.algorithm: part.checksum}:
        raise _invalid(upload, item)
    if not listed and upload.algorithm and upload.checksum_type == COMPOSITE:
        raise refusal(
            "InvalidRequest",
            f"The upload was created using a {upload.algorithm.lower()} checksum. The complete request must include"
            f" the checksum for each part. It was missing for part {part.number} in the request.",
        )


def _invalid(upload: Upload, item: Mapping[str, Any]) -> Exception:
    return refusal("InvalidPart", UploadId=upload.id, PartNumber=item["PartNumber"], ETag=item.get("ETag", ""))


def _entry(call: Call, upload: Upload, parts: Sequence[Part]) -> Entry:
    """Return the object's row, but for its blob. Raises AwsError where the client expects another object."""
    params = call.params
    algorithm = upload.algorithm or DEFAULT
    if upload.checksum_type == COMPOSITE:
        checksum = composite(algorithm, [part.checksum for part in parts])
    else:
        checksum = whole(algorithm, ((part.checksum, part.size) for part in parts))
    size = sum(part.size for part in parts)
    expected = params.get("MpuObjectSize")
    if expected is not None and int(expected) != size:
        text = f"The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {size}"
        raise refusal("InvalidRequest", text)
    if params.get("ChecksumType") not in {None, upload.checksum_type}:
        text = (
            f"The upload was created using the {upload.checksum_type} checksum mode. The complete request must use"
            " the same checksum mode."
        )
        raise refusal("InvalidRequest", text)
    for name in ALGORITHMS:
        if params.get(f"Checksum{name}") and (name, params[f"Checksum{name}"]) != (algorithm, checksum):
            raise bad_digest(name)
    return Entry(
        bucket=upload.bucket,
        key=upload.key,
        size=size,
        etag=multipart_etag([part.etag for part in parts]),
        modified=int(call.now),
        blob="",
        storage_class=upload.storage_class,
        algorithm=algorithm,
        checksum=checksum,
        checksum_type=upload.checksum_type,
        tags=upload.tags,
        headers=upload.headers,
        upload=upload.id,
        part_count=len(parts),
    )


def _location(call: Call) -> str:
    host = call.request.headers.get("host") if call.request else ""
    scheme = call.request.scheme if call.request else "http"
    path = f"{call.params['Bucket']}/{quote(call.params['Key'])}"
    return f"{scheme}://{host}/{path}" if host else f"s3://{path}"
