"""What the tests of single steps share: a platform in this process, on which nothing is driven but by a test."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.jobs_help import SKLEARN

from sagebrush import main
from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.grammar.drive import DriveLoop
from sagebrush.kernel.grammar.resource import Resource
from sagebrush.kernel.signals.metrics import Metric
from sagebrush.kernel.state.record import Record
from sagebrush.services.sagemaker.training import TrainingJob

Platform = tuple[World, DriveLoop]

SCRIPT = """
import pathlib
for number in range(200):
    print(f"step {number}; loss: {number}")
pathlib.Path("/opt/ml/model/weights").write_text("w")
pathlib.Path("/opt/ml/checkpoints/state").write_text("s")
"""


METRIC = Metric("123456789012", "us-east-1", "/aws/sagemaker/TrainingJobs", "loss", {"TrainingJobName": "job"})


@contextmanager
def opened(data: Path) -> Iterator[Platform]:
    """Open a platform over `data`, with a bucket `steps`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    with main.opened(Settings(data=data)) as (world, _, drive):
        world.loop = loop
        world.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
        thread.start()
        try:
            aws(world, "s3").create_bucket(Bucket="steps")
            yield world, drive
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def aws(world: World, service: str) -> Any:
    """Return an in-process client of the root identity."""
    return world.aws(service, world.identities.root.identity)


def put(world: World, key: str, text: str) -> str:
    """Store an object and return its URI."""
    aws(world, "s3").put_object(Bucket="steps", Key=key, Body=text.encode())
    return f"s3://steps/{key}"


def get(world: World, key: str) -> bytes:
    """Return an object."""
    return bytes(aws(world, "s3").get_object(Bucket="steps", Key=key)["Body"].read())


def train(world: World, script: str = SCRIPT, /, **more: Any) -> str:
    """Create a training job and return its ARN."""
    source = {"S3DataType": "S3Prefix", "S3Uri": put(world, "code/run.py", script)}
    made: dict[str, str] = aws(world, "sagemaker").create_training_job(
        **{
            "TrainingJobName": "job",
            "RoleArn": world.identities.root.identity.role_arn,
            "AlgorithmSpecification": {
                "TrainingImage": SKLEARN,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/run.py"],
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss: (.*)"}],
            },
            "InputDataConfig": [{"ChannelName": "code", "DataSource": {"S3DataSource": source}}],
            "OutputDataConfig": {"S3OutputPath": "s3://steps/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "CheckpointConfig": {"S3Uri": "s3://steps/checkpoints"},
            **more,
        }
    )
    return made["TrainingJobArn"]


def record(world: World, arn: str) -> Record:
    """Return what is stored under an ARN."""
    found = world.records.by_arn(arn)
    assert found is not None
    return found


def step(world: World, arn: str, resource: Resource = TrainingJob, repeats: int = 1) -> Record:
    """Take a job's next step, several times from the same record, of which the last alone is saved."""
    job = record(world, arn)
    assert resource.drive is not None
    moved = [resource.drive(job, world) for _ in range(repeats)][-1]
    assert moved is not None
    return resource.save(world, job, moved)


def follow(world: World, arn: str, resource: Resource = TrainingJob, repeats: int = 3) -> Record:
    """Take a job to its end."""
    changed = threading.Event()
    for _ in range(600):
        job = step(world, arn, resource, repeats)
        if job.due is None:
            return job
        if job.due > world.clock.now():
            changed.wait(0.05)  # its container works; what it will do next is nobody's to tell
    message = f"{arn} did not end: {record(world, arn)}"
    raise AssertionError(message)


def advance(world: World, seconds: float) -> None:
    """Move the platform's clock."""
    assert isinstance(world.clock, MovableClock)
    world.clock.advance(seconds)
