"""What the benchmarks share: a platform of ours and a moto server, each a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from threading import Event
from typing import Any

import boto3
from botocore.config import Config

REPO = Path(__file__).resolve().parents[1]
MOTO = "moto[server]==5.2.1"


@dataclass(frozen=True)
class Server:
    """A server that answers at `endpoint` to these keys; `pid` is its process."""

    endpoint: str
    key: str
    secret: str
    pid: int
    data: Path

    def client(self, service: str, **config: Any) -> Any:
        """Return a boto3 client with boto3's defaults."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            config=Config(**config),
        )


@contextmanager
def ours() -> Iterator[Server]:
    """Run a platform of ours on a new data directory."""
    with tempfile.TemporaryDirectory(prefix="sagebrush-bench-") as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "sagebrush.cli.main", "up", "--stop-tasks", "--data", str(data), "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_clean())
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            kept = json.loads((data / "credentials.json").read_bytes())
            yield Server(line.split()[1], kept["AccessKeyId"], kept["SecretAccessKey"], process.pid, data)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def moto() -> Iterator[Server]:
    """Run moto_server, installed on the first call into `.envs/moto`."""
    environment = REPO / ".envs/moto"
    if not (environment / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        subprocess.run([environment / "bin/python", "-m", "pip", "install", "-q", MOTO], check=True)
        subprocess.run([environment / "bin/python", "-m", "compileall", "-q", environment / "lib"], check=False)
        (environment / "made").touch()
    with create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [environment / "bin/moto_server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_clean(),
    )
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _answers(endpoint, process)
        with tempfile.TemporaryDirectory() as folder:
            yield Server(endpoint, "testing", "testing", process.pid, Path(folder))
    finally:
        process.terminate()
        process.wait()


def _answers(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            Event().wait(0.05)
        else:
            return
    raise RuntimeError("moto_server did not start")


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEBRUSH_"))}


def resident(pid: int) -> int:
    """Return the bytes of memory that are a process's own (proportional set size)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Pss")
