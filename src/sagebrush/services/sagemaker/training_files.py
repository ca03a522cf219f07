"""What a training container finds below /opt/ml, in its environment and as its command."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.compute.base import Link, Pack, TaskSpec, Unpack
from sagebrush.kernel.compute.limits import limits_of
from sagebrush.kernel.grammar.call import Client, World
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, jobs

HOST = "algo-1"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_CONFIGS = {
    "CheckpointConfig": "checkpointconfig.json",
    "DebugHookConfig": "debughookconfig.json",
    "ProfilerConfig": "profilerconfig.json",
}


def stream(job: Record) -> str:
    """Return the name of the job's log stream."""
    return f"{job.name}/{HOST}-{int(job.created)}"


def lay_out(job: Record, world: World, s3: Client) -> list[Link]:
    """Stage a job's configuration, channels, code and checkpoints; return what to bind where. Again is fine.

    Raises channels.DataError where something cannot be had.
    """
    stage = jobs.stage(job, world)
    for name, content in _config(job):
        _write(stage / "input/config" / name, content)
    (stage / "input/data").mkdir(parents=True, exist_ok=True)
    links = [Link(stage / "input", "input")]
    for channel in job.get("InputDataConfig", ()):
        source = channel["DataSource"]["S3DataSource"]
        name = channel["ChannelName"]
        staged = channels.stage(s3, source["S3Uri"], source["S3DataType"], stage / "data" / name)
        (stage / "input/data" / name).mkdir(exist_ok=True)
        read_only = staged.read_only or _mode(job, channel) == "FastFile"
        links.append(Link(staged.directory, f"input/data/{name}", read_only=read_only))
    if code := _submitted(job):
        target = stage / "sourcedir.tar.gz"
        target.unlink(missing_ok=True)
        try:
            channels.copy(s3, *channels.split(code), target)
        except AwsError as error:
            raise channels.DataError(f"Data download failed:{error.code} ({error.status}): {code}") from error
        links.append(Link(target, "input/sourcedir.tar.gz", read_only=True))
    if checkpoints := job.get("CheckpointConfig"):
        directory = stage / "checkpoints"
        bucket, prefix = channels.split(checkpoints["S3Uri"])
        channels.restore(s3, f"s3://{bucket}/{prefix.rstrip('/')}/", directory)
        links.append(Link(directory, checkpoints.get("LocalPath", "/opt/ml/checkpoints")))
    return links


def _mode(job: Record, channel: Body) -> str:
    mode: str = channel.get("InputMode", job["AlgorithmSpecification"]["TrainingInputMode"])
    return mode


def _submitted(job: Record) -> str | None:
    """Return the S3 URI of the script-mode source, which the SDK JSON-encodes as a hyperparameter."""
    text = job.get("HyperParameters", {}).get("sagemaker_submit_directory", "").strip('"')
    return text if text.startswith("s3://") else None


def _config(job: Record) -> Iterator[tuple[str, Any]]:
    kind = job["ResourceConfig"]["InstanceType"]
    group = "homogeneousCluster"
    yield "hyperparameters.json", job.get("HyperParameters", {})
    yield "inputdataconfig.json", {c["ChannelName"]: _channel(job, c) for c in job.get("InputDataConfig", ())}
    yield (
        "resourceconfig.json",
        {
            "current_host": HOST,
            "current_instance_type": kind,
            "current_group_name": group,
            "hosts": [HOST],
            "instance_groups": [{"instance_group_name": group, "instance_type": kind, "hosts": [HOST]}],
            "network_interface_name": "lo",
        },
    )
    for member, name in _CONFIGS.items():
        if member in job:
            yield name, job[member]


def _channel(job: Record, channel: Body) -> Body:
    source = channel["DataSource"]["S3DataSource"]
    described = {
        "ContentType": channel.get("ContentType"),
        "TrainingInputMode": _mode(job, channel),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return {name: value for name, value in described.items() if value is not None}


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(content))


def spec(job: Record, world: World, image: str, links: list[Link]) -> TaskSpec:
    """Return the task that trains: SageMaker's container contract for this job."""
    stage = jobs.stage(job, world)
    algorithm: Body = job["AlgorithmSpecification"]
    arguments = tuple(algorithm.get("ContainerArguments", ()))
    network = not job["EnableNetworkIsolation"]
    unpack = (Unpack("input/sourcedir.tar.gz", "code"),) if _submitted(job) else ()
    compressed = job["OutputDataConfig"]["CompressionType"] == "GZIP"
    model = (Pack("model", stage / "model.tar.gz"),) if compressed else ()
    data = (Pack("output/data", stage / "output.tar.gz"),) if compressed else ()
    return TaskSpec(
        id=jobs.task_id(job),
        owner=job.arn,
        image=image,
        command=(*algorithm.get("ContainerEntrypoint", ("train",)), *arguments),
        environment={
            **jobs.common_environment(world, job, job["RoleArn"], network=network),
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
            **job.get("Environment", {}),
        },
        links=(*links, *jobs.common_links(world, network=network)),
        unpack=unpack,
        pack=(*model, *data),
        folders=("code", "model", "output/data", "output/intermediate"),
        network=network,
        limits=limits_of(job["ResourceConfig"]["InstanceType"]),
        log_group=LOG_GROUP,
        log_stream=stream(job),
    )
