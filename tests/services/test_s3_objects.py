"""Objects, as boto3 sees them: what is put comes back, whole, in ranges and described."""

import hashlib
import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Platform
from tests.services.s3_help import MIB, exchange, new_bucket, refused, signed

KEYS = ["plain", "a/b/c", "with space", "a+b", "100%", "%41", "ünï/日本", "trailing/", "//double", "./dot/../dots", "q?x=1&y#z",
        "a\tb", "quote\"<>&'", "~tilde", "k" * 1024]  # fmt: skip


@pytest.fixture(scope="module")
def s3(platform: Platform) -> Any:
    return platform.client("s3")


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    return new_bucket(s3)


@pytest.mark.parametrize("size", [0, 1, 4096, 65536, 65537, MIB, 3 * MIB + 1])
def test_an_object_comes_back_as_it_was_put(s3: Any, bucket: str, size: int) -> None:
    data = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="whole", Body=data)
    got = s3.get_object(Bucket=bucket, Key="whole")
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert got["ContentLength"] == size
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert got["Body"].read() == data
    assert abs(got["LastModified"] - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_what_it_says_character_by_character(s3: Any, key: str) -> None:
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_key_may_have_1024_bytes(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="é" * 512, Body=b"x")
    with refused("KeyTooLongError", "Your key is too long"):
        s3.put_object(Bucket=bucket, Key="é" * 512 + "x", Body=b"x")


def test_virtual_host_addresses_reach_the_same_object(platform: Platform, s3: Any) -> None:
    bucket = new_bucket(s3)
    for host in (f"{bucket}.localhost", f"{bucket}.s3.amazonaws.com", f"{bucket}.s3.us-east-1.amazonaws.com"):
        body = host.encode()
        request = signed(platform, "PUT", "/dir/key", {"Host": host}, body)
        assert exchange(platform, request, body)[0] == 200
        assert s3.get_object(Bucket=bucket, Key="dir/key")["Body"].read() == body


def test_headers_metadata_and_tags_come_back(s3: Any, bucket: str) -> None:
    expires = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    s3.put_object(
        Bucket=bucket, Key="described", Body=b"x", ContentType="text/csv; charset=utf-8", CacheControl="max-age=60",
        ContentDisposition='attachment; filename="x.csv"', ContentEncoding="gzip", ContentLanguage="de", Expires=expires,
        Metadata={"Source": "census", "empty": "", "spaced": "a  b"}, Tagging="team=ml&note=a%20b", StorageClass="STANDARD_IA",
        ServerSideEncryption="AES256", ACL="bucket-owner-full-control",
    )  # fmt: skip
    for method in ("head_object", "get_object"):
        found = getattr(s3, method)(Bucket=bucket, Key="described")
        assert found["ContentType"] == "text/csv; charset=utf-8"
        assert found["CacheControl"] == "max-age=60"
        assert found["ContentDisposition"] == 'attachment; filename="x.csv"'
        assert found["ContentEncoding"] == "gzip"
        assert found["ContentLanguage"] == "de"
        assert found["Expires"] == expires
        assert found["Metadata"] == {"source": "census", "empty": "", "spaced": "a  b"}
        assert found["StorageClass"] == "STANDARD_IA"
        assert found["ServerSideEncryption"] == "AES256"
        assert found["AcceptRanges"] == "bytes"
    assert s3.get_object(Bucket=bucket, Key="described")["TagCount"] == 2
    assert s3.get_object_tagging(Bucket=bucket, Key="described")["TagSet"] == [
        {"Key": "team", "Value": "ml"},
        {"Key": "note", "Value": "a b"},
    ]


def test_without_a_content_type_there_is_a_default(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="typeless", Body=b"x")
    found = s3.head_object(Bucket=bucket, Key="typeless")
    assert found["ContentType"] == "binary/octet-stream"
    assert "StorageClass" not in found
    assert found["Metadata"] == {}


def test_metadata_may_have_2_kilobytes(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="meta", Body=b"x", Metadata={"k": "v" * 2047})
    with refused("MetadataTooLarge"):
        s3.put_object(Bucket=bucket, Key="meta", Body=b"y", Metadata={"k": "v" * 2048})
    assert s3.get_object(Bucket=bucket, Key="meta")["Body"].read() == b"x"


def test_a_presigned_get_may_rename_its_answer(platform: Platform, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="renamed", Body=b"x", ContentType="text/plain")
    found = s3.get_object(
        Bucket=bucket, Key="renamed", ResponseContentType="text/csv", ResponseContentDisposition="attachment",
        ResponseCacheControl="no-store", ResponseContentLanguage="fr", ResponseContentEncoding="identity",
    )  # fmt: skip
    assert (found["ContentType"], found["ContentDisposition"]) == ("text/csv", "attachment")
    assert (found["CacheControl"], found["ContentLanguage"]) == ("no-store", "fr")
    assert s3.head_object(Bucket=bucket, Key="renamed")["ContentType"] == "text/plain"


def test_what_is_not_there(s3: Any, bucket: str) -> None:
    with refused("NoSuchKey", "The specified key does not exist."):
        s3.get_object(Bucket=bucket, Key="absent")
    with refused("404", "Not Found"):
        s3.head_object(Bucket=bucket, Key="absent")
    s3.delete_object(Bucket=bucket, Key="absent")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="absent")


def test_a_bucket_without_versions_has_the_version_null(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="versioned", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="versioned", VersionId="null")["Body"].read() == b"x"
    other = "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"
    with refused("NoSuchVersion"):
        s3.get_object(Bucket=bucket, Key="versioned", VersionId=other)
    s3.delete_object(Bucket=bucket, Key="versioned", VersionId=other)
    assert s3.head_object(Bucket=bucket, Key="versioned")["ContentLength"] == 1


DATA = os.urandom(200_000)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 210_000), st.one_of(st.none(), st.integers(0, 210_000)))
def test_a_range_is_a_slice(platform: Platform, first: int, last: int | None) -> None:
    s3 = platform.client("s3")
    bucket = _ranged(s3)
    asked = f"bytes={first}-{'' if last is None else last}"
    if last is not None and last < first:
        assert s3.get_object(Bucket=bucket, Key="data", Range=asked)["Body"].read() == DATA
        return
    if first >= len(DATA):
        with refused("InvalidRange", "The requested range is not satisfiable"):
            s3.get_object(Bucket=bucket, Key="data", Range=asked)
        return
    expected = DATA[first : len(DATA) if last is None else last + 1]
    got = s3.get_object(Bucket=bucket, Key="data", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {first}-{first + len(expected) - 1}/{len(DATA)}"
    assert got["Body"].read() == expected


_RANGED: dict[int, str] = {}


def _ranged(s3: Any) -> str:
    if id(s3) not in _RANGED:
        _RANGED[id(s3)] = new_bucket(s3)
        s3.put_object(Bucket=_RANGED[id(s3)], Key="data", Body=DATA)
    return _RANGED[id(s3)]


@pytest.mark.parametrize("suffix", [1, 1000, len(DATA), len(DATA) + 5])
def test_a_suffix_range_is_the_end(s3: Any, suffix: int) -> None:
    got = s3.get_object(Bucket=_ranged(s3), Key="data", Range=f"bytes=-{suffix}")
    assert got["Body"].read() == DATA[-suffix:]
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_ranges_that_are_none_or_many_give_the_whole_object(s3: Any) -> None:
    for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=x-y", "bytes=-"):
        got = s3.get_object(Bucket=_ranged(s3), Key="data", Range=asked)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert got["Body"].read() == DATA


def test_no_range_of_an_empty_object_is_satisfiable(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    for asked in ("bytes=0-", "bytes=-5", "bytes=0-0"):
        with refused("InvalidRange"):
            s3.get_object(Bucket=bucket, Key="empty", Range=asked)
    with refused("InvalidRange"):
        s3.get_object(Bucket=_ranged(s3), Key="data", Range="bytes=-0")


def test_a_head_of_a_range_tells_its_length(s3: Any) -> None:
    found = s3.head_object(Bucket=_ranged(s3), Key="data", Range="bytes=10-19")
    assert (found["ContentLength"], found["ContentRange"]) == (10, f"bytes 10-19/{len(DATA)}")


def test_many_keys_are_deleted_at_once(s3: Any) -> None:
    bucket = new_bucket(s3)
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
    wanted = [{"Key": f"k{number}"} for number in range(4)] + [{"Key": "absent"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    assert {item["Key"] for item in answer["Deleted"]} == {"k0", "k1", "k2", "k3", "absent"}
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k4"]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k4"}], "Quiet": True})
    assert "Deleted" not in answer


def test_of_many_keys_each_is_refused_by_itself(s3: Any) -> None:
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="one", Body=b"1")
    s3.put_object(Bucket=bucket, Key="two", Body=b"2")
    answer = s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "one", "ETag": '"other"'}, {"Key": "two"}, {"Key": "k" * 1025}]}
    )
    assert [item["Key"] for item in answer["Deleted"]] == ["two"]
    assert [item["Code"] for item in answer["Errors"]] == ["PreconditionFailed", "KeyTooLongError"]
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["one"]


def test_no_more_than_a_thousand_keys_are_deleted_at_once(s3: Any, bucket: str) -> None:
    with refused("MalformedXML"):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": str(number)} for number in range(1001)]})


@pytest.mark.parametrize(
    ("member", "value", "code", "text"),
    [
        ("ACL", "public-read", "AccessControlListNotSupported", ""),
        ("GrantFullControl", "id=abc", "AccessControlListNotSupported", ""),
        ("ObjectLockMode", "GOVERNANCE", "InvalidRequest", "Object Lock"),
        ("ObjectLockLegalHoldStatus", "ON", "InvalidRequest", "Object Lock"),
        ("ServerSideEncryption", "aws:fsx", "NotImplemented", "ServerSideEncryption=aws:fsx"),
        ("SSEKMSKeyId", "alias/mine", "InvalidArgument", "aws:kms"),
        ("WebsiteRedirectLocation", "/other", "NotImplemented", "WebsiteRedirectLocation"),
        ("StorageClass", "DEEP_ARCHIVE", "InvalidStorageClass", ""),
        ("WriteOffsetBytes", 0, "NotImplemented", "WriteOffsetBytes"),
        ("IfNoneMatch", '"abc"', "NotImplemented", "If-None-Match"),
    ],
)
def test_what_an_object_cannot_have_is_refused_by_name(
    s3: Any, bucket: str, member: str, value: Any, code: str, text: str
) -> None:
    with refused(code, text):
        s3.put_object(Bucket=bucket, Key="refused", Body=b"x", **{member: value})
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="refused")


def test_a_customer_key_is_refused_on_put_and_get(platform: Platform, s3: Any, bucket: str) -> None:
    with refused("NotImplemented", "SSECustomer"):
        s3.put_object(Bucket=bucket, Key="refused", Body=b"x", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)


def test_a_file_of_many_parts_goes_up_and_comes_down(s3: Any, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(20 * MIB + 12345)
    (tmp_path / "up").write_bytes(data)
    s3.upload_file(str(tmp_path / "up"), bucket, "file", ExtraArgs={"Metadata": {"kind": "random"}})
    s3.download_file(bucket, "file", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == data
    found = s3.head_object(Bucket=bucket, Key="file")
    assert found["Metadata"] == {"kind": "random"}
    assert found["ETag"].endswith('-3"')


def test_a_stream_of_unknown_seekability_goes_up(s3: Any, bucket: str) -> None:
    s3.upload_fileobj(io.BytesIO(b"x" * 100_000), bucket, "stream")
    assert s3.head_object(Bucket=bucket, Key="stream")["ContentLength"] == 100_000


def test_a_reader_midway_keeps_reading_the_old_bytes(s3: Any, bucket: str) -> None:
    old, new = os.urandom(30 * MIB), b"new"
    s3.put_object(Bucket=bucket, Key="replaced", Body=old)
    reading = s3.get_object(Bucket=bucket, Key="replaced")["Body"]
    start = reading.read(MIB)
    s3.put_object(Bucket=bucket, Key="replaced", Body=new)
    assert start + reading.read() == old
    assert s3.get_object(Bucket=bucket, Key="replaced")["Body"].read() == new


def test_a_replaced_object_leaves_no_bytes(platform: Platform, s3: Any) -> None:
    bucket = new_bucket(s3)
    objects = platform.data / "objects"
    s3.put_object(Bucket=bucket, Key="key", Body=b"seven-seven-seven")
    before = {path for path in objects.rglob("*") if path.is_file()}
    for number in range(3):
        s3.put_object(Bucket=bucket, Key="key", Body=b"%d" % number)
    s3.delete_object(Bucket=bucket, Key="key")
    after = {path for path in objects.rglob("*") if path.is_file()}
    assert len(after) == len(before) - 1
