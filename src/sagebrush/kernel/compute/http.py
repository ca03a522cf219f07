"""HTTP/1.1 to serving containers, over the unix sockets that they listen on."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, cast

import httptools

_LONGEST_ADDRESS = 107  # bytes, its final zero left out
_IDLE = 64  # connections kept open to one container
_JOINED = 64 * 2**10  # a body up to this size goes out in one write with its head
_FULL = 0.005  # seconds between two tries to connect to a socket whose backlog is full


class ContainerError(Exception):
    """A container did not give an answer: nobody listens, or it broke off, or what it said is not HTTP."""


class NotListeningError(ContainerError):
    """Nobody listens on the socket: nothing was sent."""


class AnswerTooLargeError(ContainerError):
    """An answer has more bytes than the caller takes."""


class _UnreadError(ContainerError):
    """The connection was closed before the container had read the request: it may be sent again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A container's whole response; header names are in lower case, the first of a repeated one counts."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Sends requests to containers and keeps the connections. For one event loop; not safe across threads."""

    def __init__(self) -> None:
        self._idle: dict[str, deque[_Connection]] = {}

    async def request(
        self,
        path: str,
        method: str,
        target: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        limit: int,
    ) -> Answer:
        """Send a request to the socket at `path` and return the whole answer, of whose body at most `limit` bytes.

        It waits for as long as the caller lets it (`asyncio.timeout`); cut off, the connection is closed. Raises
        NotListeningError, AnswerTooLargeError and ContainerError. Nothing is sent twice, unless the container closed a kept connection
        before it had read the request.
        """
        head = _head(method, target, headers, len(body))
        kept = self._kept(path)
        if kept is not None:
            with suppress(_UnreadError):
                return await self._exchange(path, kept, head, body, limit)
        return await self._exchange(path, await _open(path), head, body, limit)

    def _kept(self, path: str) -> "_Connection | None":
        idle = self._idle.get(path)
        while idle:
            connection = idle.pop()
            if connection.open:
                return connection
        return None

    async def _exchange(self, path: str, connection: "_Connection", head: bytes, body: bytes, limit: int) -> Answer:
        try:
            answer = await connection.exchange(head, body, limit)
        except BaseException:
            connection.abort()
            raise
        if connection.reusable:
            self._keep(path, connection)
        else:
            connection.abort()
        return answer

    def _keep(self, path: str, connection: "_Connection") -> None:
        """Keep a connection until it is used again or the container closes it."""
        idle = self._idle.setdefault(path, deque())
        idle.append(connection)
        connection.lost = partial(self._remove, path, connection)
        if len(idle) > _IDLE:
            idle.popleft().abort()

    def _remove(self, path: str, connection: "_Connection") -> None:
        idle = self._idle.get(path)
        if idle and connection in idle:
            idle.remove(connection)
        if not idle:
            self._idle.pop(path, None)

    def close(self) -> None:
        """Close every connection kept."""
        for idle in tuple(self._idle.values()):
            for connection in tuple(idle):
                connection.abort()


class _Connection(asyncio.Protocol):
    """One connection: one exchange at a time."""

    def __init__(self) -> None:
        self.open = self.reusable = False
        self.lost: Callable[[], None] = _nothing
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[Answer] | None = None
        self._parser: Any = None
        self._limit = self._size = 0
        self._seen = self._headed = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    async def exchange(self, head: bytes, body: bytes, limit: int) -> Answer:
        """Send a request and return its answer."""
        self._limit = limit
        self._parser = httptools.HttpResponseParser(self)
        self._seen = self.reusable = False
        self._answer = asyncio.get_running_loop().create_future()
        if len(body) <= _JOINED:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        try:
            return await self._answer
        finally:
            self._answer = None

    def abort(self) -> None:
        """Close at once."""
        self.open = self.reusable = False
        self._transport.abort()

    # ------------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Feed the parser; bytes that nobody asked for end the connection."""
        if self._answer is None or self._answer.done():
            self.abort()
            return
        self._seen = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ContainerError(f"the container's answer is not HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits: an answer without a length ends with the connection, any other is broken off."""
        self.open = self.reusable = False
        self.lost()
        if exc is None and self._headed and not {"content-length", "transfer-encoding"} & self._headers.keys():
            self._finish()
        elif not self._seen and isinstance(exc, BrokenPipeError | ConnectionResetError):
            self._fail(_UnreadError("the container closed the connection"))
        else:
            self._fail(ContainerError("the container closed the connection before its answer was whole"))

    # ------------------------------------------------------------------ httptools

    def on_message_begin(self) -> None:
        """Make room for a message; a second answer to one request makes the connection useless."""
        self._headers, self._body = {}, []
        self._size = 0
        self._headed = self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Note that the body follows."""
        self._headed = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, up to the limit."""
        self._size += len(body)
        if self._size > self._limit:
            self._fail(AnswerTooLargeError(f"the answer has more than {self._limit} bytes"))
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand the answer over; an interim one (1xx) is passed by."""
        if self._parser.get_status_code() >= 200:
            self._finish()

    def _finish(self) -> None:
        if self._answer is not None and not self._answer.done():
            self.reusable = self.open and self._parser.should_keep_alive()
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, body))

    def _fail(self, error: ContainerError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def get(path: str, target: str, timeout: float) -> tuple[int, bytes]:
    """Send one GET to the socket at `path` from a thread; return status and body. Raises ContainerError.

    `timeout` is in seconds, for each step of the exchange.
    """
    connection = HTTPConnection("localhost", timeout=timeout)
    try:
        connection.sock = _connected(path, timeout)
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, HTTPException) as error:
        raise ContainerError(str(error) or type(error).__name__) from error
    finally:
        connection.close()


async def _open(path: str) -> _Connection:
    """Connect. A full backlog, which a unix socket answers with EAGAIN, is waited out."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            channel = _connected(path, 0.0)
        except BlockingIOError:
            await asyncio.sleep(_FULL)
        except OSError as error:
            raise NotListeningError(f"the container does not listen: {error.strerror}") from error
        else:
            _, connection = await loop.create_unix_connection(_Connection, sock=channel)
            return connection


def _connected(path: str, timeout: float) -> socket.socket:
    """Return a socket connected to `path`, which may be longer than an address of unix(7) holds."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.settimeout(timeout)
    try:
        if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
            channel.connect(path)
        else:
            _connect_within(channel, Path(path))
    except BaseException:
        channel.close()
        raise
    return channel


def _connect_within(channel: socket.socket, path: Path) -> None:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        channel.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _nothing() -> None:
    """Nobody has to know."""


def _head(method: str, target: str, headers: Sequence[tuple[str, str]], length: int) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "host: localhost", f"content-length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        message = "a header of the request has a line break"
        raise ValueError(message)
    return f"{text}\r\n\r\n".encode("latin-1")
