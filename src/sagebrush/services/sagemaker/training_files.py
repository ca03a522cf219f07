"""What a training container finds below /opt/ml, in its environment and as its command."""

from collections.abc import Iterator
from typing import Any

import orjson

from sagebrush.kernel.base import files
from sagebrush.kernel.compute.base import Link, Pack, TaskSpec, Unpack
from sagebrush.kernel.compute.limits import limits_of
from sagebrush.kernel.grammar.call import Client, World
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, checkpoints, jobs

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
MODEL, OUTPUT = "model.tar.gz", "output.tar.gz"
_SOURCE = "input/sourcedir.tar.gz"
_GROUP = "homogeneousCluster"
_CONFIGS = {
    "CheckpointConfig": "checkpointconfig.json",
    "DebugHookConfig": "debughookconfig.json",
    "ProfilerConfig": "profilerconfig.json",
}


def lay_out(job: Record, world: World, s3: Client) -> list[Link]:
    """Stage a job's configuration, channels, code and checkpoints; return what to bind where. Again is fine.

    Raises channels.DataError where something cannot be had.
    """
    stage = jobs.stage(job, world)
    for name, content in _config(job):
        files.write(stage / "input/config" / name, orjson.dumps(content), 0o644)
    links = [Link(stage / "input", "input")]
    for channel in job.get("InputDataConfig", ()):
        source, place = channel["DataSource"]["S3DataSource"], f"input/data/{channel['ChannelName']}"
        private = False if _mode(job, channel) == "FastFile" else None
        staged = channels.stage(s3, source["S3Uri"], source["S3DataType"], stage / place, private=private)
        if staged.read_only:
            links.append(Link(staged.directory, place, read_only=True))
    if code := _submitted(job):
        channels.obtain(s3, code, stage / _SOURCE)
    return links + checkpoints.fetch(job, stage, s3)


def _mode(job: Record, channel: Body) -> str:
    mode: str = channel.get("InputMode", job["AlgorithmSpecification"]["TrainingInputMode"])
    return mode


def _submitted(job: Record) -> str | None:
    """Return the S3 URI of the script-mode source, which the SDK JSON-encodes as a hyperparameter."""
    text = job.get("HyperParameters", {}).get("sagemaker_submit_directory", "").strip('"')
    return text if text.startswith("s3://") else None


def _config(job: Record) -> Iterator[tuple[str, Any]]:
    kind = job["ResourceConfig"]["InstanceType"]
    yield "hyperparameters.json", job.get("HyperParameters", {})
    yield "inputdataconfig.json", {c["ChannelName"]: _channel(job, c) for c in job.get("InputDataConfig", ())}
    yield (
        "resourceconfig.json",
        {
            "current_host": jobs.HOST,
            "current_instance_type": kind,
            "current_group_name": _GROUP,
            "hosts": [jobs.HOST],
            "instance_groups": [{"instance_group_name": _GROUP, "instance_type": kind, "hosts": [jobs.HOST]}],
            "network_interface_name": jobs.INTERFACE,
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
        "S3DistributionType": source["S3DataDistributionType"],
        "RecordWrapperType": channel["RecordWrapperType"],
    }
    return {name: value for name, value in described.items() if value is not None}


def spec(job: Record, world: World, image: str, links: list[Link]) -> TaskSpec:
    """Return the task that trains: SageMaker's container contract for this job."""
    stage = jobs.stage(job, world)
    algorithm: Body = job["AlgorithmSpecification"]
    network = not job["EnableNetworkIsolation"]
    pack = (Pack("model", stage / MODEL), Pack("output/data", stage / OUTPUT))
    return TaskSpec(
        id=jobs.task_id(job),
        owner=job.arn,
        image=image,
        command=(*algorithm.get("ContainerEntrypoint", ("train",)), *algorithm.get("ContainerArguments", ())),
        environment={
            **jobs.common_environment(world, job, job["RoleArn"], network=network),
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
            **job.get("Environment", {}),
        },
        links=(*links, *jobs.common_links(world, network=network)),
        unpack=(Unpack(_SOURCE, "code"),) if _submitted(job) else (),
        pack=pack if job["OutputDataConfig"]["CompressionType"] == "GZIP" else (),
        folders=("code", "model", "output/data", "output/intermediate"),
        network=network,
        limits=limits_of(job["ResourceConfig"]["InstanceType"]),
        log_group=LOG_GROUP,
        log_stream=jobs.stream(job),
    )
