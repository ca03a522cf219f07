"""Conditional requests, as boto3 sees them: reads, writes, deletions, and races."""

import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform
from tests.services.s3_help import MIB, new_bucket, refused

OTHER = '"0123456789abcdef0123456789abcdef"'


@pytest.fixture(scope="module")
def s3(platform: Platform) -> Any:
    return platform.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    return new_bucket(s3)


@pytest.mark.parametrize("method", ["get_object", "head_object"])
def test_reads_under_each_condition(s3: Any, bucket: str, method: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="key")["LastModified"]
    before, later = modified - timedelta(seconds=1), modified + timedelta(seconds=1)
    read = getattr(s3, method)

    def outcome(**conditions: Any) -> int:
        try:
            return int(read(Bucket=bucket, Key="key", **conditions)["ResponseMetadata"]["HTTPStatusCode"])
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])

    assert outcome(IfMatch=etag) == 200
    assert outcome(IfMatch=etag.strip('"')) == 200
    assert outcome(IfMatch="*") == 200
    assert outcome(IfMatch=f"{OTHER}, {etag}") == 200
    assert outcome(IfMatch=OTHER) == 412
    assert outcome(IfNoneMatch=OTHER) == 200
    assert outcome(IfNoneMatch=etag) == 304
    assert outcome(IfNoneMatch="*") == 304
    assert outcome(IfModifiedSince=before) == 200
    assert outcome(IfModifiedSince=modified) == 304
    assert outcome(IfUnmodifiedSince=modified) == 200
    assert outcome(IfUnmodifiedSince=before) == 412
    assert outcome(IfMatch=etag, IfUnmodifiedSince=before) == 200  # the tag outranks the time
    assert outcome(IfNoneMatch=OTHER, IfModifiedSince=later) == 200
    assert outcome(IfNoneMatch=etag, IfModifiedSince=before) == 304


def test_a_304_tells_the_etag(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"x")["ETag"]
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key", IfNoneMatch=etag)
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["etag"] == etag


def test_a_put_if_absent_happens_once(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"first", IfNoneMatch="*")
    with refused("PreconditionFailed", "At least one of the pre-conditions you specified did not hold"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"second", IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"first"


def test_a_put_if_unchanged(s3: Any, bucket: str) -> None:
    with refused("NoSuchKey"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"x", IfMatch=OTHER)
    first = s3.put_object(Bucket=bucket, Key="key", Body=b"1")["ETag"]
    s3.put_object(Bucket=bucket, Key="key", Body=b"2", IfMatch=first)
    with refused("PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"3", IfMatch=first)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"2"


def test_a_deletion_if_unchanged(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"1")["ETag"]
    with refused("PreconditionFailed"):
        s3.delete_object(Bucket=bucket, Key="key", IfMatch=OTHER)
    with refused("PreconditionFailed"):
        s3.delete_object(Bucket=bucket, Key="key", IfMatchSize=2)
    s3.delete_object(Bucket=bucket, Key="key", IfMatch=etag, IfMatchSize=1)
    s3.delete_object(Bucket=bucket, Key="key")


def test_a_copy_under_conditions_on_its_source(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="from", Body=b"1")["ETag"]
    source = {"Bucket": bucket, "Key": "from"}
    modified = s3.head_object(Bucket=bucket, Key="from")["LastModified"]
    for condition in (
        {"CopySourceIfMatch": OTHER},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfModifiedSince": modified},
        {"CopySourceIfUnmodifiedSince": modified - timedelta(seconds=1)},
    ):
        with refused("PreconditionFailed"):
            s3.copy_object(Bucket=bucket, Key="to", CopySource=source, **condition)
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source, CopySourceIfMatch=etag, IfNoneMatch="*")
    with refused("PreconditionFailed"):
        s3.copy_object(Bucket=bucket, Key="to", CopySource=source, IfNoneMatch="*")


def race(runners: list[Any]) -> list[str]:
    """Run all at once; return the error code of each, empty for success."""
    ready = threading.Barrier(len(runners))
    outcomes = [""] * len(runners)

    def run(number: int) -> None:
        ready.wait()
        try:
            runners[number]()
        except ClientError as error:
            outcomes[number] = error.response["Error"]["Code"]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(runners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_of_many_puts_if_absent_exactly_one_wins(s3: Any, bucket: str) -> None:
    def put(key: str, body: bytes) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")

    for attempt in range(5):
        key = f"key{attempt}"
        bodies = [bytes([number]) * (MIB if number % 2 else 10) for number in range(6)]
        outcomes = race([partial(put, key, body) for body in bodies])
        assert sorted(outcomes) == ["", *["PreconditionFailed"] * 5]
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == bodies[outcomes.index("")]


def test_of_many_completions_if_absent_exactly_one_wins(s3: Any, bucket: str) -> None:
    uploads = [s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"] for _ in range(4)]
    etags = [
        s3.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=1, Body=upload.encode())["ETag"]
        for upload in uploads
    ]

    def complete(upload: str, etag: str) -> None:
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        s3.complete_multipart_upload(Bucket=bucket, Key="key", UploadId=upload, MultipartUpload=parts, IfNoneMatch="*")

    outcomes = race([partial(complete, upload, etag) for upload, etag in zip(uploads, etags, strict=True)])
    assert sorted(outcomes) == ["", *["PreconditionFailed"] * 3]
    winner = uploads[outcomes.index("")]
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == winner.encode()
    left = {item["UploadId"] for item in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]}
    assert left == set(uploads) - {winner}


def test_completions_of_one_upload_at_once_all_get_the_same_answer(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    where = {"Bucket": bucket, "Key": "key", "UploadId": upload}
    body = bytes(5 * MIB)
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**where, PartNumber=number, Body=body)["ETag"]}
        for number in (1, 2, 3)
    ]
    etags: list[str] = []

    def complete() -> None:
        etags.append(s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})["ETag"])

    assert race([complete] * 4) == [""] * 4
    assert len(set(etags)) == 1
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == 15 * MIB
