"""The HTTP client that speaks to containers, against servers that do not behave."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.container_server import LIMIT, container, echo, post, request_of, run, saying

from sagebrush.kernel.compute import http

__all__ = ["run"]


def test_a_kept_connection_that_the_container_closed_is_replaced(tmp_path: Path, run: Callable[..., None]) -> None:
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    async def scene() -> None:
        client = http.Client()
        async with container(tmp_path / "s", saying(ok)) as path:
            for _ in range(20):
                assert (await post(client, path)).body == b"ok"

    run(scene())


def test_what_follows_an_answer_is_not_taken_for_the_next_one(tmp_path: Path, run: Callable[..., None]) -> None:
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"

    async def scene() -> None:
        client = http.Client()
        async with container(tmp_path / "s", saying(ok + b"ok" + ok + b"no", ok + b"ok")) as path:
            assert (await post(client, path)).body == b"ok"
            assert (await post(client, path)).body == b"ok"

    run(scene())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_broken_answers_are_told_as_such(tmp_path: Path, run: Callable[..., None], answer: bytes) -> None:
    async def scene() -> None:
        async with container(tmp_path / "s", saying(answer)) as path:
            with pytest.raises(http.ContainerError):
                await post(http.Client(), path)

    run(scene())


def test_a_request_that_was_read_is_not_sent_again(tmp_path: Path, run: Callable[..., None]) -> None:
    """A container that dies while it works on a request must not be handed that request a second time."""
    seen = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        while True:
            _, body = await request_of(reader)
            if body == b"die":
                seen += 1
                return
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def scene() -> None:
        client = http.Client()
        async with container(tmp_path / "s", serve) as path:
            await post(client, path)
            with pytest.raises(http.ContainerError):
                await post(client, path, b"die")
        assert seen == 1

    run(scene())


def test_an_answer_beyond_the_limit_is_refused(tmp_path: Path, run: Callable[..., None]) -> None:
    async def scene() -> None:
        client = http.Client()
        async with container(tmp_path / "s", echo) as path:
            assert len((await post(client, path, b"x" * 1000, limit=1000)).body) == 1000
            with pytest.raises(http.AnswerTooLargeError):
                await post(client, path, b"x" * 1001, limit=1000)
            assert (await post(client, path, b"again")).body == b"again"
            client.close()

    run(scene())


def test_a_slow_container_is_left_when_the_time_is_up(tmp_path: Path, run: Callable[..., None]) -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        assert await reader.read() == b""  # the client closes, and does not keep a connection that owes an answer
        left.set()

    async def scene() -> None:
        async with container(tmp_path / "s", serve) as path:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await post(http.Client(), path)
            await left.wait()

    run(scene())


def test_where_nobody_listens_nothing_was_sent(tmp_path: Path, run: Callable[..., None]) -> None:
    async def scene() -> None:
        with pytest.raises(http.NotListeningError):
            await post(http.Client(), str(tmp_path / "missing"))
        with socket.socket(socket.AF_UNIX) as left_over:
            left_over.bind(str(tmp_path / "s"))
        with pytest.raises(http.NotListeningError):
            await post(http.Client(), str(tmp_path / "s"))

    run(scene())


def test_a_line_break_in_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        asyncio.run(http.Client().request("/nowhere", "POST", "/", headers=[("accept", "a\r\nx-evil: 1")], limit=LIMIT))
