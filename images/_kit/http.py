"""HTTP/1.1 over one socket, from the server's side: as little of RFC 9112 as SageMaker's contract needs, no less.

Keep-alive, pipelining, Content-Length and chunked bodies, `Expect: 100-continue`; responses whole or chunked.
"""

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

_HEAD_LIMIT = 65536
_READ = 262144
_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\Z")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class BadRequestError(Exception):
    """What came is not a request that can be answered otherwise than with `status`; the connection is over."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Request:
    """A whole request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    close: bool = False

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    @property
    def accept(self) -> str | None:
        return self.headers.get("accept")


@dataclass(slots=True)
class Response:
    """An answer; a body of several parts is sent chunked, each as soon as it is there."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class Connection:
    """One client's connection: requests come out of it, responses go into it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()
        self._minor = 1

    def receive(self) -> Request | None:
        """Wait for the next request; None at the end of the connection. Raises BadRequestError, OSError."""
        end = self._find(b"\r\n\r\n", _HEAD_LIMIT)
        if end is None:
            return None
        head = str(self._take(end + 4)[:end], "latin-1")
        request = self._head(head.lstrip("\r\n"))
        request.body = self._body(request)
        return request

    def send(self, response: Response, *, close: bool) -> None:
        """Send a response whose body is whole."""
        assert isinstance(response.body, bytes)
        self._socket.sendall(_top(response, close, f"Content-Length: {len(response.body)}") + response.body)

    def stream(self, response: Response, parts: Iterator[bytes], *, close: bool) -> bool:
        """Send a response part by part; tell whether the connection can be used again."""
        if self._minor == 0:  # HTTP/1.0 knows no chunks: the body ends with the connection
            self._socket.sendall(_top(response, close=True, framing=None))
            for part in parts:
                self._socket.sendall(part)
            return False
        self._socket.sendall(_top(response, close, "Transfer-Encoding: chunked"))
        for part in filter(None, parts):
            self._socket.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        self._socket.sendall(b"0\r\n\r\n")
        return not close

    def _head(self, head: str) -> Request:
        line, *lines = head.split("\r\n")
        words = line.split(" ")
        if len(words) != 3 or not _TOKEN.match(words[0]) or not words[1]:
            raise BadRequestError(400, "malformed request line")
        method, target, version = words
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise BadRequestError(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        headers: dict[str, str] = {}
        for text in lines:
            name, colon, value = text.partition(":")
            if not colon or not _TOKEN.match(name) or "\n" in value or "\r" in value:
                raise BadRequestError(400, "malformed header")
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self._minor = int(version[-1])
        wish = headers.get("connection", "").lower()
        close = wish == "close" or (self._minor == 0 and wish != "keep-alive")
        return Request(method, target.partition("?")[0], headers, b"", close)

    def _body(self, request: Request) -> bytes:
        headers = request.headers
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None and (coding.lower() != "chunked" or length is not None):
            raise BadRequestError(501 if length is None else 400, f"Transfer-Encoding {coding} is not understood")
        if length is not None and not _LENGTH.match(length):
            raise BadRequestError(400, "malformed Content-Length")
        if coding is None and length in (None, "0"):
            return b""
        if headers.get("expect", "").lower() == "100-continue" and not self._buffer:
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._take(int(length)) if length else b"".join(self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield self._take(size)
            if self._take(2) != b"\r\n":
                raise BadRequestError(400, "malformed chunk")
        while self._line():  # trailers
            pass

    def _chunk_size(self) -> int:
        if not (found := _CHUNK.match(self._line())):
            raise BadRequestError(400, "malformed chunk size")
        return int(found[1], 16)

    def _line(self) -> bytes:
        end = self._find(b"\r\n", _HEAD_LIMIT)
        if end is None:
            raise BadRequestError(400, "the body is cut off")
        return self._take(end + 2)[:-2]

    def _find(self, mark: bytes, limit: int) -> int | None:
        """Return where the mark stands in what is to come; None where the client left before sending anything."""
        start = 0
        while (place := self._buffer.find(mark, start)) < 0:
            if len(self._buffer) > limit:
                raise BadRequestError(431, "the request's head is too large")
            start = max(len(self._buffer) - len(mark) + 1, 0)
            data = self._socket.recv(_READ)
            if not data:
                if self._buffer.strip():
                    raise BadRequestError(400, "the request is cut off")
                return None
            self._buffer += data
        return place

    def _take(self, size: int) -> bytes:
        """Return the next `size` bytes, waiting for them."""
        have = len(self._buffer)
        if have >= size:
            taken = bytes(self._buffer[:size]) if have > size else bytes(self._buffer)
            del self._buffer[:size]
            return taken
        whole = bytearray(self._buffer)
        self._buffer.clear()
        while missing := size - len(whole):
            data = self._socket.recv(min(missing, 1 << 20))
            if not data:
                raise BadRequestError(400, "the body is cut off")
            whole += data
        return bytes(whole)


def _top(response: Response, close: bool, framing: str | None) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_PHRASES.get(response.status, 'Unknown')}"]
    lines.append(f"Content-Type: {response.content_type}")
    lines += (f"{name}: {value}" for name, value in response.headers.items())
    if framing and response.status != 204:  # RFC 9110 8.6
        lines.append(framing)
    if close:
        lines.append("Connection: close")
    text = "\r\n".join(_clean(line) for line in lines)
    return f"{text}\r\n\r\n".encode("latin-1", "replace")


def _clean(line: str) -> str:
    return line.replace("\r", " ").replace("\n", " ") if "\n" in line or "\r" in line else line
