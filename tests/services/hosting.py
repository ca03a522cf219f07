"""What the tests of hosting share: a platform in this process, with a small image whose models are Python handlers.

The image `echo` obeys SageMaker's serving contract with the standard library alone: its model data hold a `handler.py`,
whose `handle(headers, body)` answers /invocations and whose optional `ping()` answers /ping.
"""

import asyncio
import io
import itertools
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import boto3
import orjson
import pytest
import uvicorn
import uvloop
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.conftest import PATIENCE, until
from tests.services.hosting_image import image_folder

from sagebrush import main
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.compute.local import LocalCompute
from sagebrush.kernel.grammar.call import World

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/echo:1"
ECHO = """
def handle(headers, body):
    return 200, {"content-type": headers.get("content-type", "application/octet-stream")}, body
"""


_NUMBERS = itertools.count()


def says(text: str) -> str:
    """Return a handler that always answers `text`."""
    return f'def handle(headers, body):\n    return 200, {{"content-type": "text/plain"}}, {text.encode()!r}\n'


def archive(**files: str) -> bytes:
    """Return a model.tar.gz with these files; `__` in a name stands for a dot."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "."))
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return held.getvalue()


def refusal(error: "pytest.ExceptionInfo[ClientError]") -> tuple[str, str]:
    """Return the code and the message of a refusal."""
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


@dataclass
class Hosting:
    """A platform and what a test makes on it: names are its own."""

    endpoint_url: str
    data: Path
    world: World | None = None
    bucket: str = "models"
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return a boto3 client that does not retry."""
        if service not in self._clients:
            kept = orjson.loads((self.data / "credentials.json").read_bytes())
            self._clients[service] = boto3.client(  # type: ignore[call-overload]
                service,
                region_name="us-east-1",
                endpoint_url=self.endpoint_url,
                aws_access_key_id=kept["AccessKeyId"],
                aws_secret_access_key=kept["SecretAccessKey"],
                config=Config(retries={"max_attempts": 0}, max_pool_connections=64),
            )
        return self._clients[service]

    @property
    def sm(self) -> Any:
        """The control plane."""
        return self.client("sagemaker")

    @property
    def runtime(self) -> Any:
        """The data plane."""
        return self.client("sagemaker-runtime")

    def name(self, stem: str) -> str:
        """Return a name that no other test uses."""
        return f"{stem}-{next(_NUMBERS)}"

    def put(self, key: str, body: bytes) -> str:
        """Store an object and return its URI."""
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def model(self, handler: str = ECHO, **more: Any) -> str:
        """Make a model of a handler; `more` are members of its container, or CreateModel's own."""
        name = self.name("model")
        own = {key: more.pop(key) for key in ("EnableNetworkIsolation",) if key in more}
        data = (
            {} if "ModelDataSource" in more else {"ModelDataUrl": self.put(f"{name}.tgz", archive(handler__py=handler))}
        )
        container = {"Image": IMAGE, **data, **more}
        self.sm.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE, **own)
        return name

    def config(self, *models: str, **more: Any) -> str:
        """Make a configuration with a variant of each model: A, B, …; `more` are members of every variant."""
        name = self.name("config")
        variants = [
            {
                "VariantName": letter,
                "ModelName": model,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.t2.medium",
                **more,
            }
            for letter, model in zip("ABCDEF", models, strict=False)
        ]
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        return name

    def endpoint(self, config: str, status: str = "InService") -> str:
        """Make an endpoint and wait for a status."""
        name = self.name("endpoint")
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.wait(name, status)
        return name

    def serving(self, handler: str = ECHO, **more: Any) -> str:
        """Make an endpoint of one handler and wait until it is in service."""
        return self.endpoint(self.config(self.model(handler, **more)))

    def wait(self, endpoint: str, status: str) -> dict[str, Any]:
        """Wait until an endpoint has a status; return its description."""

        def look() -> dict[str, Any] | None:
            told: dict[str, Any] = self.sm.describe_endpoint(EndpointName=endpoint)
            assert told["EndpointStatus"] != "Failed" or status == "Failed", told["FailureReason"]
            return told if told["EndpointStatus"] == status else None

        return dict(until(look, f"{endpoint} to be {status}"))

    def invoke(self, endpoint: str, body: bytes = b"x", **more: Any) -> bytes:
        """Return an endpoint's answer."""
        answer = self.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **more)
        return bytes(answer["Body"].read())

    def delete(self, endpoint: str) -> None:
        """Delete an endpoint and wait until it is gone."""
        self.sm.delete_endpoint(EndpointName=endpoint)

        def gone() -> bool:
            try:
                self.sm.describe_endpoint(EndpointName=endpoint)
            except ClientError as error:
                return error.response["Error"]["Code"] == "ValidationException"
            return False

        until(gone, f"{endpoint} to be gone")

    def lines(self, group: str, prefix: str = "") -> list[str]:
        """Return what the streams of a log group hold."""
        logs = self.client("logs")
        streams = logs.describe_log_streams(logGroupName=group, **({"logStreamNamePrefix": prefix} if prefix else {}))
        return [
            event["message"]
            for stream in streams["logStreams"]
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]

    def left(self, endpoint: str) -> set[str]:
        """Return the ids of all tasks that there are for an endpoint that serves."""
        digest = next(iter(self.tasks(endpoint))).split("-")[1]
        return {path.name for path in (self.data / "tasks").glob(f"endpoint-{digest}-*")}

    def tasks(self, endpoint: str) -> set[str]:
        """Return the ids of the tasks that the data plane sends an endpoint's requests to."""
        assert self.world is not None
        record = self.world.records.get("sagemaker:Endpoint", "123456789012", "us-east-1", endpoint)
        assert record is not None
        return {task for share in record.private["shares"] for task in share["tasks"]}


_OPENED, _SERVER = main.opened, main._server


@contextmanager
def running(data: Path, folder: Path) -> Iterator[Hosting]:
    """Run a platform over `data` in a thread of this process."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        worlds: list[World] = []
        servers: list[uvicorn.Server] = []

        @contextmanager
        def noted(settings: Settings) -> Iterator[Any]:
            with _OPENED(settings) as platform:
                worlds.append(platform[0])
                yield platform
                compute = cast("LocalCompute", platform[0].compute)
                for task in compute.all():  # they would outlive the platform, and the tests
                    compute.discard(task.id)

        def server(app: Any) -> uvicorn.Server:
            servers.append(_SERVER(app))
            return servers[0]

        patch.setattr(main, "opened", noted)
        patch.setattr(main, "_server", server)
        ready: Future[str] = Future()
        settings = Settings(data=data, cache=folder.parent / "cache", images=str(folder), port=0)
        thread = threading.Thread(target=_serve, args=(settings, ready, worlds))
        thread.start()
        try:
            yield Hosting(ready.result(PATIENCE), data, worlds[0])
        finally:
            for each in servers:
                each.should_exit = True
            thread.join(PATIENCE)


def _serve(settings: Settings, ready: "Future[str]", worlds: list[World]) -> None:
    async def serve() -> None:
        await main.serve(settings, lambda address: ready.set_result(address.endpoint))
        worlds[0].containers.close()
        await asyncio.sleep(0)  # one turn, in which the loop closes what was aborted

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve())
        except Exception as error:  # noqa: BLE001 - the test that waits has it raised
            ready.set_exception(error)


@pytest.fixture(scope="session")
def hosting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosting]:
    """One platform for all tests of hosting in a worker."""
    base = tmp_path_factory.mktemp("hosting")
    with running(base / "data", image_folder(base / "images")) as platform:
        platform.client("s3").create_bucket(Bucket=platform.bucket)
        yield platform
