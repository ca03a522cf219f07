"""The HTTP client that speaks to containers, against servers that behave."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.container_server import LIMIT, container, echo, post, request_of, run, saying

from sagebrush.kernel.compute import http

__all__ = ["run"]


def test_request_and_answer_arrive_as_they_were_sent(tmp_path: Path, run: Callable[..., None]) -> None:
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await request_of(reader))[0])
        writer.write(
            b"HTTP/1.1 201 Created\r\nContent-Type: text/csv\r\nX-A: 1\r\nX-A: 2\r\ncontent-length: 3\r\n\r\nabc"
        )
        await writer.drain()

    async def scene() -> None:
        async with container(tmp_path / "s", serve) as path:
            sent = [("content-type", "application/json"), ("accept", "text/csv")]
            answer = await http.Client().request(path, "POST", "/invocations", headers=sent, body=b"{}", limit=LIMIT)
        assert answer.status == 201
        assert answer.body == b"abc"
        assert answer.headers == {"content-type": "text/csv", "x-a": "1", "content-length": "3"}
        assert heads[0].startswith("POST /invocations HTTP/1.1\r\n")
        assert "content-type: application/json\r\naccept: text/csv\r\n" in heads[0]

    run(scene())


def test_one_connection_serves_many_requests(tmp_path: Path, run: Callable[..., None]) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await echo(reader, writer)

    async def scene() -> None:
        client = http.Client()
        async with container(tmp_path / "s", serve) as path:
            for number in range(50):
                assert (await post(client, path, b"%d" % number)).body == b"%d" % number
            client.close()
        assert connections == 1

    run(scene())


def test_requests_at_the_same_time_get_their_own_answers(tmp_path: Path, run: Callable[..., None]) -> None:
    async def scene() -> None:
        client = http.Client()
        async with container(tmp_path / "s", echo) as path:
            bodies = [b"%d" % number * (number + 1) for number in range(200)]
            answers = await asyncio.gather(*(post(client, path, body) for body in bodies))
            client.close()
        assert [answer.body for answer in answers] == bodies

    run(scene())


def test_a_full_backlog_is_waited_out(tmp_path: Path, run: Callable[..., None]) -> None:
    async def scene() -> None:
        client = http.Client()
        async with container(tmp_path / "s", echo, backlog=1) as path:
            answers = await asyncio.gather(*(post(client, path, b"%d" % number) for number in range(40)))
            client.close()
        assert [answer.body for answer in answers] == [b"%d" % number for number in range(40)]

    run(scene())


@pytest.mark.parametrize("size", [0, 1, 64 * 2**10, 64 * 2**10 + 1, 6 * 2**20])
def test_bodies_of_every_size_pass(tmp_path: Path, run: Callable[..., None], size: int) -> None:
    async def scene() -> None:
        client = http.Client()
        async with container(tmp_path / "s", echo) as path:
            body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
            assert (await post(client, path, body)).body == body
            client.close()

    run(scene())


def test_chunked_answers_are_put_together(tmp_path: Path, run: Callable[..., None]) -> None:
    answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"

    async def scene() -> None:
        client = http.Client()
        async with container(tmp_path / "s", saying(answer, answer)) as path:
            assert (await post(client, path)).body == b"abcde"
            assert (await post(client, path)).body == b"abcde"

    run(scene())


def test_an_answer_may_end_with_its_connection(tmp_path: Path, run: Callable[..., None]) -> None:
    async def scene() -> None:
        async with container(tmp_path / "s", saying(b"HTTP/1.0 200 OK\r\n\r\nto the end")) as path:
            assert (await post(http.Client(), path)).body == b"to the end"

    run(scene())


def test_interim_answers_are_passed_by(tmp_path: Path, run: Callable[..., None]) -> None:
    answer = b"HTTP/1.1 102 Processing\r\nx-i: 1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    async def scene() -> None:
        async with container(tmp_path / "s", saying(answer)) as path:
            got = await post(http.Client(), path)
        assert (got.status, got.body, got.headers) == (200, b"ok", {"content-length": "2"})

    run(scene())


def test_a_socket_may_lie_deep_down(tmp_path: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("deep" * 20) / ("down" * 20)
    folder.mkdir(parents=True)

    async def scene() -> None:
        monkeypatch.chdir(folder)
        async with container(Path("s"), echo):
            client = http.Client()
            assert (await post(client, str(folder / "s"), b"here")).body == b"here"
            client.close()

    run(scene())


def test_get_asks_from_a_thread(tmp_path: Path, run: Callable[..., None]) -> None:
    async def scene() -> None:
        async with container(tmp_path / "s", saying(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nwait")) as path:
            assert await asyncio.to_thread(http.get, path, "/ping", 5.0) == (503, b"wait")
        with pytest.raises(http.ContainerError):
            await asyncio.to_thread(http.get, str(tmp_path / "missing"), "/ping", 5.0)

    async def get_request() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"GET /ping HTTP/1.1\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()

        async with container(tmp_path / "t", serve) as path:
            assert await asyncio.to_thread(http.get, path, "/ping", 5.0) == (200, b"")

    run(get_request())
