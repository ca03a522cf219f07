"""The serving container, from its client's side: /ping, /execution-parameters, /invocations on a unix socket."""

import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

_BETWEEN_PINGS = 0.05
_FIRST_RETRY = 0.1


class NotReadyError(Exception):
    """The container did not pass its health check in time."""


class InvocationError(Exception):
    """A request that the container did not answer with 2xx, however often it was sent."""

    def __init__(self, text: str, status: int | None) -> None:
        super().__init__(text)
        self.clients_fault = status is not None and 400 <= status < 500


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("container", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Answer:
    """A response of the container."""

    status: int
    body: bytes


class Container:
    """A client for any number of threads; each keeps a connection of its own."""

    def __init__(self, path: str, timeout: float, retries: int) -> None:
        self._path, self._timeout, self._retries = path, timeout, retries
        self._local = threading.local()

    def wait(self, seconds: float) -> None:
        """Return once /ping answers 200. Raises NotReadyError after so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self._ask("GET", "/ping").status == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise NotReadyError(f"The model container did not pass the ping health check within {seconds:g} s")
            time.sleep(_BETWEEN_PINGS)

    def parameters(self) -> dict[str, Any]:
        """Return what /execution-parameters says; nothing where the container has no such thing."""
        try:
            answer = self._ask("GET", "/execution-parameters")
            told = json.loads(answer.body) if answer.status == 200 else {}
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def invoke(self, payload: bytes, headers: dict[str, str]) -> bytes:
        """Return the response to a payload; server errors and lost connections are retried. Raises InvocationError."""
        attempt = 0
        while True:
            try:
                answer = self._ask("POST", "/invocations", payload, headers)
            except TimeoutError:
                text, status = f"Model server did not respond within {self._timeout:g} s", None
            except OSError as error:
                text, status = f"Model server did not respond: {error or type(error).__name__}", None
            else:
                if 200 <= answer.status < 300:
                    return answer.body
                message = answer.body[:1024].decode("utf-8", "replace")
                text, status = f"Bad HTTP status received from algorithm: {answer.status}\n{message}", answer.status
            failure = InvocationError(text, status)
            if failure.clients_fault or attempt == self._retries:
                raise failure
            time.sleep(_FIRST_RETRY * 2**attempt)
            attempt += 1

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Send one request. Raises OSError: the connection failed or broke, or what came is not HTTP."""
        connection = getattr(self._local, "connection", None) or _UnixConnection(self._path, self._timeout)
        self._local.connection = None
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except http.client.HTTPException as error:
            connection.close()
            raise ConnectionError(str(error) or type(error).__name__) from error
        except OSError:
            connection.close()
            raise
        self._local.connection = connection
        return answer
