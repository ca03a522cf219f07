"""Integrity: ETags, Content-MD5 and the flexible checksums, from boto3 and on the wire."""

import base64
import hashlib
import os
import zlib
from typing import Any

import pytest
from awscrt import checksums as crt
from botocore.config import Config
from tests.conftest import Platform
from tests.services.s3_help import MIB, exchange, new_bucket, refused, signed

from sagebrush.services.s3.checksums import ALGORITHMS, composite, encoded, whole

DATA = b"123456789"
KNOWN = {  # check values of the algorithms' own specifications
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": hashlib.sha1(DATA).hexdigest(),
    "SHA256": hashlib.sha256(DATA).hexdigest(),
    "SHA512": hashlib.sha512(DATA).hexdigest(),
    "MD5": hashlib.md5(DATA).hexdigest(),
    "XXHASH64": crt.XXHash.compute_xxhash64(DATA).hex(),
    "XXHASH3": crt.XXHash.compute_xxhash3_64(DATA).hex(),
    "XXHASH128": crt.XXHash.compute_xxhash3_128(DATA).hex(),
}
EMPTY_XX = {
    "XXHASH64": "ef46db3751d8e999",
    "XXHASH3": "2d06800538d394c2",
    "XXHASH128": "99aa06d3014798d86001c324468d497f",
}


def b64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


@pytest.fixture(scope="module")
def s3(platform: Platform) -> Any:
    return platform.client("s3")


@pytest.fixture(scope="module")
def plain(platform: Platform) -> Any:
    """A client that adds no checksums of its own."""
    config = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
    return platform.client("s3", config=config, region_name="us-east-1")


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    return new_bucket(s3)


def test_every_algorithm_of_the_model_is_there(s3: Any) -> None:
    assert set(s3.meta.service_model.shape_for("ChecksumAlgorithm").enum) == set(ALGORITHMS)


@pytest.mark.parametrize("name", KNOWN)
def test_algorithms_give_their_known_values(name: str) -> None:
    made = ALGORITHMS[name]()
    for byte in DATA:
        made.update(bytes([byte]))
    assert made.digest().hex() == KNOWN[name]
    if name in EMPTY_XX:
        assert ALGORITHMS[name]().digest().hex() == EMPTY_XX[name]


@pytest.mark.parametrize("name", KNOWN)
def test_a_checksum_given_is_verified_stored_and_returned(plain: Any, bucket: str, name: str) -> None:
    member, value = f"Checksum{name}", b64(KNOWN[name])
    put = plain.put_object(Bucket=bucket, Key=name, Body=DATA, **{member: value})
    assert (put[member], put["ChecksumType"]) == (value, "FULL_OBJECT")
    found = plain.head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")
    assert (found[member], found["ChecksumType"]) == (value, "FULL_OBJECT")
    assert member not in plain.head_object(Bucket=bucket, Key=name)
    with refused("BadDigest", name):
        plain.put_object(Bucket=bucket, Key=name, Body=b"altered", **{member: value})
    with refused("InvalidRequest", f"Value for x-amz-checksum-{name.lower()} header is invalid."):
        plain.put_object(Bucket=bucket, Key=name, Body=DATA, **{member: "bm9wZQ=="[:5]})
    assert plain.get_object(Bucket=bucket, Key=name)["Body"].read() == DATA


def test_a_checksum_is_never_told_of_a_range(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="ranged", Body=DATA)
    got = s3.get_object(Bucket=bucket, Key="ranged", Range="bytes=0-3", ChecksumMode="ENABLED")
    assert not [name for name in got if name.startswith("Checksum")]
    assert got["Body"].read() == DATA[:4]


def test_without_a_checksum_there_is_a_crc64nvme(plain: Any, bucket: str) -> None:
    put = plain.put_object(Bucket=bucket, Key="none", Body=DATA)
    assert put["ChecksumCRC64NVME"] == b64(KNOWN["CRC64NVME"])
    assert plain.list_objects_v2(Bucket=bucket, Prefix="none")["Contents"][0]["ChecksumAlgorithm"] == ["CRC64NVME"]


@pytest.mark.parametrize("name", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_boto3s_own_checksums_round_trip(s3: Any, bucket: str, name: str) -> None:
    data = os.urandom(3 * MIB)
    s3.put_object(Bucket=bucket, Key="own", Body=data, ChecksumAlgorithm=name)
    assert s3.get_object(Bucket=bucket, Key="own")["Body"].read() == data  # boto3 verifies what it is told
    assert f"Checksum{name}" in s3.head_object(Bucket=bucket, Key="own", ChecksumMode="ENABLED")


def test_two_checksums_are_one_too_many(plain: Any, bucket: str) -> None:
    with refused("InvalidRequest", "Expecting a single x-amz-checksum- header"):
        plain.put_object(
            Bucket=bucket, Key="two", Body=DATA, ChecksumCRC32=b64(KNOWN["CRC32"]), ChecksumSHA1=b64(KNOWN["SHA1"])
        )


def test_content_md5_is_verified(plain: Any, bucket: str) -> None:
    plain.put_object(Bucket=bucket, Key="md5", Body=DATA, ContentMD5=b64(KNOWN["MD5"]))
    with refused("BadDigest", "The Content-MD5 you specified did not match what we received."):
        plain.put_object(Bucket=bucket, Key="md5", Body=b"altered", ContentMD5=b64(KNOWN["MD5"]))
    with refused("InvalidDigest", "The Content-MD5 you specified was invalid."):
        plain.put_object(Bucket=bucket, Key="md5", Body=DATA, ContentMD5="abc")
    assert plain.get_object(Bucket=bucket, Key="md5")["Body"].read() == DATA


def test_crcs_of_parts_combine_to_that_of_the_whole() -> None:
    parts = [os.urandom(size) for size in (1000, 1, 0, 70_000)]
    for name in ("CRC32", "CRC32C", "CRC64NVME"):
        digests = []
        for part in [*parts, b"".join(parts)]:
            made = ALGORITHMS[name]()
            made.update(part)
            digests.append(encoded(made.digest()))
        assert whole(name, zip(digests, map(len, parts), strict=False)) == digests[-1]


def test_a_composite_is_the_checksum_of_checksums() -> None:
    parts = [hashlib.sha256(part).digest() for part in (b"one", b"two")]
    expected = base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()
    assert composite("SHA256", [base64.b64encode(part).decode() for part in parts]) == f"{expected}-2"


def upload(s3: Any, bucket: str, bodies: list[bytes], name: str, kind: str | None) -> tuple[dict[str, Any], list[Any]]:
    how = {"ChecksumType": kind} if kind else {}
    made = s3.create_multipart_upload(Bucket=bucket, Key="mp", ChecksumAlgorithm=name, **how)
    assert made["ChecksumAlgorithm"] == name
    assert made["ChecksumType"] == (kind or "COMPOSITE")
    where = {"Bucket": bucket, "Key": "mp", "UploadId": made["UploadId"]}
    parts = []
    for number, body in enumerate(bodies, 1):
        put = s3.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm=name)
        parts.append({"PartNumber": number, "ETag": put["ETag"], f"Checksum{name}": put[f"Checksum{name}"]})
    return where, parts


@pytest.mark.parametrize(("name", "kind"), [("CRC32", "FULL_OBJECT"), ("CRC32C", "FULL_OBJECT"), ("CRC64NVME", "FULL_OBJECT"),
                                            ("CRC32", None), ("SHA256", None), ("SHA1", "COMPOSITE")])  # fmt: skip
def test_checksums_of_multipart_objects(s3: Any, bucket: str, name: str, kind: str | None) -> None:
    bodies = [os.urandom(5 * MIB), b"end"]
    where, parts = upload(s3, bucket, bodies, name, kind)
    listed = s3.list_parts(**where)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (name, kind or "COMPOSITE")
    assert [part[f"Checksum{name}"] for part in listed["Parts"]] == [part[f"Checksum{name}"] for part in parts]
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    made = ALGORITHMS[name]()
    if kind == "FULL_OBJECT":
        made.update(b"".join(bodies))
        expected = encoded(made.digest())
    else:
        expected = composite(name, [part[f"Checksum{name}"] for part in parts])
    assert done[f"Checksum{name}"] == expected
    found = s3.get_object(Bucket=bucket, Key="mp", ChecksumMode="ENABLED")
    assert (found[f"Checksum{name}"], found["ChecksumType"]) == (expected, kind or "COMPOSITE")
    assert found["Body"].read() == b"".join(bodies)


def test_a_completion_with_another_checksum_is_refused(s3: Any, bucket: str) -> None:
    where, parts = upload(s3, bucket, [b"x"], "CRC32", "FULL_OBJECT")
    with refused("BadDigest", "CRC32"):
        s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, ChecksumCRC32=crc32(b"y"))
    with refused("InvalidPart"):
        altered = [{**parts[0], "ChecksumCRC32": crc32(b"y")}]
        s3.complete_multipart_upload(**where, MultipartUpload={"Parts": altered})
    with refused("InvalidRequest", "FULL_OBJECT"):
        s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, ChecksumType="COMPOSITE")
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, ChecksumCRC32=crc32(b"x"))


def test_a_composite_needs_every_parts_checksum(s3: Any, plain: Any, bucket: str) -> None:
    where, parts = upload(s3, bucket, [b"x"], "SHA256", None)
    with refused("InvalidRequest", "It was missing for part 1"):
        bare = [{name: parts[0][name] for name in ("PartNumber", "ETag")}]
        s3.complete_multipart_upload(**where, MultipartUpload={"Parts": bare})
    with refused("InvalidRequest", "expected checksum Type: sha256, actual checksum Type: crc32"):
        s3.upload_part(**where, PartNumber=2, Body=b"y", ChecksumAlgorithm="CRC32")
    with refused("InvalidRequest", "actual checksum Type: null"):
        plain.upload_part(**where, PartNumber=2, Body=b"y")


def test_types_that_an_algorithm_lacks_are_refused(s3: Any, bucket: str) -> None:
    for name, kind in (("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
        with refused("InvalidRequest", kind):
            s3.create_multipart_upload(Bucket=bucket, Key="mp", ChecksumAlgorithm=name, ChecksumType=kind)


def trailing(
    platform: Platform, bucket: str, body: bytes, promised: str, announced: str = "x-amz-checksum-crc32"
) -> tuple[int, bytes]:
    """Put a body as SDKs do over HTTPS: aws-chunked, with the checksum in a trailer."""
    chunks = [body[start : start + 70_000] for start in range(0, len(body), 70_000)]
    wire = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    wire += b"0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % promised.encode()
    headers = {
        "Content-Encoding": "gzip,aws-chunked", "X-Amz-Trailer": announced, "Content-Length": str(len(wire)),
        "X-Amz-Decoded-Content-Length": str(len(body)), "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Sdk-Checksum-Algorithm": "CRC32",
    }  # fmt: skip
    status, _, answer = exchange(platform, signed(platform, "PUT", f"/{bucket}/trailing", headers), wire)
    return status, answer


@pytest.mark.parametrize("size", [0, 1, 100_000, 3 * MIB])
def test_a_checksum_in_a_trailer_is_verified(platform: Platform, s3: Any, bucket: str, size: int) -> None:
    data = os.urandom(size)
    assert trailing(platform, bucket, data, crc32(data)) == (200, b"")
    found = s3.get_object(Bucket=bucket, Key="trailing", ChecksumMode="ENABLED")
    assert found["Body"].read() == data
    assert found["ChecksumCRC32"] == crc32(data)
    assert found["ContentEncoding"] == "gzip"  # aws-chunked is how it came, not what it is


def test_a_wrong_trailer_stores_nothing(platform: Platform, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="trailing", Body=b"before")
    for promised in (crc32(b"other"), "!!"):
        status, answer = trailing(platform, bucket, os.urandom(2 * MIB), promised)
        assert status == 400
        assert b"BadDigest" in answer or b"InvalidRequest" in answer
    assert s3.get_object(Bucket=bucket, Key="trailing")["Body"].read() == b"before"


def test_a_document_needs_a_digest(platform: Platform, s3: Any) -> None:
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    body = b"<Delete><Object><Key>kept</Key></Object></Delete>"
    for headers, code in (
        ({}, b"InvalidRequest"),
        ({"x-amz-checksum-crc32": crc32(b"other")}, b"BadDigest"),
        ({"Content-MD5": b64(KNOWN["MD5"])}, b"BadDigest"),
        ({"Content-MD5": "x"}, b"InvalidDigest"),
    ):
        status, _, answer = exchange(platform, signed(platform, "POST", f"/{bucket}?delete=", headers, body), body)
        assert (status, code in answer) == (400, True), answer
    assert s3.head_object(Bucket=bucket, Key="kept")["ContentLength"] == 1
    good = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    assert exchange(platform, signed(platform, "POST", f"/{bucket}?delete=", good, body), body)[0] == 200
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="kept")
