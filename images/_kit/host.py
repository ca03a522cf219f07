"""The host of a serving container: GET /ping, POST /invocations, GET /execution-parameters.

A supervisor forks SAGEMAKER_MODEL_SERVER_WORKERS processes (default: one per CPU) that share one listening socket. Each
loads the model by itself and then listens, so that a client can connect only once a model is there. Every connection
has a thread that blocks in `recv` (a wake-up less than an event loop costs), and `accept` hands new connections to the
workers in turn. User code runs in the worker's main thread, the one that loaded it, because much of what it may have
set (torch's grad mode, scikit-learn's configuration, SQLite's connections) belongs to a thread. Code that says it may
run anywhere is called where the request was read. /ping is answered beside it, so it never waits for a prediction.
"""

import contextlib
import json
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TypeVar

from _kit.environment import cpus
from _kit.http import BadRequestError, Connection, Request, Response
from _kit.log import logger

_log = logger("sagebrush-host")
_GRACE = 25.0  # SageMaker kills a container 30 s after SIGTERM
_STOPS = {signal.SIGTERM, signal.SIGINT}
_AWAITED = {*_STOPS, signal.SIGCHLD}

T = TypeVar("T")


@dataclass(frozen=True)
class App:
    """What a worker serves. `anywhere`: `invocations` may be called from any thread, several at a time."""

    invocations: Callable[[Request], Response]
    execution_parameters: Mapping[str, object]
    anywhere: bool = False


def serve(load: Callable[[], App], workers: int | None = None) -> None:
    """Serve what `load` returns until SIGTERM; then finish what runs and leave with 0.

    `load` is called in each worker. Where it raises, its traceback is logged and the process leaves with 1. A worker
    that dies later is replaced.
    """
    count = workers or int(os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS") or cpus())
    for number in _STOPS:  # never called, but it shows in /proc that this process heeds them
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    listener = _bind()
    ready = mmap.mmap(-1, count)  # shared: a worker marks its place once it has loaded
    alive, lifeline = os.pipe()  # workers read from it: its end, when this process closes it or dies, is theirs
    places: dict[int, int] = {}
    code = 0

    def start(place: int) -> None:
        ready[place] = 0
        if (pid := os.fork()) == 0:
            os.close(lifeline)
            _work(load, listener, alive, lambda: ready.__setitem__(place, 1))
        places[pid] = place

    for place in range(count):
        start(place)
    while places and signal.sigwait(_AWAITED) == signal.SIGCHLD:
        for pid, status in _ended():
            place = places.pop(pid)
            _log.error("Worker %s ended with %s", pid, os.waitstatus_to_exitcode(status))
            if ready[place] and not code:
                start(place)
            else:
                code = 1
        if code:
            break
    with contextlib.suppress(OSError):  # where it does not listen yet
        listener.shutdown(socket.SHUT_RDWR)
    os.close(lifeline)
    for pid in places:
        os.waitpid(pid, 0)
    sys.exit(code)


def _ended() -> Iterator[tuple[int, int]]:
    """Yield the workers that have ended, and how."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found


def _work(load: Callable[[], App], listener: socket.socket, alive: int, mark: Callable[[], None]) -> None:
    """Be a worker: never returns."""
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
        worker = _Worker(listener)
        Thread(target=worker.watch, args=(alive,), daemon=True).start()
        app = load()
        mark()
        worker.run(app)
        code = 0
    except BaseException:  # noqa: BLE001  also SystemExit of the user's module: nothing may run on into the supervisor's code
        _log.exception("The model could not be loaded")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _bind() -> socket.socket:
    """Return a socket bound to SAGEBRUSH_SOCKET, or to port SAGEMAKER_BIND_TO_PORT or 8080."""
    if path := os.environ.get("SAGEBRUSH_SOCKET"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        return listener
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
    listener.bind(("0.0.0.0", int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)))
    return listener


class _Worker:
    """One process that answers requests; jobs are what its main thread is asked to run, None to look up."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._app: App | None = None
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = Lock()
        self._busy = 0
        self._stopping = False

    def watch(self, alive: int) -> None:
        """Wait for the end of the supervisor's lifeline, and stop; at once while the model is still being loaded."""
        os.read(alive, 1)
        if self._app is None:
            os._exit(0)
        self._jobs.put(None)

    def run(self, app: App) -> None:
        """Serve until the lifeline ends, then until no request is under way."""
        self._app = app
        self._listener.listen(1024)
        Thread(target=self._accept, daemon=True).start()
        while (job := self._jobs.get()) is not None:
            job()
        self._stopping = True
        deadline = time.monotonic() + _GRACE
        with contextlib.suppress(Empty):
            while self._busy:
                job = self._jobs.get(timeout=max(deadline - time.monotonic(), 0.0))
                if job is not None:
                    job()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the supervisor shut the listener down
            while True:
                sock, _ = self._listener.accept()
                Thread(target=self._converse, args=(sock,), daemon=True).start()

    def _converse(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):  # the client went away
            connection, again = Connection(sock), True
            while again:
                try:
                    request = connection.receive()
                except BadRequestError as error:
                    connection.send(Response(error.status, str(error).encode()), close=True)
                    return
                if request is None:
                    return
                with self._lock:
                    self._busy += 1
                try:
                    again = self._exchange(connection, request)
                finally:
                    with self._lock:
                        self._busy -= 1
                    if self._stopping:
                        self._jobs.put(None)

    def _exchange(self, connection: Connection, request: Request) -> bool:
        """Answer one request; tell whether the connection lives on."""
        assert self._app is not None
        run = _here if self._app.anywhere else self._in_main
        response = self._respond(request, run)
        close = request.close or self._stopping
        if isinstance(response.body, bytes):
            connection.send(response, close=close)
            return not close
        parts = iter(response.body)
        try:
            return connection.stream(response, _pulled(parts, run), close=close)
        except OSError:
            raise
        except Exception:  # noqa: BLE001  the head is sent: all that is left is to end the stream short of its end
            _log.exception("The response broke off")
            return False

    def _respond(self, request: Request, run: Callable[[Callable[[], Response]], Response]) -> Response:
        assert self._app is not None
        route = request.method, request.path
        if route == ("POST", "/invocations"):
            try:
                return run(partial(self._app.invocations, request))
            except BaseException as error:  # noqa: BLE001  user code may raise anything, SystemExit too; the host lives on
                _log.exception("Invocation failed")
                return Response(500, (str(error) or type(error).__name__).encode())
        if route == ("GET", "/ping"):
            return Response()
        if route == ("GET", "/execution-parameters"):
            body = json.dumps(dict(self._app.execution_parameters)).encode()
            return Response(200, body, "application/json")
        known = request.path in ("/invocations", "/ping", "/execution-parameters")
        return Response(405 if known else 404, f"no {request.method} {request.path} here".encode())

    def _in_main(self, call: Callable[[], T]) -> T:
        """Have the main thread run `call`; return or raise what comes of it."""
        done = Lock()
        done.acquire()
        results: list[T] = []
        errors: list[BaseException] = []

        def job() -> None:
            try:
                results.append(call())
            except BaseException as error:  # noqa: BLE001  it belongs to the thread that asked
                errors.append(error)
            finally:
                done.release()

        self._jobs.put(job)
        done.acquire()
        if errors:
            raise errors[0]
        return results[0]


def _here(call: Callable[[], T]) -> T:
    return call()


def _pulled(parts: Iterator[bytes], run: Callable[[Callable[[], bytes | None]], bytes | None]) -> Iterator[bytes]:
    """Yield the parts of a streamed response, each produced where user code runs."""
    pull = partial(next, parts, None)
    while (part := run(pull)) is not None:
        yield part
