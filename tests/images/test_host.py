"""The host of serving containers, seen from its socket."""

import os
import re
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import until
from tests.images.contract import Container, Server

APP = """
import os, threading
from _kit import host
from _kit.http import Response

BASE = os.environ["SAGEMAKER_BASE_DIR"]

def main():
    host.serve(load)

def load():
    if os.path.exists(BASE + "/broken"):
        raise ValueError("no such model: abc")
    return host.App(invoke, {"MaxConcurrentTransforms": 7}, anywhere="ANYWHERE" in os.environ)

def stream(count):
    for number in range(count):
        yield b"part %d;" % number
        if number == 1 and os.path.exists(BASE + "/broken-stream"):
            raise RuntimeError("the stream broke")

def invoke(request):
    what = request.headers.get("x-do", "echo")
    if what == "raise":
        raise KeyError("age")
    if what == "exit":
        raise SystemExit("bye")
    if what == "die":
        os._exit(9)
    if what == "stream":
        return Response(200, stream(4), "text/event-stream")
    if what == "where":
        text = f"{os.getpid()} {threading.current_thread() is threading.main_thread()}"
        return Response(200, text.encode())
    if what == "wait":
        with open(BASE + "/started", "w"): pass
        return Response(200, open(BASE + "/fifo", "rb").read())
    return Response(200, request.body, request.content_type or "none", {"X-Seen": request.accept or "nothing"})
"""

Host = Callable[..., Container]


@pytest.fixture
def host(base: Path) -> Host:
    """A container whose app does what the header X-Do says."""

    def make(workers: int = 1, **environment: str) -> Container:
        folder = base / "image"
        folder.mkdir()
        (folder / "serve.py").write_text(APP)
        return Container(str(folder), base, environment={"SAGEMAKER_MODEL_SERVER_WORKERS": str(workers), **environment})

    return make


@pytest.fixture
def server(host: Host) -> Iterator[Server]:
    """One worker, running."""
    with host().serving() as running:
        yield running


def test_the_three_routes_answer_and_nothing_else_does(server: Server) -> None:
    assert server.ask("GET", "/ping").status == 200
    parameters = server.ask("GET", "/execution-parameters")
    assert (parameters.status, parameters.text) == (200, '{"MaxConcurrentTransforms": 7}')
    answer = server.predict(b"hello", "text/x", accept="a/b")
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["Content-Type"] == "text/x"
    assert answer.headers["X-Seen"] == "a/b"
    assert server.ask("GET", "/invocations").status == 405
    assert server.ask("POST", "/ping").status == 405
    assert server.ask("GET", "/nothing").status == 404


def test_large_bodies_pass_in_one_piece_and_in_chunks(server: Server) -> None:
    body = os.urandom(20_000_000)
    assert server.predict(body).body == body
    chunks = (
        b"".join(b"%x;note=1\r\n%b\r\n" % (len(part), part) for part in (b"abc", b"d" * 70_000))
        + b"0\r\nX-T: 1\r\n\r\n"
    )
    head = b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert server.raw(head + chunks).endswith(b"\r\n\r\nabc" + b"d" * 70_000)


def test_a_client_that_expects_100_continue_is_told_to_go_on(server: Server) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(server.socket))
        sock.sendall(b"POST /invocations HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"ok")
        assert sock.recv(1000).endswith(b"\r\n\r\nok")


def test_pipelined_requests_are_answered_in_their_order(server: Server) -> None:
    one = b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\n\r\n"
    received = server.raw(one + b"1" + one + b"2" + one + b"3")
    assert re.findall(rb"\r\n\r\n(\d)", received) == [b"1", b"2", b"3"]


def test_http_1_0_closes_and_connection_close_is_obeyed(server: Server) -> None:
    assert b"Connection: close" in server.raw(b"GET /ping HTTP/1.0\r\n\r\n")
    twice = server.raw(b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\nGET /ping HTTP/1.1\r\n\r\n")
    assert twice.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET  /ping HTTP/1.1\r\n\r\n", 400),
        (b"GET /ping HTTP/2.0\r\n\r\n", 505),
        (b"GET /ping HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nbad name: 1\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc", 400),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", 400),
        (b"GET /ping HTTP/1.1\r\nX: " + b"a" * 70_000, 431),
        (b"GET /pi", 400),
    ],
)
def test_a_malformed_request_gets_its_own_status_and_the_connection_ends(
    server: Server, request_: bytes, status: int
) -> None:
    received = server.raw(request_)
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert received.count(b"HTTP/1.1 ") == 1 + (b"HTTP/1.1 and" in received)


PIECES = [
    *(b"POST /invocations HTTP/1.1", b"GET /ping HTTP/1.1\r\n\r\n", b"Content-Length", b"Transfer-Encoding: chunked"),
    *(b"\r\n", b":", b"0", b"5", b" ", b"\n", b"\x00", b"abc"),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES)).map(b"".join)))
def test_no_bytes_whatever_harm_the_host(server: Server, data: bytes) -> None:
    received = server.raw(data)
    assert received == b"" or re.match(rb"HTTP/1.1 (200|400|404|405|431|501|505) ", received)
    assert server.ask("GET", "/ping").status == 200


def test_an_exception_is_answered_with_its_message_and_logged_with_its_traceback(host: Host) -> None:
    with host().serving() as server:
        for what, message in (("raise", "'age'"), ("exit", "bye")):
            answer = server.predict(b"", x_do=what)
            assert (answer.status, answer.text) == (500, message)
        assert server.predict(b"still here").body == b"still here"
    assert 'raise KeyError("age")' in server.log


def test_a_stream_is_sent_part_by_part_and_a_broken_one_has_no_end(server: Server) -> None:
    request = b"POST /invocations HTTP/1.1\r\nX-Do: stream\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    parts = b"".join(b"7\r\npart %d;\r\n" % number for number in range(4))
    received = server.raw(request)
    assert b"Content-Type: text/event-stream" in received
    assert received.endswith(parts + b"0\r\n\r\n")
    (server.socket.parents[1] / "broken-stream").touch()
    assert server.raw(request).endswith(b"part 1;\r\n")


def test_user_code_runs_in_the_thread_that_loaded_it_unless_it_may_run_anywhere(host: Host, tmp_path: Path) -> None:
    container = host()
    with container.serving() as server:
        assert server.predict(b"", x_do="where").text.endswith(" True")
    container.environment["ANYWHERE"] = "1"
    with container.serving() as server:
        assert server.predict(b"", x_do="where").text.endswith(" False")


def test_connections_are_spread_over_the_workers(host: Host) -> None:
    with host(workers=2).serving() as server:
        seen = set()

        def both() -> bool:
            seen.add(server.predict(b"", x_do="where").text.split()[0])
            return len(seen) == 2

        until(both, "an answer of each worker")


def test_ping_answers_while_a_prediction_runs(host: Host, base: Path) -> None:
    os.mkfifo(base / "fifo")
    with host().serving() as server, ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.predict, b"", x_do="wait")
        until((base / "started").exists)
        assert server.ask("GET", "/ping").status == 200
        assert not waiting.done()
        (base / "fifo").write_bytes(b"done")
        assert waiting.result().body == b"done"


def test_sigterm_lets_a_running_prediction_finish_and_takes_no_new_ones(host: Host, base: Path) -> None:
    os.mkfifo(base / "fifo")
    with host(workers=2).serving() as server, ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.predict, b"", x_do="wait")
        until((base / "started").exists)
        server.process.send_signal(signal.SIGTERM)

        def refused() -> bool:
            try:
                server.ask("GET", "/ping")
            except OSError:
                return True
            return False

        until(refused, "the closed door")
        (base / "fifo").write_bytes(b"done")
        assert waiting.result().body == b"done"
        assert server.process.wait(60) == 0


def test_a_worker_that_dies_is_replaced(host: Host) -> None:
    with host().serving() as server:
        first = server.predict(b"", x_do="where").text
        with pytest.raises(ConnectionError):
            server.predict(b"", x_do="die")
        until(server.pings)
        assert server.predict(b"", x_do="where").text != first
    assert "ended with 9" in server.log


def test_workers_do_not_outlive_a_supervisor_that_is_killed(host: Host) -> None:
    container = host()
    process = container.popen("serve")
    server = Server(container.socket, process)
    until(server.pings)
    worker = os.pidfd_open(int(server.predict(b"", x_do="where").text.split()[0]))
    process.kill()
    assert select.select([worker], [], [], 60)[0]
    os.close(worker)
    process.communicate()


def test_a_model_that_cannot_be_loaded_ends_the_container_with_its_traceback(host: Host, base: Path) -> None:
    (base / "broken").touch()
    result = host(workers=2).run("serve")
    assert result.code == 1
    assert "ValueError: no such model: abc" in result.log


def test_it_listens_on_a_port_where_no_socket_is_named(host: Host) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    container = host(SAGEBRUSH_SOCKET="", SAGEMAKER_BIND_TO_PORT=str(port))
    process = container.popen("serve")
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()

    def answer() -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), 60) as sock:
                sock.sendall(b"GET /ping HTTP/1.1\r\n\r\n")
                return sock.recv(1000)
        except ConnectionError:
            assert process.poll() is None
            return b""

    assert until(answer).startswith(b"HTTP/1.1 200 ")
    watchdog.cancel()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
