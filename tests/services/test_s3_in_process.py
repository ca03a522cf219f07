"""S3 as the platform's own jobs use it: in process, with files and links instead of copies in memory."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.services.s3_help import MIB

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.grammar.call import Client, World
from sagebrush.main import opened
from sagebrush.services.s3 import Handover


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An open platform that nobody listens on, with an event loop on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with opened(Settings(data=tmp_path / "data", cache=tmp_path / "cache")) as (world, *_):
        world.loop = loop
        yield world
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def s3(world: World) -> Client:
    client = world.aws("s3", world.identities.root.identity)
    client.create_bucket(Bucket="bucket")
    return client


def test_bytes_go_in_and_come_out(s3: Client) -> None:
    for body in (b"", b"small", os.urandom(3 * MIB)):
        s3.put_object(Bucket="bucket", Key="key", Body=body)
        assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == body


def test_a_body_may_be_a_stream(s3: Client) -> None:
    pieces = [os.urandom(400_000) for _ in range(8)]

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    s3.put_object(Bucket="bucket", Key="key", Body=stream())
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"".join(pieces)
    s3.put_object(Bucket="bucket", Key="again", Body=s3.get_object(Bucket="bucket", Key="key")["Body"])
    assert s3.get_object(Bucket="bucket", Key="again")["Body"].read() == b"".join(pieces)


def test_a_stream_that_fails_stores_nothing(s3: Client, tmp_path: Path) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield os.urandom(3 * MIB)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        s3.put_object(Bucket="bucket", Key="key", Body=stream())
    with pytest.raises(AwsError, match="NoSuchKey"):
        s3.get_object(Bucket="bucket", Key="key")
    assert not [path for path in (tmp_path / "data" / "objects").rglob("*") if path.is_file()]


def test_a_file_is_copied(s3: Client, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    (tmp_path / "file").write_bytes(data)
    s3.put_object(Bucket="bucket", Key="key", Body=tmp_path / "file")
    (tmp_path / "file").write_bytes(b"changed")
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == data


def test_a_file_handed_over_is_moved(s3: Client, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    path = tmp_path / "model.tar.gz"
    path.write_bytes(data)
    inode = path.stat().st_ino
    put = s3.put_object(Bucket="bucket", Key="key", Body=Handover(path), ChecksumAlgorithm="SHA256")
    assert not path.exists()
    assert "ChecksumSHA256" in put
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].link(tmp_path / "link")
    assert (tmp_path / "link").stat().st_ino == inode
    assert (tmp_path / "link").read_bytes() == data


def test_a_file_stays_with_its_owner_where_the_put_is_refused(s3: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with pytest.raises(AwsError, match="BadDigest"):
        s3.put_object(Bucket="bucket", Key="key", Body=Handover(path), ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    assert path.read_bytes() == b"x"


def test_a_channel_costs_no_bytes(s3: Client, tmp_path: Path) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=os.urandom(MIB))
    paths = [tmp_path / f"channel-{number}" for number in range(3)]
    for path in paths:
        assert s3.get_object(Bucket="bucket", Key="key")["Body"].link(path)
    assert len({path.stat().st_ino for path in paths}) == 1
    s3.put_object(Bucket="bucket", Key="key", Body=b"replaced")
    assert paths[0].stat().st_size == MIB


def test_a_saved_copy_may_be_written_to(s3: Client, tmp_path: Path) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"object")
    s3.get_object(Bucket="bucket", Key="key")["Body"].save(tmp_path / "copy")
    (tmp_path / "copy").write_bytes(b"mine")
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"object"


def test_a_parameter_that_boto3_would_refuse_is_refused(s3: Client) -> None:
    with pytest.raises(AwsError) as caught:
        s3.put_object(Bucket="bucket")
    assert "key" in caught.value.message.lower()
