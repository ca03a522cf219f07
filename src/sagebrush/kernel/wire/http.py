"""A request and a response, without a server."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field


class Headers:
    """HTTP headers: case-insensitive names, order and repeats kept."""

    __slots__ = ("_first", "_items")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = [(name.lower(), value) for name, value in items]
        self._first: dict[str, str] = {}
        for name, value in self._items:
            self._first.setdefault(name, value)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of `name`, or `default`."""
        return self._first.get(name.lower(), default)

    def all(self, name: str) -> list[str]:
        """Return every value of `name`, in the order of the message."""
        return [value for key, value in self._items if key == name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._first

    def __getitem__(self, name: str) -> str:
        return self._first[name.lower()]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)


@dataclass(slots=True)
class Request:
    """One HTTP request.

    `path` and `query` are as they came, percent-encoded. `body` is whole, with gzip and aws-chunked undone; it stays
    empty for operations whose input streams, which read `stream` instead. `trailers` are the trailing headers of an
    aws-chunked body. `bucket` is the bucket that the Host header names; the router sets it, and `path` lacks it then.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    scheme: str = "http"
    client: str = "127.0.0.1"
    trailers: dict[str, str] = field(default_factory=dict)
    bucket: str = ""


@dataclass(slots=True)
class Response:
    """One HTTP response; a streaming body is an async iterator of chunks."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | AsyncIterator[bytes] = b""
