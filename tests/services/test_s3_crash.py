"""Uploads that break off, and a server that is killed: nothing half-written, nothing acknowledged lost."""

import os
import random
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.conftest import Platform, until
from tests.services.s3_help import MIB, exchange, new_bucket, refused, signed


def files(platform: Platform) -> set[Path]:
    return {path for path in (platform.data / "objects").rglob("*") if path.is_file()}


def begun(platform: Platform, path: str, size: int, body: bytes) -> socket.socket:
    """Return a connection on which a PUT of `size` bytes was begun with `body`."""
    request = signed(platform, "PUT", path, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD", "Content-Length": str(size)})
    where = urlsplit(platform.endpoint)
    head = f"PUT {path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    connection = socket.create_connection((where.hostname or "", where.port or 0))
    connection.sendall(head.encode() + b"\r\n" + body)
    return connection


@pytest.mark.parametrize("sent", [0, 10, 3 * MIB])
def test_an_upload_that_breaks_off_leaves_nothing(platform: Platform, sent: int) -> None:
    s3 = platform.client("s3")
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="key", Body=b"before")
    before = files(platform)
    connection = begun(platform, f"/{bucket}/key", 8 * MIB, os.urandom(sent))
    if sent > MIB:
        until(lambda: files(platform) - before, "the draft")
    connection.close()
    until(lambda: files(platform) == before, "the draft's end")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"before"


def test_a_body_longer_than_5_gib_is_refused_before_it_is_sent(platform: Platform) -> None:
    bucket = new_bucket(platform.client("s3"))
    with begun(platform, f"/{bucket}/key", 5 * 2**30 + 1, b"") as connection:
        answer = b""
        while b"</Error>" not in answer and (more := connection.recv(65536)):
            answer += more
    assert b"400" in answer.split(b"\r\n")[0]
    assert b"EntityTooLarge" in answer


def test_an_altered_body_is_not_stored(platform: Platform) -> None:
    s3 = platform.client("s3")
    bucket = new_bucket(s3)
    body = os.urandom(2 * MIB)
    request = signed(platform, "PUT", f"/{bucket}/key", {"Content-Length": str(len(body))}, body)
    status, _, answer = exchange(platform, request, body[:-1] + bytes([body[-1] ^ 1]))
    assert (status, b"XAmzContentSHA256Mismatch" in answer) == (400, True)
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="key")


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_put_leaves_the_old_object(own_platform: Platform) -> None:
    s3 = own_platform.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=b"before")
    before = files(own_platform)
    connection = begun(own_platform, "/bucket/key", 8 * MIB, os.urandom(3 * MIB))
    until(lambda: files(own_platform) - before, "the draft")
    own_platform.kill()
    connection.close()
    s3 = own_platform.start().client("s3")
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"before"
    assert files(own_platform) == before


class Writer(threading.Thread):
    """A client that writes until the server is gone, and remembers what was acknowledged."""

    def __init__(self, s3: Any, number: int) -> None:
        super().__init__()
        self.s3 = s3
        self.number = number
        self.wrote: dict[str, tuple[bytes, bytes]] = {}
        self.busy = threading.Event()

    def run(self) -> None:
        try:
            for turn in range(100_000):
                key = f"{self.number}/{turn % 7}"
                body = b"%d-%d-" % (self.number, turn) * (1 + turn % 5 * 20_000)
                old, _ = self.wrote.get(key, (b"", b""))
                self.wrote[key] = (old, body)  # from here on either is right
                (self._put if turn % 3 else self._multipart)(key, body)
                self.wrote[key] = (body, body)
                if turn > 10:
                    self.busy.set()
        except (BotoCoreError, ClientError):
            self.busy.set()

    def _put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket="bucket", Key=key, Body=body)

    def _multipart(self, key: str, body: bytes) -> None:
        where = {"Bucket": "bucket", "Key": key}
        upload = self.s3.create_multipart_upload(**where)["UploadId"]
        part = self.s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=body)
        self.s3.complete_multipart_upload(
            **where, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        )


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_acknowledged(own_platform: Platform) -> None:
    own_platform.client("s3").create_bucket(Bucket="bucket")
    for _ in range(3):
        s3 = own_platform.client("s3")
        writers = [Writer(s3, number) for number in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            assert writer.busy.wait(60)
        threading.Event().wait(random.random() / 5)  # any moment
        own_platform.kill()
        for writer in writers:
            writer.join(60)
        s3 = own_platform.start().client("s3")
        for writer in writers:
            for key, (acknowledged, begun_after) in writer.wrote.items():
                assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() in {acknowledged, begun_after}
        _check_no_byte_is_lost_track_of(own_platform, s3)


def _check_no_byte_is_lost_track_of(platform: Platform, s3: Any) -> None:
    """Every file belongs to an object or to a part of an upload, and every object has its file."""
    objects = s3.list_objects_v2(Bucket="bucket").get("Contents", [])
    uploads = s3.list_multipart_uploads(Bucket="bucket").get("Uploads", [])
    parts = [
        part for up in uploads for part in s3.list_parts(Bucket="bucket", Key=up["Key"], UploadId=up["UploadId"]).get("Parts", [])
    ]  # fmt: skip
    assert len(files(platform)) == len(objects) + len(parts)
    for up in uploads:
        s3.abort_multipart_upload(Bucket="bucket", Key=up["Key"], UploadId=up["UploadId"])
