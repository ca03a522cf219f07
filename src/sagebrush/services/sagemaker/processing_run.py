"""Processing jobs, carried out: inputs in, the container run, outputs out."""

from pathlib import Path, PurePosixPath

import orjson

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.compute import outputs
from sagebrush.kernel.compute.base import Link, Task, TaskSpec
from sagebrush.kernel.compute.images import BuildError
from sagebrush.kernel.compute.limits import limits_of
from sagebrush.kernel.grammar.call import Client, World
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, jobs
from sagebrush.services.sagemaker.processing import ProcessingJob

HOST = "algo-1"
_TICK = 2.0
_TOLD = ("ContainerEntrypoint", "ContainerArguments")


@ProcessingJob.on_drive
def run(job: Record, world: World) -> Record:
    """Move a job one step."""
    assert ProcessingJob.lifecycle is not None
    if ProcessingJob.lifecycle.final(job.status):
        jobs.clear(job, world)
        return job.again(None)
    task = world.compute.find(jobs.task_id(job))
    if task is None and job.status == "Stopping":
        return _end(job, world, "Stopped")
    if task is None:
        return _start(job, world)
    return _watch(job, world, task) if task.exit is None else _finish(job, world, task)


def _start(job: Record, world: World) -> Record:
    now = world.clock.now()
    uri = job["AppSpecification"]["ImageUri"]
    image = world.images.resolve(uri)
    if image is None:
        return _fail(job, world, f"ClientError: {world.images.unknown(uri)}")
    try:
        world.images.build(image)
        s3 = world.as_role(job["RoleArn"], jobs.SESSION, job.region)("s3")
        links = _lay_out(job, world, s3)
    except BuildError as error:
        return _fail(job, world, f"InternalServerError: {error}")
    except channels.DataError as error:
        return _fail(job, world, f"ClientError: {error}")
    except AwsError as error:
        return _fail(job, world, f"ClientError: {error.message}")
    world.compute.ensure(jobs.task_id(job), lambda: _spec(job, world, image.name, links))
    return job.again(now + _TICK)


def _watch(job: Record, world: World, task: Task) -> Record:
    now = world.clock.now()
    if job.status == "Stopping":
        world.compute.stop(task.id, grace=jobs.GRACE)
        return job.again(now + _TICK)
    if task.phase in ("Queued", "Preparing"):
        return job.again(now + _TICK)
    start = job.get("ProcessingStartTime") or now
    job = _upload(job.having(ProcessingStartTime=start), world, continuous=True)
    if now >= start + job["StoppingCondition"]["MaxRuntimeInSeconds"]:
        return ProcessingJob.moved(job, "Stopping", now).again(now)
    return job.again(min(now + _TICK, start + job["StoppingCondition"]["MaxRuntimeInSeconds"]))


def _finish(job: Record, world: World, task: Task) -> Record:
    """Upload the outputs, whatever the end, and write the end down."""
    end = task.exit
    assert end is not None
    if end.stage == "lost" and job.status != "Stopping":
        return _fail(job, world, "InternalServerError: We encountered an internal error. Please try again.")
    if "ProcessingStartTime" not in job:
        job = job.having(ProcessingStartTime=end.started)
    if message := outputs.read(task.root, "output/message", 1024):
        job = job.having(ExitMessage=message)
    try:
        job = _upload(job, world, continuous=False)
    except AwsError as error:
        return _fail(job, world, f"ClientError: Output upload failed: {error.message}")
    if job.status == "Stopping":
        return _end(job, world, "Stopped")
    if end.code == 0:
        return _end(job, world, "Completed")
    return _fail(job, world, jobs.failure("", end, world.compute.tail(task.id)))


def _fail(job: Record, world: World, reason: str) -> Record:
    return _end(job.having(FailureReason=reason[:1024]), world, "Failed")


def _end(job: Record, world: World, status: str) -> Record:
    now = world.clock.now()
    return ProcessingJob.moved(job.having(ProcessingEndTime=now), status, now).again(now)


def _lay_out(job: Record, world: World, s3: Client) -> list[Link]:
    """Stage inputs, make the outputs' directories, write the two configuration files. Again is fine."""
    stage = jobs.stage(job, world)
    config = stage / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "processingjobconfig.json").write_bytes(orjson.dumps(_config(job)))
    kind = job["ProcessingResources"]["ClusterConfig"]["InstanceType"]
    (config / "resourceconfig.json").write_bytes(
        orjson.dumps(
            {
                "current_host": HOST,
                "hosts": [HOST],
                "network_interface_name": "lo",
                "current_instance_type": kind,
            }
        )
    )
    for name in ("input", "output"):
        (stage / "processing" / name).mkdir(parents=True, exist_ok=True)
    links = [Link(config, "config"), Link(stage / "processing", "processing")]
    for number, given in enumerate(_managed(job, "input")):  # a name may be anything, also a path
        source = given["S3Input"]
        staged = channels.stage(s3, source["S3Uri"], source["S3DataType"], stage / f"inputs/{number}")
        _below(job, world, source["LocalPath"]).mkdir(parents=True, exist_ok=True)
        links.append(Link(staged.directory, source["LocalPath"], read_only=staged.read_only))
    for given in _managed(job, "output"):
        _below(job, world, given["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
    return links


def _managed(job: Record, way: str) -> list[Body]:
    """Return the inputs or outputs that the platform moves; those that are AppManaged the container moves itself."""
    if way == "input":
        given = job.get("ProcessingInputs", [])
    else:
        given = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return [entry for entry in given if not entry["AppManaged"]]


def _below(job: Record, world: World, local: str) -> Path:
    """Return where a path below /opt/ml/processing lies on this machine."""
    return jobs.stage(job, world) / "processing" / PurePosixPath(local).relative_to("/opt/ml/processing")


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


def _spec(job: Record, world: World, image: str, links: list[Link]) -> TaskSpec:
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
        log_group="/aws/sagemaker/ProcessingJobs",
        log_stream=f"{job.name}/{HOST}-{int(job.created)}",
    )


def _upload(job: Record, world: World, *, continuous: bool) -> Record:
    """Upload outputs: while the job runs the new files of Continuous ones, at its end all that is left."""
    seen: dict[str, list[int]] = dict(job.private.get("uploaded", {}))
    s3: Client | None = None
    for given in _managed(job, "output"):
        target = given["S3Output"]
        directory = _below(job, world, target["LocalPath"])
        if continuous and target["S3UploadMode"] != "Continuous":
            continue
        held = {str(path): channels.stamp(path) for path in directory.rglob("*") if path.is_file()}
        changed = {Path(name) for name, stamp in held.items() if seen.get(name) != stamp}
        if changed:
            s3 = s3 or world.as_role(job["RoleArn"], jobs.SESSION, job.region)("s3")
            channels.upload_tree(s3, directory, target["S3Uri"], changed.__contains__)
            seen.update(held)
    return job.remembering(uploaded=seen or None)
