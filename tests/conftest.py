"""A real platform for tests that talk to one: a server process of its own, on loopback, with its own data directory."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import settings

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / "shared"

# The same examples every time, so that a run can be repeated; SAGEBRUSH_EXPLORE=1 looks for new ones.
settings.register_profile("repeatable", derandomize=True, database=None)
if not os.environ.get("SAGEBRUSH_EXPLORE"):
    settings.load_profile("repeatable")

PATIENCE = 120.0
"""Seconds after which a test that waits for something gives up; nothing passes because of it."""


@dataclass
class Platform:
    """One server process over one data directory; it can be killed and started again."""

    data: Path
    flags: tuple[str, ...] = ()
    process: "subprocess.Popen[str] | None" = None
    endpoint: str = ""
    clients: dict[str, Any] = field(default_factory=dict)

    def start(self) -> "Platform":
        """Start the server and wait for its `ready` line."""
        command = [sys.executable, "-m", "sagebrush.cli.main", "up", "--stop-tasks"]
        command += ["--data", str(self.data), "--port", "0"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEBRUSH_"))}
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*command, *self.flags], stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.endpoint = line.split()[1]
                self.clients.clear()
                return self
        message = f"the server ended with {self.process.wait()}:\n{self.log()[-4000:]}"
        raise RuntimeError(message)

    def log(self) -> str:
        """Return what the server logged."""
        return (self.data.parent / f"{self.data.name}.log").read_text("utf-8", "replace")

    def kill(self) -> None:
        """End the server as `kill -9` does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the server as Ctrl-C does."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    @property
    def keys(self) -> dict[str, str]:
        """The root key."""
        kept = json.loads((self.data / "credentials.json").read_text())
        return {"aws_access_key_id": kept["AccessKeyId"], "aws_secret_access_key": kept["SecretAccessKey"]}

    @property
    def role(self) -> str:
        """The ready-made execution role."""
        return "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"

    def client(self, service: str, **overrides: Any) -> Any:
        """Return a boto3 client of this platform; it does not retry, so that a test sees what happened."""
        usual = not overrides
        if usual and service in self.clients:
            return self.clients[service]
        config = Config(retries={"max_attempts": 0}, parameter_validation=True).merge(overrides.pop("config", Config()))
        options = {"region_name": "us-east-1", "endpoint_url": self.endpoint, **self.keys, **overrides}
        make: Any = boto3.client  # the stubs have an overload for each service, and the service is a variable here
        client = make(service, config=config, **options)
        if usual:
            self.clients[service] = client
        return client


def until(look: Callable[[], Any], what: str = "the expected state") -> Any:
    """Return the first true value of `look`; fail where none comes."""
    give_up = time.monotonic() + PATIENCE
    pause = 0.005
    while time.monotonic() < give_up:
        found = look()
        if found:
            return found
        threading.Event().wait(pause)  # another process's state, which nothing here can signal
        pause = min(pause * 1.5, 0.2)
    message = f"{what} did not come within {PATIENCE:.0f} s"
    raise AssertionError(message)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all tests of a worker: each test uses names of its own."""
    running = Platform(tmp_path_factory.mktemp("platform") / "data").start()
    yield running
    running.stop()


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform that a test may kill."""
    running = Platform(tmp_path / "data").start()
    yield running
    running.stop()
