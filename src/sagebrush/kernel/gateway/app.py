"""The ASGI application: HTTP in, HTTP out; everything between is the chain."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

import orjson

from sagebrush.kernel.wire.http import Headers, Request, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

OWN = "/_sagebrush/"
"""Below this path lies what is the platform's own: no AWS operation has an underscore first in its path."""

Own = Callable[[Request], Response]


class TruncatedBodyError(Exception):
    """The client went away before its request's body was whole."""


class Handle(Protocol):
    """Answers an AWS request."""

    async def __call__(self, request: Request, body: AsyncIterator[bytes]) -> Response:
        """Return the response; `body` yields the request's raw body and may be left unread."""
        ...


class App:
    """Takes requests off the ASGI server and puts responses back on."""

    def __init__(self, handle: Handle, own: Mapping[str, Own]) -> None:
        self._handle = handle
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        request = _request(scope)
        body = _Body(receive)
        if request.path.startswith(OWN):
            response = self._answer_own(request)
        else:
            response = await self._handle(request, body)
        if "expect" in request.headers and not body.asked:
            # The client may send its body now, or may not: the connection cannot be used again.
            response.headers.append(("connection", "close"))
        if isinstance(response.body, bytes):
            await _send(response, response.body, send, bodiless=request.method == "HEAD")
        else:
            await _stream(response, response.body, send, body)

    def _answer_own(self, request: Request) -> Response:
        name, _, _ = request.path.removeprefix(OWN).partition("/")
        own = self._own.get(name)
        if own is None:
            return json_response(404, {"message": f"There is nothing at {request.path}."})
        return own(request)


def json_response(status: int, document: Mapping[str, Any]) -> Response:
    """Return a JSON answer of the platform's own."""
    return Response(status, [("content-type", "application/json")], orjson.dumps(document))


def _request(scope: Scope) -> Request:
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        scheme=scope["scheme"],
        client=client[0] if client else "",
    )


class _Body(AsyncIterator[bytes]):
    """The body as it arrives. Asking for it is what answers `Expect: 100-continue`."""

    def __init__(self, receive: Receive) -> None:
        self.asked = False
        self._receive = receive
        self._ended = False

    async def __anext__(self) -> bytes:
        """Return the next octets. Raises TruncatedBodyError."""
        self.asked = True
        while not self._ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise TruncatedBodyError
            self._ended = not message.get("more_body")
            if chunk := message.get("body"):
                octets: bytes = chunk
                return octets
        raise StopAsyncIteration

    async def abandoned(self) -> None:
        """Return when the client has gone away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _head(response: Response) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]


async def _send(response: Response, body: bytes, send: Send, *, bodiless: bool) -> None:
    headers = _head(response)
    if not bodiless and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if bodiless else body})


async def _stream(response: Response, chunks: AsyncIterator[bytes], send: Send, body: _Body) -> None:
    """Send chunk by chunk, as fast as the client takes them; stop when it goes away."""
    await send({"type": "http.response.start", "status": response.status, "headers": _head(response)})
    gone = asyncio.ensure_future(body.abandoned())
    try:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if gone.done():
                return
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
