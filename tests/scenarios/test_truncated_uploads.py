"""Uploads that break off, or are not what they promised: nothing is stored, nothing is left behind."""

import base64
import hashlib
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Platform, until
from tests.scenarios.bad_answers import error_of
from tests.scenarios.raw_requests import Connection, Draft, Signer

from sagebrush.kernel.wire.models import service_model

BUCKET = "truncated"
LARGE = 5 * 2**20
"""Bytes of a body of which the first are on disk before the last have come."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform whose files no other test changes."""
    running = Platform(tmp_path_factory.mktemp("truncated") / "data").start()
    running.client("s3").create_bucket(Bucket=BUCKET)
    yield running
    running.stop()


class Upload:
    """One PUT of an object or of a part, made by hand."""

    def __init__(self, platform: Platform, part: bool) -> None:
        self.platform = platform
        self.s3 = platform.client("s3")
        self.part = part
        self.key = f"{'part' if part else 'object'}-{len(self.blobs())}"
        self.s3.put_object(Bucket=BUCKET, Key=self.key, Body=b"as it was")
        self.id = self.s3.create_multipart_upload(Bucket=BUCKET, Key=self.key)["UploadId"] if part else ""
        self.before = self.blobs()

    def draft(self, body: bytes, **headers: str) -> Draft:
        """Return a signed request; `headers` with underscores for hyphens."""
        operation = service_model("s3").operation_model("UploadPart" if self.part else "PutObject")
        query = f"partNumber=1&uploadId={self.id}" if self.part else ""
        given = [(name.replace("_", "-"), value) for name, value in headers.items()]
        draft = Draft("s3", operation, "rest-xml", "PUT", f"/{BUCKET}/{self.key}", query, given, body)
        keys = self.platform.keys
        host = self.platform.endpoint.removeprefix("http://")
        Signer(keys["aws_access_key_id"], keys["aws_secret_access_key"], host).sign(draft)
        return draft

    def send(self, draft: Draft, octets: bytes | None = None) -> tuple[int, str]:
        """Send a draft, or other octets in its place; return the status and the code of the answer."""
        connection = Connection(self.platform.endpoint)
        answer = connection.send(octets or draft.render(), "PUT", last=octets is not None)
        connection.close()
        return answer.status, error_of(draft, answer)[0] if answer.status >= 400 else ""

    def blobs(self) -> set[str]:
        """Return what lies in the object store, drafts among them."""
        root = self.platform.data / "objects"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def is_as_before(self) -> bool:
        """Tell whether the upload left no trace: the object as it was, no part, no file."""
        there = self.s3.get_object(Bucket=BUCKET, Key=self.key)["Body"].read()
        parts = self.s3.list_parts(Bucket=BUCKET, Key=self.key, UploadId=self.id).get("Parts") if self.part else None
        return there == b"as it was" and not parts and self.blobs() == self.before


@pytest.fixture(params=[False, True], ids=["PutObject", "UploadPart"])
def upload(server: Platform, request: pytest.FixtureRequest) -> Upload:
    return Upload(server, part=request.param)


def _vanish(connection: socket.socket) -> None:
    """Reset the connection, as a machine does that lost its client."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("leave", [_vanish, socket.socket.close], ids=["reset", "closed"])
def test_a_client_that_dies_amid_a_large_body_leaves_nothing(
    upload: Upload, leave: Callable[[socket.socket], None]
) -> None:
    octets = upload.draft(b"x" * LARGE).render()
    host, port = upload.platform.endpoint.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), 30)
    connection.sendall(octets[: LARGE * 3 // 5])
    until(lambda: upload.blobs() != upload.before, "the first bytes to be on disk")
    leave(connection)
    until(upload.is_as_before, "the draft to be gone")


def test_a_client_that_dies_amid_a_small_body_leaves_nothing(upload: Upload) -> None:
    draft = upload.draft(b"x" * 1000)
    assert upload.send(draft, draft.render()[:-500])[0] in {0, 400}
    assert upload.is_as_before()


def test_a_body_in_http_chunks_that_breaks_off_leaves_nothing(upload: Upload) -> None:
    draft = upload.draft(b"x" * 1000, x_amz_content_sha256="UNSIGNED-PAYLOAD")
    chunked = draft.top() + b"Transfer-Encoding: chunked\r\n\r\n1f4\r\n" + b"x" * 500 + b"\r\n"
    assert upload.send(draft, chunked)[0] in {0, 400, 411}
    assert upload.is_as_before()


SHA256 = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
CRC32 = base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode()
MD5 = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content_MD5": MD5}, "BadDigest"),
        ({"Content_MD5": "bm90IGFuIE1ENQ=="}, "InvalidDigest"),
        ({"Content_MD5": "é"}, "InvalidDigest"),
        ({"x_amz_checksum_sha256": SHA256}, "BadDigest"),
        ({"x_amz_checksum_crc32": CRC32}, "BadDigest"),
        ({"x_amz_checksum_crc32": "é"}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": CRC32, "x_amz_checksum_sha256": SHA256}, "InvalidRequest"),
        ({"x_amz_content_sha256": hashlib.sha256(b"other").hexdigest()}, "XAmzContentSHA256Mismatch"),
        ({"x_amz_content_sha256": "0"}, "InvalidArgument"),
        ({"x_amz_sdk_checksum_algorithm": "CRC32"}, "InvalidRequest"),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(value),
)
def test_a_body_that_is_not_what_it_promised_is_refused(
    upload: Upload, headers: dict[str, str], code: str, size: int
) -> None:
    assert upload.send(upload.draft(b"x" * size, **headers)) == (400, code)
    assert upload.is_as_before()


def aws_chunked(body: bytes, trailer: str) -> bytes:
    return b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(body), body, trailer.encode())


@pytest.mark.parametrize("size", [1000, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda whole: whole.replace(b"crc32:", b"crc32:AAAA"), "InvalidRequest"),
        (lambda whole: whole.replace(b"crc32:", b"sha256:"), "MalformedTrailerError"),
        (lambda whole: whole[: whole.rindex(b"x-amz")] + b"\r\n", "MalformedTrailerError"),
        (lambda whole: whole[: len(whole) // 2], "IncompleteBody"),
        (lambda whole: whole.replace(b"x\r\n0\r\n", b"y\r\n0\r\n"), "BadDigest"),
        (lambda whole: whole.replace(b"x\r\n0\r\n", b"xx0\r\n"), "InvalidRequest"),
    ],
    ids=["another sum", "another trailer", "no trailer", "cut off", "another body", "no end of a chunk"],
)
def test_an_aws_chunked_body_that_is_broken_is_refused(
    upload: Upload, spoil: Callable[[bytes], bytes], code: str, size: int
) -> None:
    body = b"x" * size
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    whole = aws_chunked(body, f"x-amz-checksum-crc32:{checksum}")
    headers = {
        "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x_amz_decoded_content_length": str(size),
        "x_amz_trailer": "x-amz-checksum-crc32",
        "Content_Encoding": "aws-chunked",
    }
    assert upload.send(upload.draft(spoil(whole), **headers)) == (400, code)
    assert upload.is_as_before()
    assert upload.send(upload.draft(whole, **headers))[0] == 200, "whole, it is taken"


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1,1", ""])
def test_a_length_that_is_none_is_refused(upload: Upload, length: str) -> None:
    draft = upload.draft(b"x" * 100)
    octets = draft.top() + f"Content-Length: {length}\r\n\r\n".encode() + draft.body
    assert upload.send(draft, octets)[0] in {0, 400, 411}
    assert upload.is_as_before()


@pytest.mark.parametrize("length", ["9" * 19, "9" * 5000, "-1", "x"])
def test_a_decoded_length_that_is_none_is_refused(upload: Upload, length: str) -> None:
    answer = upload.send(upload.draft(b"x" * 100, x_amz_decoded_content_length=length))
    assert answer == (411, "MissingContentLength")
    assert upload.is_as_before()


def test_more_than_one_put_takes_is_refused_before_it_is_sent(upload: Upload) -> None:
    draft = upload.draft(b"", x_amz_content_sha256="UNSIGNED-PAYLOAD")
    octets = draft.top() + f"Content-Length: {5 * 2**30 + 1}\r\n\r\n".encode()
    assert upload.send(draft, octets) == (400, "EntityTooLarge")
    assert upload.is_as_before()


def test_an_upload_that_cannot_be_completed_stays_as_it_was(server: Platform) -> None:
    """Wrong parts, a wrong order, another checksum: refused, and the right completion still works."""
    s3 = server.client("s3")
    made = s3.create_multipart_upload(Bucket=BUCKET, Key="joined")
    named = {"Bucket": BUCKET, "Key": "joined", "UploadId": made["UploadId"]}
    etags = [
        s3.upload_part(**named, PartNumber=number, Body=bytes([number]) * size)["ETag"]
        for number, size in ((1, 5 * 2**20), (2, 10), (3, 10))
    ]
    whole = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    wrong: list[tuple[list[dict[str, Any]], str]] = [
        (whole[::-1], "InvalidPartOrder"),
        (whole, "EntityTooSmall"),
        ([{"PartNumber": 1, "ETag": etags[1]}], "InvalidPart"),
        ([{"PartNumber": 9, "ETag": etags[0]}], "InvalidPart"),
        ([whole[0], whole[0]], "InvalidPartOrder"),
        ([], "MalformedXML"),
    ]
    files = sorted(Path(server.data / "objects").rglob("*"))
    for parts, code in wrong:
        with pytest.raises(s3.exceptions.ClientError) as error:
            s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
        assert error.value.response["Error"]["Code"] == code
    assert sorted(Path(server.data / "objects").rglob("*")) == files
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": whole[:2]})
    assert s3.head_object(Bucket=BUCKET, Key="joined")["ContentLength"] == 5 * 2**20 + 10


def test_nothing_of_all_that_is_in_the_servers_log(server: Platform) -> None:
    assert "Traceback" not in server.log()
    assert not list((server.data / "objects/drafts").iterdir())
