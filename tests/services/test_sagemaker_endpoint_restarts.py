"""Endpoints outlive the server that made them."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import until
from tests.services.hosting import Hosting, running, says
from tests.services.hosting_image import image_folder


@dataclass
class Server:
    """A platform in a process of its own."""

    data: Path
    images: Path
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> Hosting:
        """Start it and wait until it answers."""
        command = [sys.executable, str(Path(__file__).with_name("hosting_server.py")), str(self.data), str(self.images)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready "), line
        return Hosting(line.split()[1], self.data)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self.process is not None:
            with self.process:
                self.process.kill()
            self.process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data", image_folder(tmp_path / "images"))
    yield made
    made.kill()
    with running(made.data, made.images):
        pass  # what is left of tasks goes with it


def test_an_endpoint_survives_the_kill_of_the_server_at_every_step(server: Server) -> None:
    """Killed while it starts, serves, updates and is deleted, an endpoint goes on as if nothing had been."""
    whoami = "import os\nME = os.urandom(8).hex().encode()\ndef handle(h, b): return 200, {}, ME\n"
    platform = server.start()
    platform.client("s3").create_bucket(Bucket="models")
    config = platform.config(platform.model(whoami))
    platform.sm.create_endpoint(EndpointName="e", EndpointConfigName=config)
    server.kill()
    platform = server.start()
    platform.wait("e", "InService")
    me = platform.invoke("e")
    server.kill()
    platform = server.start()
    assert platform.invoke("e") == me, "the container went on, and is found at the first call"
    new = platform.config(platform.model(says("new")))
    platform.sm.update_endpoint(EndpointName="e", EndpointConfigName=new)
    server.kill()
    platform = server.start()
    platform.wait("e", "InService")
    assert platform.invoke("e") == b"new"
    platform.sm.delete_endpoint(EndpointName="e")
    server.kill()
    platform = server.start()
    until(lambda: not platform.sm.list_endpoints()["Endpoints"], "the endpoint to be gone")
    assert not list((server.data / "tasks").glob("endpoint-*"))
