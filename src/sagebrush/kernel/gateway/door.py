"""The transparent door: an HTTP proxy that keeps everything meant for Amazon on this machine.

`HTTPS_PROXY` leads clients here. A CONNECT to one of Amazon's hosts is answered by us, with a certificate of the
local authority, and what it carries goes to the gateway's plain listener octet for octet. Other hosts are tunnelled
untouched (RFC 9110, 9.3.6). Requests for plain http, in absolute form (RFC 9112, 3.2.2), are treated alike.
"""

import asyncio
import re
import socket
from base64 import b64encode
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from sagebrush.kernel.gateway.authority import Authority, ours

_HEAD_LIMIT = 65536  # octets of a request's head
_HEAD_SECONDS = 30.0  # for a client to send its head
_CONNECT_SECONDS = 15.0  # for another host to accept
_BUFFER = 1 << 20  # octets that wait for a slow reader before the sender is held
_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]")
_HOP = (b"connection:", b"proxy-connection:", b"proxy-authorization:", b"keep-alive:")


class _Refusal(Exception):
    """An answer of the door's own."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        body = f"sagebrush door: {message}\n".encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        self.response = head.encode() + b"Connection: close\r\n\r\n" + body


class Door:
    """The open door. `port` is where it listens.

    Hosts that are not Amazon's are reached through the proxy that the environment names, if it names one.
    """

    def __init__(self, gateway_port: int, authority: Authority) -> None:
        self.port = 0
        self._proxies = getproxies()
        self.authority = authority
        self.gateway = ("127.0.0.1", gateway_port)
        self.transports: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, listener: socket.socket) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Arrival(self), sock=listener)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in list(self.transports):
            transport.abort()

    def admit(self, transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
        """Serve a request whose head is complete; `rest` came right behind it."""
        task = asyncio.create_task(self._serve(transport, head, rest))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
        try:
            method, target = _request_line(head)
            if method == "CONNECT":
                await self._tunnel(transport, target, head, rest)
            else:
                await self._forward(transport, method, target, head, rest)
        except _Refusal as refusal:
            transport.write(refusal.response)
            transport.close()
        except OSError:  # the client is gone, or does not trust us: its own handshake says so
            transport.abort()

    def _proxy(self, scheme: str, host: str) -> tuple[str, int, list[bytes]] | None:
        """Return the next proxy on the way to a host, and the header that it wants of us; None where there is none."""
        url = urlsplit(self._proxies.get(scheme, ""))
        if url.scheme != "http" or not url.hostname or ours(host) or proxy_bypass(host):
            return None
        if url.port == self.port and url.hostname in ("localhost", "127.0.0.1", "::1"):
            return None  # that is us
        secret = b64encode(f"{unquote(url.username or '')}:{unquote(url.password or '')}".encode())
        return url.hostname, url.port or 80, [b"Proxy-Authorization: Basic " + secret] if url.username else []

    async def _tunnel(self, transport: asyncio.Transport, target: str, head: bytes, rest: bytes) -> None:
        host, port = _authority_form(target)
        if proxy := self._proxy("https", host):
            _, far = await self._link(transport, *proxy[:2], _Half(self))
            line, _, fields = head.partition(b"\r\n")
            far.transport.write(b"\r\n".join([line, *proxy[2], fields + rest]))
            transport.resume_reading()
            return
        near, far = await self._link(transport, host, port, _Half(self))
        if not ours(host) or port == 80:
            far.transport.write(rest)
            transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            transport.resume_reading()
            return
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        starting = asyncio.get_running_loop().start_tls(transport, near, self.authority.context(host), server_side=True)
        try:
            secured = await starting
        except OSError:
            self.transports.discard(transport)
            far.transport.abort()
            raise
        assert secured is not None
        near.secured(secured)

    async def _forward(self, transport: asyncio.Transport, method: str, target: str, head: bytes, rest: bytes) -> None:
        """Pass on one request for plain http. The connection ends with it, as the next may be for another host."""
        host, port, path = _absolute_form(target)
        fields = [field for field in head.rstrip().split(b"\r\n")[1:] if not field.lower().startswith(_HOP)]
        next_host, next_port, more = self._proxy("http", host) or (host, port, None)
        _, far = await self._link(transport, next_host, next_port, _Answer(self))
        line = f"{method} {path if more is None else target} HTTP/1.1".encode("latin-1")
        far.transport.write(b"\r\n".join([line, *fields, *(more or ()), b"Connection: close", b"", rest]))
        transport.resume_reading()

    async def _link(self, transport: asyncio.Transport, host: str, port: int, far: "_Half") -> tuple["_Half", "_Half"]:
        """Connect `far` to where `host` is to be found, and tie both connections together."""
        near = _Half(self)
        near.peer, far.peer = far, near
        near.transport = transport
        place = self.gateway if ours(host) else (host, port)
        connecting = asyncio.get_running_loop().create_connection(lambda: far, *place)
        try:
            await asyncio.wait_for(connecting, _CONNECT_SECONDS)
        except TimeoutError:
            raise _Refusal("504 Gateway Timeout", f"{host}:{port} does not answer.") from None
        except OSError as error:
            raise _Refusal("502 Bad Gateway", f"{host}:{port} cannot be reached: {error}") from None
        if transport.is_closing():
            far.transport.abort()
            raise ConnectionResetError
        transport.set_protocol(near)
        transport.set_write_buffer_limits(_BUFFER)
        return near, far


class _Arrival(asyncio.Protocol):
    """A client whose request's head is not complete yet."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._head = b""
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._door.transports.add(transport)
        self._timeout = asyncio.get_running_loop().call_later(_HEAD_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return  # read on, so that the refusal is not cut off by a reset
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if len(head) > _HEAD_LIMIT:
            self._refused = True
            self._transport.write(_Refusal("431 Request Header Fields Too Large", "the head is too long.").response)
            self._transport.write_eof()
        elif end:
            self._timeout.cancel()
            self._transport.pause_reading()
            self._door.admit(self._transport, head + end, rest)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._timeout.cancel()
        self._door.transports.discard(self._transport)


class _Half(asyncio.Protocol):
    """One of two connections that are tied together: what it receives, its peer sends, at the peer's pace."""

    peer: "_Half"
    transport: asyncio.Transport

    def __init__(self, door: Door) -> None:
        self._door = door
        self._ended = False
        self._tls = False

    def secured(self, transport: asyncio.Transport) -> None:
        """Go on over the TLS transport that has taken the plain one's place."""
        self._tls = True
        self._door.transports.discard(self.transport)
        self.transport = transport
        self._door.transports.add(transport)
        transport.set_write_buffer_limits(_BUFFER)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._door.transports.add(transport)
        transport.set_write_buffer_limits(_BUFFER)

    def data_received(self, data: bytes) -> None:
        self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """Let the other side know; keep this one open for what is still to be sent, unless TLS forbids it."""
        self._ended = True
        if self._tls or self.peer._ended:  # noqa: SLF001  (two of a kind)
            return False
        if self.peer.transport.can_write_eof():
            self.peer.transport.write_eof()
        else:
            self.peer.transport.close()
        return True

    def pause_writing(self) -> None:
        self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._door.transports.discard(self.transport)
        self.peer.transport.close()


class _Answer(_Half):
    """The half that brings one answer back, and tells the client, whoever answers, that the connection ends with it."""

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self._head: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            super().data_received(data)
            return
        line, end, rest = (self._head + data).partition(b"\r\n")
        self._head = line + end + rest
        if not end:
            return
        if line[9:10] == b"1":  # 100 Continue, which the answer follows
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if end:
                self._head = b""
                super().data_received(head + end)
                if rest:
                    self.data_received(rest)
            return
        self._head = None
        super().data_received(line + b"\r\nConnection: close\r\n" + rest)


def _request_line(head: bytes) -> tuple[str, str]:
    found = _LINE.fullmatch(head.partition(b"\r\n")[0])
    if found is None:
        raise _Refusal("400 Bad Request", "this is not an HTTP/1.1 request.")
    return found[1].decode(), found[2].decode("latin-1")


def _absolute_form(target: str) -> tuple[str, int, str]:
    try:
        url = urlsplit(target)
        host, port = url.hostname, url.port
    except ValueError:
        host = None
    if not host or url.scheme != "http":
        raise _Refusal("400 Bad Request", "a proxy is asked with CONNECT host:port or with http://host/path.")
    rest = target.partition("://")[2]
    start = next((at for at, character in enumerate(rest) if character in "/?"), len(rest))
    path = rest[start:].partition("#")[0]
    return host.rstrip("."), port or 80, path if path.startswith("/") else f"/{path}"


def _authority_form(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise _Refusal("400 Bad Request", "CONNECT needs host:port.")
    return host.strip("[]").rstrip(".").lower(), int(port)


async def open_door(listener: socket.socket, gateway_port: int, authority: Authority) -> Door:
    """Open the door on a listening socket, in front of the gateway's plain listener."""
    door = Door(gateway_port, authority)
    await door.open(listener)
    return door
