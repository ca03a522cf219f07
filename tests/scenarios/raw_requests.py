"""Requests as octets: made, signed and sent with nothing between the test and the socket that would mend them."""

import hashlib
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

from botocore.model import OperationModel

from sagebrush.kernel.auth import canonical
from sagebrush.kernel.auth.sigv4 import sign, signing_key, stamp
from sagebrush.kernel.wire.models import head

PATIENCE = 60.0
"""Seconds after which an answer that does not come is a failure."""


@dataclass
class Draft:
    """A request before it is signed; texts hold one character per octet.

    `strays` says that it may be taken for another operation, so that the answer may be in another protocol. `broken`
    says that it is no HTTP: the server may hang up, or answer in words that are not AWS's. `ends` has the
    client fall silent behind it, as the server may wait for more. `frame` renders the signed request in another way.
    """

    service: str
    operation: OperationModel
    protocol: str
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    strays: bool = False
    broken: bool = False
    ends: bool = False
    signs: bool = True
    frame: "Callable[[Draft], bytes] | None" = None
    mutations: list[str] = field(default_factory=list)

    def header(self, name: str) -> str:
        """Return a header's first value."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def put(self, name: str, value: str) -> None:
        """Set a header."""
        self.drop(name)
        self.headers.append((name, value))

    def drop(self, name: str) -> None:
        """Remove a header."""
        self.headers = [(key, value) for key, value in self.headers if key.lower() != name.lower()]

    def top(self) -> bytes:
        """Return the request line and the headers, with the line ends between them."""
        target = f"{self.path}?{self.query}" if self.query else self.path
        lines = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n"

    def render(self) -> bytes:
        """Return the request as it goes over the wire."""
        if self.frame:
            return self.frame(self)
        return self.top() + f"Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body


@dataclass
class Answer:
    """What came back; `status` is 0 where the server hung up without a word."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Signer:
    """Signs drafts with a key, for the region of the tests."""

    access_key: str
    secret: str
    host: str

    def sign(self, draft: Draft) -> None:
        """Add what Version 4 asks for; whatever else a draft has stays as odd as it is."""
        name = head(draft.service).signing_name
        when = stamp(time.time())
        draft.put("X-Amz-Date", when)
        if not draft.header("host"):
            draft.headers.append(("Host", self.host))
        payload = draft.header("x-amz-content-sha256") or hashlib.sha256(draft.body).hexdigest()
        if draft.service == "s3":
            draft.put("X-Amz-Content-Sha256", payload)
        grouped: dict[str, list[str]] = {}
        for key, value in draft.headers:
            if key.lower() == "host" or key.lower().startswith("x-amz-"):
                grouped.setdefault(key.lower(), []).append(canonical.fold(value))
        headers = "".join(f"{key}:{','.join(grouped[key])}\n" for key in sorted(grouped))
        signed = ";".join(sorted(grouped))
        simple = draft.service == "s3"
        form = next(canonical.requests(draft.method, draft.path, draft.query, headers, signed, payload, simple=simple))
        scope = f"{when[:8]}/us-east-1/{name}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(canonical.octets(form)).hexdigest()}"
        signature = sign(signing_key(self.secret, when[:8], "us-east-1", name), text)
        credential = f"Credential={self.access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
        draft.put("Authorization", f"AWS4-HMAC-SHA256 {credential}")


class Connection:
    """A keep-alive connection, opened again whenever the server has closed it."""

    def __init__(self, endpoint: str) -> None:
        url = urlsplit(endpoint)
        self._address = (url.hostname or "", url.port or 80)
        self._socket: socket.socket | None = None

    def send(self, octets: bytes, method: str, *, last: bool = False) -> Answer:
        """Send octets and return the answer. `last` ends the sending side behind them, and then the connection.

        Raises TimeoutError where no answer comes, and HTTPException where it is no HTTP.
        """
        for fresh in (self._socket is None, True):
            open_socket = self._open()
            try:
                with suppress(ConnectionError):  # an answer may come before the server has read it all
                    open_socket.sendall(octets)
                if last:
                    with suppress(OSError):
                        open_socket.shutdown(socket.SHUT_WR)
                response = HTTPResponse(open_socket, method=method)
                response.begin()
                answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
            except TimeoutError:
                self.close()
                raise
            except (ConnectionError, HTTPException) as error:
                self.close()
                if isinstance(error, ConnectionError):
                    if fresh:
                        return Answer(0)
                    continue  # it was closed while idle
                raise
            if last or response.will_close:
                self.close()
            return answer
        raise AssertionError

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket
