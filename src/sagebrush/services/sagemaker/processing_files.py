"""What a processing container finds below /opt/ml, in its environment and as its command."""

import shutil
from pathlib import Path, PurePosixPath

import orjson

from sagebrush.kernel.base import files
from sagebrush.kernel.compute.base import Link, TaskSpec
from sagebrush.kernel.compute.limits import limits_of
from sagebrush.kernel.grammar.call import Client, World
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, jobs
from sagebrush.services.sagemaker.processing import LOCAL

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_TOLD = ("ContainerEntrypoint", "ContainerArguments")


def tree(job: Record, world: World) -> Path:
    """Return the directory that the container sees as /opt/ml/processing."""
    return jobs.stage(job, world) / "processing"


def place(local: str) -> PurePosixPath:
    """Return a LocalPath as a path below `tree`."""
    return PurePosixPath(local).relative_to(LOCAL)


def inputs(job: Record) -> list[Body]:
    """Return the inputs that the platform moves; those that are AppManaged the container fetches itself."""
    return [given["S3Input"] for given in job.get("ProcessingInputs", ()) if not given["AppManaged"]]


def outputs(job: Record) -> list[Body]:
    """Return the outputs that the platform moves."""
    given = job.get("ProcessingOutputConfig", {}).get("Outputs", ())
    return [output["S3Output"] for output in given if not output["AppManaged"]]


def lay_out(job: Record, world: World, s3: Client) -> list[Link]:
    """Stage inputs, make the outputs' directories, write the two configuration files. Again is fine.

    Inputs and outputs lie in one tree, as they do for the container, so that they may lie in each other. An input that
    must not be written to is bound over itself, read-only; what lies in it and is the job's own, over that. Raises
    channels.DataError where an input cannot be had.
    """
    config, root = jobs.stage(job, world) / "config", tree(job, world)
    files.write(config / "processingjobconfig.json", orjson.dumps(_config(job)), 0o644)
    files.write(config / "resourceconfig.json", orjson.dumps(_resources(job)), 0o644)
    shutil.rmtree(root, ignore_errors=True)
    written = [place(output["LocalPath"]) for output in outputs(job)]
    for each in (PurePosixPath("input"), PurePosixPath("output"), *written):
        (root / each).mkdir(parents=True, exist_ok=True)
    closed: dict[PurePosixPath, bool] = dict.fromkeys(written, False)
    for given in sorted(inputs(job), key=lambda given: len(place(given["LocalPath"]).parts)):
        where = place(given["LocalPath"])
        private = True if any(each.is_relative_to(where) for each in written) else None
        staged = channels.fetch(s3, given["S3Uri"], given["S3DataType"], root / where, private=private)
        closed[where] = staged.read_only
    return [Link(config, "config"), Link(root, "processing"), *_bound(closed, root)]


def _bound(closed: dict[PurePosixPath, bool], root: Path) -> list[Link]:
    """Return what to bind, from the outside in: each place that is read-only, and each that lies in one."""
    return [
        Link(root / where, f"processing/{where}", read_only=closed[where])
        for where in sorted(closed, key=lambda where: len(where.parts))
        if closed[where] or any(closed.get(outer) for outer in where.parents)
    ]


def _resources(job: Record) -> Body:
    return {
        "current_host": jobs.HOST,
        "hosts": [jobs.HOST],
        "network_interface_name": jobs.INTERFACE,
        "current_instance_type": job["ProcessingResources"]["ClusterConfig"]["InstanceType"],
    }


def _config(job: Record) -> Body:
    """Return processingjobconfig.json: unset members are null, as AWS writes it."""
    app: Body = job["AppSpecification"]
    output: Body = job.get("ProcessingOutputConfig", {"Outputs": []})
    cluster: Body = job["ProcessingResources"]["ClusterConfig"]
    return {
        "ProcessingJobArn": job.arn,
        "ProcessingJobName": job.name,
        "AppSpecification": {"ImageUri": app["ImageUri"], **{name: app.get(name) for name in _TOLD}},
        "Environment": job.get("Environment"),
        "ProcessingInputs": [
            {**given, "S3Input": {**given["S3Input"], "S3DownloadMode": "StartOfJob"}}
            for given in job.get("ProcessingInputs", ())
        ],
        "ProcessingOutputConfig": {"KmsKeyId": None, **output},
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": None, **cluster}},
        "RoleArn": job["RoleArn"],
        "StoppingCondition": job["StoppingCondition"],
        "NetworkConfig": job.get("NetworkConfig"),
    }


def spec(job: Record, world: World, image: str, links: list[Link]) -> TaskSpec:
    """Return the task that processes: SageMaker's container contract for this job."""
    app: Body = job["AppSpecification"]
    network = not job.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
    return TaskSpec(
        id=jobs.task_id(job),
        owner=job.arn,
        image=image,
        command=(*app.get("ContainerEntrypoint", ("process",)), *app.get("ContainerArguments", ())),
        environment={
            **jobs.common_environment(world, job, job["RoleArn"], network=network),
            "PROCESSING_JOB_ARN": job.arn,
            "PROCESSING_JOB_NAME": job.name,
            **job.get("Environment", {}),
        },
        folders=("output",),
        links=(*links, *jobs.common_links(world, network=network)),
        network=network,
        limits=limits_of(job["ProcessingResources"]["ClusterConfig"]["InstanceType"]),
        log_group=LOG_GROUP,
        log_stream=jobs.stream(job),
    )
