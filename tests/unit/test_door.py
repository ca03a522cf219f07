"""The transparent door: what is meant for Amazon stays here, what is not passes untouched."""

import asyncio
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
import uvloop
from botocore.config import Config
from cryptography import x509

from sagebrush.kernel.gateway.authority import DOMAINS, Authority, ours
from sagebrush.kernel.gateway.door import Door, open_door

STS = "https://sts.us-east-1.amazonaws.com/"
WAIT = 30.0


class Answering(BaseHTTPRequestHandler):
    """Answers with what it was asked; `PUT` with the length of what it was sent."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    name = ""

    def do_GET(self) -> None:
        asked = (self.name, self.headers["Host"], self.path, str(self.headers.get("Proxy-Connection")))
        self.answer(" ".join(asked).encode())

    def do_PUT(self) -> None:
        left = length = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.answer(str(length).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        result = "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>"
        self.answer(f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>".encode())

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(name: str) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Named", (Answering,), {"name": name}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class Opened:
    """A door on an event loop of its own, in a thread."""

    def __init__(
        self, gateway_port: int, authority: Authority, factory: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        self.loop = factory()
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.authority = authority
        self.door: Door = self.run(open_door(socket.create_server(("127.0.0.1", 0)), gateway_port, authority))
        self.url = f"http://127.0.0.1:{self.door.port}"

    def run(self, step: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(step, self.loop).result(WAIT)

    def http(self, **options: Any) -> urllib3.ProxyManager:
        return urllib3.ProxyManager(
            self.url, retries=False, timeout=WAIT, ca_certs=str(self.authority.bundle), **options
        )

    def drained(self) -> bool:
        """Wait until no connection is left."""

        async def empty() -> bool:
            async with asyncio.timeout(WAIT):
                while self.door.transports:  # noqa: ASYNC110  (bounded by the time-out)
                    await asyncio.sleep(0.005)
            return True

        return bool(self.run(empty()))

    def close(self) -> None:
        self.run(self.door.close())
        self.run(asyncio.sleep(0))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("data") / "ca")


@pytest.fixture(scope="module")
def gateway() -> Iterator[int]:
    with serving("gateway") as port:
        yield port


@pytest.fixture(scope="module", params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def door(request: pytest.FixtureRequest, authority: Authority, gateway: int) -> Iterator[Opened]:
    opened = Opened(gateway, authority, request.param)
    yield opened
    opened.close()
    assert opened.complaints == []


@pytest.mark.parametrize("host", [
    "sts.us-east-1.amazonaws.com", "bucket.with.dots.s3.eu-central-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn",
    "sagemaker.us-east-1.api.aws", f"{'long-' * 12}bkt.s3.us-east-1.amazonaws.com",
])  # fmt: skip
def test_every_amazon_host_is_answered_by_the_gateway(door: Opened, host: str) -> None:
    with door.http() as http:
        assert http.request("GET", f"https://{host}/a%20b?x=1").data.decode() == f"gateway {host} /a%20b?x=1 None"


def test_boto3_without_an_endpoint_reaches_the_gateway(door: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", door.url)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(door.authority.certificate))
    client = boto3.client(
        "sts", region_name="us-east-1", aws_access_key_id="AKIA", aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}),
    )  # fmt: skip
    assert client.get_caller_identity()["Account"] == "123456789012"
    client.close()


def test_one_connection_carries_many_requests_and_large_bodies(door: Opened) -> None:
    with door.http() as http:
        body = b"x" * (24 << 20)
        assert http.request("PUT", f"{STS}k", body=body).data == str(len(body)).encode()
        assert [http.request("GET", STS).status for _ in range(20)] == [200] * 20
        assert http.connection_from_url(STS).num_connections == 1


def test_a_lookalike_is_none_of_ours() -> None:
    assert all(ours(f"x.{domain}") and ours(domain) for domain in DOMAINS)
    assert not any(map(ours, ("amazonaws.com.evil.org", "notamazonaws.com", "amazon.com", "127.0.0.1", "aws")))


def test_other_hosts_pass_untouched(door: Opened) -> None:
    """A tunnel to a host that is not Amazon's ends there: its own octets, no TLS of ours."""
    with serving("elsewhere") as port, socket.create_connection(("127.0.0.1", door.door.port), WAIT) as client:
        client.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert client.recv(4096) == b"HTTP/1.1 200 Connection established\r\n\r\n"
        client.sendall(b"GET /there HTTP/1.0\r\nHost: elsewhere\r\n\r\n")
        client.shutdown(socket.SHUT_WR)  # half-closed: the answer still comes
        answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.endswith(b"elsewhere elsewhere /there None")
    assert door.drained()


def test_plain_http_goes_the_same_two_ways(door: Opened) -> None:
    with serving("elsewhere") as port, door.http() as http:
        ask = {"Proxy-Connection": "keep-alive"}
        for _ in range(5):
            to_us = http.request("GET", "http://bucket.s3.amazonaws.com/k?a=b", headers=ask)
            assert to_us.data == b"gateway bucket.s3.amazonaws.com /k?a=b None"
            away = http.request("GET", f"http://127.0.0.1:{port}?q", headers=ask)
            assert away.data == f"elsewhere 127.0.0.1:{port} /?q None".encode()
            assert away.headers["Connection"] == "close"
        eager = http.request("PUT", f"http://127.0.0.1:{port}/", body=b"12345", headers={"Expect": "100-continue"})
        assert eager.data == b"5"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("CONNECT sts.amazonaws.com HTTP/1.1", 400),
        ("CONNECT :443 HTTP/1.1", 400),
        ("CONNECT host:99999 HTTP/1.1", 400),
        ("GET / HTTP/1.1", 400),
        ("GET http://[::1/ HTTP/1.1", 400),
        ("nonsense", 400),
        ("CONNECT 127.0.0.1:1 HTTP/1.1", 502),
        (f"GET http://h/{'x' * 70000} HTTP/1.1", 431),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(door: Opened, head: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", door.door.port), WAIT) as client:
        client.sendall(f"{head}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"sagebrush door: " in answer


def test_a_client_that_does_not_trust_us_leaves_nothing_behind(door: Opened) -> None:
    with (
        urllib3.ProxyManager(door.url, retries=False, timeout=WAIT) as http,
        pytest.raises(urllib3.exceptions.SSLError),
    ):
        http.request("GET", STS)
    assert door.drained()


def test_connections_that_break_off_leave_nothing_behind(door: Opened) -> None:
    for sent in (b"", b"CONN", b"CONNECT sts.amazonaws.com:443 HTTP/1.1\r\n\r\n", b"GET http://s3.amazonaws.com/"):
        with socket.create_connection(("127.0.0.1", door.door.port), WAIT) as client:
            client.sendall(sent)
    with door.http() as http:
        http.request("GET", STS, preload_content=False)
    assert door.drained()


def test_closing_the_door_ends_every_connection(authority: Authority, gateway: int) -> None:
    opened = Opened(gateway, authority, uvloop.new_event_loop)
    with opened.http() as http:
        assert http.request("GET", STS).status == 200
        waiting = socket.create_connection(("127.0.0.1", opened.door.port), WAIT)
        opened.run(opened.door.close())
        assert opened.drained()
        with waiting, pytest.raises((ConnectionError, AssertionError)):
            assert waiting.recv(1), "the door has closed the connection"
        with pytest.raises(urllib3.exceptions.HTTPError):
            http.request("GET", STS)
    opened.close()


def test_the_authority_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = Authority(tmp_path, {}).certificate.read_bytes()
    assert Authority(tmp_path, {}).certificate.read_bytes() == first
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"ca.key", "ca.pem", "bundle.pem"}


def test_the_authority_vouches_for_amazons_domains_alone(authority: Authority) -> None:
    root = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    bounds = root.extensions.get_extension_for_class(x509.NameConstraints)
    assert bounds.critical
    assert [name.value for name in bounds.value.permitted_subtrees or []] == list(DOMAINS)
    left, right = socket.socketpair()
    server = threading.Thread(target=handshake, args=(authority.context("github.com"), right))
    server.start()
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        trusting.wrap_socket(left, server_hostname="github.com")
    left.close()
    server.join()


def handshake(context: ssl.SSLContext, connection: socket.socket) -> None:
    with connection, pytest.raises(ssl.SSLError):
        context.wrap_socket(connection, server_side=True)


def test_the_bundle_holds_the_usual_roots_and_ours(tmp_path: Path) -> None:
    usual = tmp_path / "usual.pem"
    usual.write_bytes(Authority(tmp_path / "another", {}).certificate.read_bytes())
    made = Authority(tmp_path / "ca", {"SSL_CERT_FILE": str(usual)})
    assert made.bundle.read_bytes() == usual.read_bytes() + made.certificate.read_bytes()
    nested = Authority(tmp_path / "ca", {"SSL_CERT_FILE": str(made.bundle), "REQUESTS_CA_BUNDLE": str(usual)})
    assert nested.bundle.read_bytes() == usual.read_bytes() + made.certificate.read_bytes()
    bundle = Authority(tmp_path / "third", {}).bundle
    assert ssl.create_default_context(cafile=str(bundle)).cert_store_stats()["x509_ca"] > 50
