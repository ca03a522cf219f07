"""Multipart uploads, as boto3 sees them."""

import hashlib
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Platform
from tests.services.s3_help import MIB, new_bucket, refused

PART = os.urandom(5 * MIB)


@pytest.fixture(scope="module")
def s3(platform: Platform) -> Any:
    return platform.client("s3")


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    return new_bucket(s3)


class Uploading:
    """An upload under way."""

    def __init__(self, s3: Any, bucket: str, key: str = "key", **members: Any) -> None:
        self.s3 = s3
        self.where = {"Bucket": bucket, "Key": key}
        self.id = s3.create_multipart_upload(**self.where, **members)["UploadId"]
        self.parts: list[dict[str, Any]] = []

    def part(self, number: int, body: bytes, **members: Any) -> dict[str, Any]:
        put = self.s3.upload_part(**self.where, UploadId=self.id, PartNumber=number, Body=body, **members)
        told = {name: value for name, value in put.items() if name == "ETag" or name.startswith("Checksum")}
        self.parts = [part for part in self.parts if part["PartNumber"] != number]
        self.parts.append({"PartNumber": number, **told})
        return told

    def complete(self, parts: list[dict[str, Any]] | None = None, **members: Any) -> Any:
        chosen = sorted(self.parts, key=lambda part: part["PartNumber"]) if parts is None else parts
        return self.s3.complete_multipart_upload(
            **self.where, UploadId=self.id, MultipartUpload={"Parts": chosen}, **members
        )

    def content(self) -> bytes:
        body: bytes = self.s3.get_object(**self.where)["Body"].read()
        return body


def multipart_etag(*bodies: bytes) -> str:
    digests = b"".join(hashlib.md5(body).digest() for body in bodies)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(bodies)}"'


def test_parts_become_one_object(s3: Any, bucket: str) -> None:
    up = Uploading(
        s3, bucket, "whole", ContentType="text/csv", Metadata={"a": "b"}, Tagging="k=v", StorageClass="ONEZONE_IA"
    )
    up.part(7, b"end")  # in any order, with gaps
    up.part(2, PART[::-1])
    up.part(1, PART)
    done = up.complete(MpuObjectSize=len(PART) * 2 + 3)
    assert done["ETag"] == multipart_etag(PART, PART[::-1], b"end")
    assert (done["Bucket"], done["Key"]) == (bucket, "whole")
    assert done["Location"].endswith(f"/{bucket}/whole")
    assert up.content() == PART + PART[::-1] + b"end"
    found = s3.head_object(Bucket=bucket, Key="whole")
    assert (found["ContentType"], found["Metadata"], found["StorageClass"]) == ("text/csv", {"a": "b"}, "ONEZONE_IA")
    assert s3.get_object_tagging(Bucket=bucket, Key="whole")["TagSet"] == [{"Key": "k", "Value": "v"}]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 2 * MIB), min_size=1, max_size=4), st.randoms())
def test_any_sizes_in_any_order_round_trip(platform: Platform, extra: list[int], random: Any) -> None:
    s3 = platform.client("s3")
    up = Uploading(s3, new_bucket(s3))
    bodies = [os.urandom(size + 5 * MIB) for size in extra[:-1]] + [os.urandom(extra[-1])]
    numbers = sorted(random.sample(range(1, 10_001), len(bodies)))
    order = list(zip(numbers, bodies, strict=True))
    random.shuffle(order)
    for number, body in order:
        up.part(number, body)
    assert up.complete()["ETag"] == multipart_etag(*bodies)
    assert up.content() == b"".join(bodies)
    start = 0
    for number, body in zip(numbers, bodies, strict=True):
        if body:
            part = s3.get_object(**up.where, PartNumber=number)
            assert part["Body"].read() == body
            assert part["PartsCount"] == len(bodies)
            assert part["ContentRange"] == f"bytes {start}-{start + len(body) - 1}/{sum(map(len, bodies))}"
        start += len(body)


def test_a_part_uploaded_again_replaces_the_first(s3: Any, bucket: str) -> None:
    up = Uploading(s3, bucket)
    first = up.part(1, b"first")
    up.part(1, b"second")
    with refused("InvalidPart"):
        up.complete([{"PartNumber": 1, **first}])
    up.complete()
    assert up.content() == b"second"


def test_parts_that_are_not_listed_are_left_out(s3: Any, bucket: str) -> None:
    up = Uploading(s3, bucket)
    for number, body in ((1, PART), (2, b"unwanted"), (3, b"end")):
        up.part(number, body)
    up.complete([up.parts[0], up.parts[2]])
    assert up.content() == PART + b"end"


def test_a_completion_can_be_tried_again_after_a_refusal(s3: Any, bucket: str) -> None:
    up = Uploading(s3, bucket, "again")
    for number, body in ((1, PART), (2, b"two"), (3, b"three")):
        up.part(number, body)
    with refused("EntityTooSmall"):
        up.complete()
    with refused("InvalidPartOrder"):
        up.complete([up.parts[1], up.parts[0]])
    with refused("InvalidPart"):
        up.complete([up.parts[0], {"PartNumber": 9, "ETag": "x"}])
    with refused("InvalidRequest", "x-amz-mp-object-size"):
        up.complete([up.parts[0]], MpuObjectSize=1)
    s3.put_object(Bucket=bucket, Key="again", Body=b"there")
    with refused("PreconditionFailed"):
        up.complete([up.parts[0], up.parts[1]], IfNoneMatch="*")
    assert up.content() == b"there"
    up.complete([up.parts[0], up.parts[2]])
    assert up.content() == PART + b"three"


def test_a_completion_repeated_says_the_same(s3: Any, bucket: str) -> None:
    up = Uploading(s3, bucket, "twice")
    up.part(1, b"x")
    first = up.complete()
    assert up.complete()["ETag"] == first["ETag"]
    s3.put_object(Bucket=bucket, Key="twice", Body=b"other")
    with refused("NoSuchUpload"):
        up.complete()


def test_an_upload_that_is_not_there(s3: Any, bucket: str) -> None:
    up = Uploading(s3, bucket)
    up.part(1, b"x")
    s3.abort_multipart_upload(**up.where, UploadId=up.id)
    with refused("NoSuchUpload", "The specified upload does not exist"):
        up.part(2, b"y")
    with refused("NoSuchUpload"):
        up.complete()
    with refused("NoSuchUpload"):
        s3.abort_multipart_upload(**up.where, UploadId=up.id)
    with refused("NoSuchUpload"):
        s3.list_parts(**up.where, UploadId="never")
    other = Uploading(s3, bucket, "other")
    with refused("NoSuchUpload"):  # an id belongs to one key
        s3.upload_part(Bucket=bucket, Key="another", UploadId=other.id, PartNumber=1, Body=b"x")


def test_an_aborted_upload_leaves_no_bytes(platform: Platform, s3: Any, bucket: str) -> None:
    up = Uploading(s3, bucket)
    before = {path for path in (platform.data / "objects").rglob("*") if path.is_file()}
    up.part(1, b"x")
    up.part(2, b"y")
    s3.abort_multipart_upload(**up.where, UploadId=up.id)
    assert {path for path in (platform.data / "objects").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_numbers_go_from_1_to_10000(s3: Any, bucket: str, number: int) -> None:
    with refused("InvalidArgument", "between 1 and 10000"):
        Uploading(s3, bucket).part(number, b"x")


def test_a_completion_without_parts_is_malformed(s3: Any, bucket: str) -> None:
    with refused("MalformedXML"):
        Uploading(s3, bucket).complete([])


def test_parts_are_listed_in_pages(s3: Any, bucket: str) -> None:
    up = Uploading(s3, bucket)
    for number in (5, 3, 9):
        up.part(number, b"x" * number)
    pages = list(s3.get_paginator("list_parts").paginate(**up.where, UploadId=up.id, PaginationConfig={"PageSize": 2}))
    assert [[part["PartNumber"] for part in page["Parts"]] for page in pages] == [[3, 5], [9]]
    assert [part["Size"] for page in pages for part in page["Parts"]] == [3, 5, 9]


def test_uploads_are_listed_by_key_and_age_in_pages(s3: Any) -> None:
    bucket = new_bucket(s3)
    ups = [Uploading(s3, bucket, key) for key in ("b", "a", "b", "c/1", "c/2", "b")]
    expected = [
        ("a", ups[1].id),
        ("b", ups[0].id),
        ("b", ups[2].id),
        ("b", ups[5].id),
        ("c/1", ups[3].id),
        ("c/2", ups[4].id),
    ]
    for size in (1, 2, 4, 1000):
        pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        assert [(up["Key"], up["UploadId"]) for page in pages for up in page["Uploads"]] == expected
    grouped = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [item["Prefix"] for item in grouped["CommonPrefixes"]] == ["c/"]
    assert len(grouped["Uploads"]) == 4


def test_attributes_tell_the_parts(s3: Any, bucket: str) -> None:
    up = Uploading(s3, bucket, "attributes")
    up.part(1, PART)
    up.part(2, b"end")
    up.complete()
    wanted = ["ETag", "ObjectParts", "ObjectSize", "StorageClass", "Checksum"]
    found = s3.get_object_attributes(**up.where, ObjectAttributes=wanted)
    assert found["ETag"] == multipart_etag(PART, b"end").strip('"')
    assert (found["ObjectSize"], found["StorageClass"]) == (len(PART) + 3, "STANDARD")
    assert found["ObjectParts"]["TotalPartsCount"] == 2
    page = s3.get_object_attributes(**up.where, ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=1)
    assert [part["PartNumber"] for part in page["ObjectParts"]["Parts"]] == [2]
    assert "ETag" not in page


def test_a_part_of_an_object_without_parts(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="single", Body=b"whole")
    got = s3.get_object(Bucket=bucket, Key="single", PartNumber=1)
    assert (got["Body"].read(), got["ResponseMetadata"]["HTTPStatusCode"]) == (b"whole", 206)
    with refused("InvalidPartNumber"):
        s3.get_object(Bucket=bucket, Key="single", PartNumber=2)
    with refused("InvalidRequest", "Cannot specify both"):
        s3.get_object(Bucket=bucket, Key="single", PartNumber=1, Range="bytes=0-1")
