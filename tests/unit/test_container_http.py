"""The HTTP client that speaks to containers, against small servers on unix sockets, well-behaved and broken."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sagebrush.kernel.compute import http

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LIMIT = 32 * 2**20


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine on either event loop, for at most ten seconds."""

    def runs(scene: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(scene, 10))

    return runs


@asynccontextmanager
async def container(path: Path, serve: Serve, *, backlog: int = 100) -> AsyncIterator[str]:
    """A server at `path` that treats each connection with `serve`."""

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(treat, str(path), backlog=backlog)
    try:
        yield str(path)
    finally:
        server.close()


async def request_of(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Read one request: its head and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
    return head, await reader.readexactly(length)


def saying(*answers: bytes) -> Serve:
    """Give each request of a connection the next of these answers, then close it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await request_of(reader)
            writer.write(answer)
            await writer.drain()

    return serve


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send every body back, for as long as the client likes."""
    while True:
        _, body = await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()


async def post(client: http.Client, path: str, body: bytes = b"x", limit: int = LIMIT) -> http.Answer:
    return await client.request(path, "POST", "/invocations", body=body, limit=limit)


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


def test_a_line_break_in_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        asyncio.run(http.Client().request("/nowhere", "POST", "/", headers=[("accept", "a\r\nx-evil: 1")], limit=LIMIT))


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
