"""The encryption that clients ask for is recorded and returned."""

from typing import Any

from tests.conftest import Platform
from tests.services.s3_help import new_bucket


def test_the_encryption_asked_for_is_recorded_and_returned(platform: Platform) -> None:
    """SDKs upload with aws:kms; a copy has the encryption that its own request asks for."""
    s3: Any = platform.client("s3")
    bucket = new_bucket(s3)
    asked = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/mine", "BucketKeyEnabled": True}
    put = s3.put_object(Bucket=bucket, Key="a", Body=b"x", **asked)
    found = s3.get_object(Bucket=bucket, Key="a")
    for answer in (put, found):
        assert {name: answer[name] for name in asked} == asked
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    assert s3.head_object(Bucket=bucket, Key="b")["ServerSideEncryption"] == "AES256"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="c", ServerSideEncryption="aws:kms")
    part = s3.upload_part(Bucket=bucket, Key="c", UploadId=upload["UploadId"], PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = s3.complete_multipart_upload(Bucket=bucket, Key="c", UploadId=upload["UploadId"], MultipartUpload=parts)
    head = s3.head_object(Bucket=bucket, Key="c")
    assert {answer["ServerSideEncryption"] for answer in (upload, part, done, head)} == {"aws:kms"}
