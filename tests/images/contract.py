"""The platform's side of the container contract, for tests: what lies in /opt/ml, what is run, what is asked."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import until

IMAGES = Path(__file__).resolve().parents[2] / "images"


@dataclass
class Result:
    """How a container ended."""

    code: int
    output: str
    log: str


@dataclass
class Answer:
    """A response of a serving container."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("container", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


@dataclass
class Container:
    """One container: an image, an interpreter, a folder as /opt/ml."""

    image: str
    base: Path
    python: Path = Path(sys.executable)
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, content: str | bytes) -> Path:
        """Put a file below /opt/ml."""
        target = self.base / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def read(self, path: str) -> str:
        """Return a file below /opt/ml."""
        return (self.base / path).read_text()

    def configure(self, hyperparameters: Mapping[str, object], **channels: str | None) -> None:
        """Write /opt/ml/input/config; a channel is given with its content type."""
        described = {
            name: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
            | ({"ContentType": kind} if kind else {})
            for name, kind in channels.items()
        }
        hosts = ["algo-1"]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.xlarge", "hosts": hosts}
        resources = {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.xlarge",
            "current_group_name": "homogeneousCluster",
            "hosts": hosts,
            "instance_groups": [group],
            "network_interface_name": "eth0",
        }
        strings = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in hyperparameters.items()
        }
        self.write("input/config/hyperparameters.json", json.dumps(strings))
        self.write("input/config/inputdataconfig.json", json.dumps(described))
        self.write("input/config/resourceconfig.json", json.dumps(resources))

    def popen(self, entry: str) -> "subprocess.Popen[str]":
        """Start an entry point."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return subprocess.Popen(
            [self.python, "-P", "-m", "_kit.launch", IMAGES / self.image, entry],
            env={
                **kept,
                "SAGEMAKER_BASE_DIR": str(self.base),
                "SAGEBRUSH_SOCKET": str(self.socket),
                "PYTHONPATH": str(IMAGES),
                **self.environment,
            },
            cwd=self.base,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, entry: str) -> Result:
        """Run an entry point to its end."""
        process = self.popen(entry)
        output, log = process.communicate(timeout=300)
        return Result(process.returncode, output, log)

    def train(self) -> Result:
        """Run `train`, which must go well."""
        result = self.run("train")
        assert result.code == 0, result.log
        return result

    def failure(self, entry: str = "train") -> str:
        """Run an entry point that must fail; return what its failure file says."""
        result = self.run(entry)
        assert result.code != 0
        return self.read("output/failure")

    @property
    def socket(self) -> Path:
        return self.base / "run/http.sock"

    @contextlib.contextmanager
    def serving(self, entry: str = "serve") -> Iterator["Server"]:
        """Serve until the block ends; then SIGTERM must end it well."""
        process = self.popen(entry)
        server = Server(self.socket, process)
        try:
            until(server.pings, "the container's /ping")
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
            server.output, server.log = process.communicate(timeout=60)
        assert process.returncode == 0, server.log


@dataclass
class Server:
    """A serving container that runs."""

    socket: Path
    process: "subprocess.Popen[str]"
    output: str = ""
    log: str = ""

    def pings(self) -> bool:
        """Tell whether /ping answers 200; fail where the container has ended."""
        if self.process.poll() is not None:
            output, log = self.process.communicate()
            message = f"the container ended with {self.process.returncode}:\n{output}\n{log}"
            raise AssertionError(message)
        try:
            return self.ask("GET", "/ping").status == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: bytes | str = b"", **headers: str) -> Answer:
        """Send one request on a connection of its own; `content_type=` stands for Content-Type."""
        with contextlib.closing(UnixConnection(self.socket)) as connection:
            named = {name.replace("_", "-").title(): value for name, value in headers.items()}
            connection.request(method, path, body if isinstance(body, bytes) else body.encode(), named)
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))

    def predict(self, body: bytes | str, content_type: str = "text/csv", **headers: str) -> Answer:
        """POST /invocations."""
        return self.ask("POST", "/invocations", body, content_type=content_type, **headers)

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are, say no more, and return all that comes back."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(self.socket))
            with contextlib.suppress(BrokenPipeError):
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while part := sock.recv(65536):
                    received += part
            return received

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def line_from(process: "subprocess.Popen[str]", wanted: str) -> str:
    """Return the first line of a process's output with some text in it; fail where it ends, or a minute passes, first."""
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        return next(line for line in process.stdout if wanted in line)
    finally:
        watchdog.cancel()


def rows(table: Any) -> str:
    """Return rows of numbers as CSV."""
    return "".join(",".join(map(str, row)) + "\n" for row in table)
