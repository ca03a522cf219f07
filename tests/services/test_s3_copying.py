"""CopyObject and UploadPartCopy, as boto3 sees them."""

import hashlib
import os
from typing import Any

import pytest
from tests.conftest import Platform
from tests.services.s3_help import MIB, new_bucket, refused


@pytest.fixture(scope="module")
def s3(platform: Platform) -> Any:
    return platform.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    bucket = new_bucket(s3)
    s3.put_object(
        Bucket=bucket, Key="from", Body=b"bytes", ContentType="text/csv", Metadata={"a": "1"}, Tagging="k=v", CacheControl="no-cache"
    )  # fmt: skip
    return bucket


def test_a_copy_has_everything_of_its_source(s3: Any, bucket: str) -> None:
    other = new_bucket(s3)
    copied = s3.copy_object(Bucket=other, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
    source, found = s3.head_object(Bucket=bucket, Key="from"), s3.get_object(Bucket=other, Key="to")
    assert found["Body"].read() == b"bytes"
    assert copied["CopyObjectResult"]["ETag"] == source["ETag"] == found["ETag"]
    assert (found["ContentType"], found["Metadata"], found["CacheControl"]) == ("text/csv", {"a": "1"}, "no-cache")
    assert found["TagCount"] == 1
    s3.delete_object(Bucket=bucket, Key="from")
    assert s3.get_object(Bucket=other, Key="to")["Body"].read() == b"bytes"


def test_a_copy_may_have_headers_and_tags_of_its_own(s3: Any, bucket: str) -> None:
    source = {"Bucket": bucket, "Key": "from"}
    s3.copy_object(
        Bucket=bucket, Key="to", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/plain",
        TaggingDirective="REPLACE", Tagging="x=y&z=", StorageClass="STANDARD_IA",
    )  # fmt: skip
    found = s3.head_object(Bucket=bucket, Key="to")
    assert (found["ContentType"], found["Metadata"], found["StorageClass"]) == ("text/plain", {"b": "2"}, "STANDARD_IA")
    assert "CacheControl" not in found
    assert s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"] == [
        {"Key": "x", "Value": "y"},
        {"Key": "z", "Value": ""},
    ]
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=source, Metadata={"ignored": "1"}, Tagging="ignored=1")
    assert s3.head_object(Bucket=bucket, Key="kept")["Metadata"] == {"a": "1"}
    assert s3.get_object_tagging(Bucket=bucket, Key="kept")["TagSet"] == [{"Key": "k", "Value": "v"}]


def test_a_copy_onto_itself_must_change_something(s3: Any, bucket: str) -> None:
    source = {"Bucket": bucket, "Key": "from"}
    with refused("InvalidRequest", "trying to copy an object to itself"):
        s3.copy_object(Bucket=bucket, Key="from", CopySource=source)
    s3.copy_object(Bucket=bucket, Key="from", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    found = s3.get_object(Bucket=bucket, Key="from")
    assert (found["Body"].read(), found["Metadata"]) == (b"bytes", {"b": "2"})
    s3.copy_object(Bucket=bucket, Key="from", CopySource=source, StorageClass="GLACIER_IR")
    assert s3.head_object(Bucket=bucket, Key="from")["StorageClass"] == "GLACIER_IR"


@pytest.mark.parametrize("key", ["a b+c", "ü/日本", "100%", "%41", "q?x=1", "a?versionId=null"])
def test_a_source_key_is_what_it_says(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == key.encode()


def test_sources_that_are_not_there(s3: Any, bucket: str) -> None:
    with refused("NoSuchKey"):
        s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "absent"})
    with refused("NoSuchBucket"):
        s3.copy_object(Bucket=bucket, Key="to", CopySource="nobodys-bucket/key")
    with refused("InvalidArgument", "Copy Source must mention"):
        s3.copy_object(Bucket=bucket, Key="to", CopySource="///key")
    with refused("NoSuchVersion"):
        s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from", "VersionId": "v" * 32})
    with refused("AccessDenied"):
        s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from", ExpectedSourceBucketOwner="210987654321")
    s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from", "VersionId": "null"})


def test_the_copy_of_a_multipart_object_is_one_object(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", ChecksumAlgorithm="SHA256")["UploadId"]
    where = {"Bucket": bucket, "Key": "parts", "UploadId": upload}
    bodies = [os.urandom(5 * MIB), b"end"]
    parts = [
        {"PartNumber": n, **{k: v for k, v in s3.upload_part(**where, PartNumber=n, Body=body, ChecksumAlgorithm="SHA256").items()
                             if k in {"ETag", "ChecksumSHA256"}}}
        for n, body in enumerate(bodies, 1)
    ]  # fmt: skip
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    whole = b"".join(bodies)
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "parts"})[
        "CopyObjectResult"
    ]
    assert copied["ETag"] == f'"{hashlib.md5(whole).hexdigest()}"'
    assert copied["ChecksumType"] == "FULL_OBJECT"
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == whole


def test_a_copy_may_have_another_checksum(s3: Any, bucket: str) -> None:
    copied = s3.copy_object(
        Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"}, ChecksumAlgorithm="SHA1"
    )
    assert "ChecksumSHA1" in copied["CopyObjectResult"]
    found = s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
    assert found["ChecksumSHA1"] == copied["CopyObjectResult"]["ChecksumSHA1"]


def test_parts_are_copied_from_ranges(s3: Any, bucket: str) -> None:
    data = os.urandom(6 * MIB)
    s3.put_object(Bucket=bucket, Key="data", Body=data)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="to")["UploadId"]
    where = {"Bucket": bucket, "Key": "to", "UploadId": upload, "CopySource": {"Bucket": bucket, "Key": "data"}}
    one = s3.upload_part_copy(**where, PartNumber=1)["CopyPartResult"]
    two = s3.upload_part_copy(**where, PartNumber=2, CopySourceRange="bytes=10-19")["CopyPartResult"]
    assert one["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    for bad in ("bytes=5-", f"bytes=0-{len(data)}", "0-5"):
        with refused("InvalidArgument"):
            s3.upload_part_copy(**where, PartNumber=3, CopySourceRange=bad)
    del where["CopySource"]
    s3.complete_multipart_upload(
        **where,
        MultipartUpload={"Parts": [{"PartNumber": n, "ETag": part["ETag"]} for n, part in ((1, one), (2, two))]},
    )
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == data + data[10:20]
    assert (
        s3.get_object(Bucket=bucket, Key="data")["Body"].read() == data
    )  # building on a part is not building on its source
