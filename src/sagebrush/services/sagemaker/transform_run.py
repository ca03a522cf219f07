"""Transform jobs, carried out: a serving container, and the image `batch` that sends it the data.

`batch` reads `/opt/ml/config/transform.json`, splits, filters, posts, joins and assembles, and leaves `<key>.out` below
`/opt/ml/output` for each object that succeeded as a whole.
"""

from dataclasses import replace
from pathlib import Path

import orjson

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.compute import outputs
from sagebrush.kernel.compute.base import Link, Task, TaskSpec
from sagebrush.kernel.compute.limits import limits_of
from sagebrush.kernel.grammar.call import Client, World
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, jobs, serving
from sagebrush.services.sagemaker.transform import TransformJob

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_IMAGE = "batch"
_SERVE, _BATCH = "serve", "batch"
_STARTUP = 240.0
"""Seconds that the container has until it answers /ping."""

_FAILURE = "failure"  # the file in which `batch` says why; every output ends with .out
_TICK = 2.0
_INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
_STRATEGIES = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}


@TransformJob.on_drive
def run(job: Record, world: World) -> Record:
    """Move a job one step."""
    assert TransformJob.lifecycle is not None
    if TransformJob.lifecycle.final(job.status):
        jobs.clear(job, world, _SERVE, _BATCH)
        return job.again(None)
    server, batch = (world.compute.find(jobs.task_id(job, part)) for part in (_SERVE, _BATCH))
    if job.status == "Stopping":
        return _stop(job, world, server, batch)
    if batch is not None:
        return job.again(world.clock.now() + _TICK) if batch.exit is None else _finish(job, world, batch)
    if server is None:
        return _start(job, world)
    return _begin(job, world, server)


def _start(job: Record, world: World) -> Record:
    """Stage the input and start the container."""
    source = job["TransformInput"]["DataSource"]["S3DataSource"]
    try:
        channels.stage(_s3(job, world), source["S3Uri"], source["S3DataType"], jobs.stage(job, world) / "input")
        world.compute.ensure(jobs.task_id(job, _SERVE), lambda: _serving(job, world))
    except channels.DataError as error:
        return _fail(job, world, f"ClientError: {error}")
    except AwsError as error:
        return _fail(job, world, f"ClientError: {error.message}")
    return job.again(world.clock.now())


def _begin(job: Record, world: World, server: Task) -> Record:
    """Wait for the container to answer /ping; then start to send it the data."""
    now = world.clock.now()
    if server.exit is not None:
        told = world.compute.tail(server.id)
        return _fail(job, world, serving.trouble(job.private["served"], "transform job", server.exit, told))
    if server.phase != "Running":
        return job.again(now + _TICK)
    since: float = job.private.get("since", now)
    if serving.healthy(server):
        job = job.having(TransformStartTime=now)
        world.compute.ensure(jobs.task_id(job, _BATCH), lambda: _agent(job, world, server))
        return job.again(now + _TICK)
    if now - since >= _STARTUP:
        return _fail(job, world, serving.unhealthy("transform job", world.compute.tail(server.id)))
    return job.remembering(since=since).again(now + min(max(0.05, (now - since) / 10), 1.0))


def _finish(job: Record, world: World, batch: Task) -> Record:
    """Upload what succeeded as a whole, and write down how the job ended."""
    end = batch.exit
    assert end is not None
    try:
        _upload(job, world, batch)
    except AwsError as error:
        return _fail(job, world, f"ClientError: Output upload failed: {error.message}")
    if end.code == 0 and end.stage == "run":
        return _end(job, world, "Completed")
    if end.stage != "run":
        return _fail(job, world, f"{_INTERNAL} {end.reason}")
    told = outputs.read(batch.root, f"output/{_FAILURE}", 1024)
    return _fail(job, world, told or "ClientError: See job logs for more information")


def _stop(job: Record, world: World, server: Task | None, batch: Task | None) -> Record:
    """Stop both tasks; what they made is not stored."""
    running = [task for task in (server, batch) if task is not None and task.exit is None]
    for task in running:
        world.compute.stop(task.id, grace=serving.GRACE)
    return job.again(world.clock.now() + _TICK) if running else _end(job, world, "Stopped")


def _fail(job: Record, world: World, reason: str) -> Record:
    return _end(job.having(FailureReason=reason[:1024]), world, "Failed")


def _end(job: Record, world: World, status: str) -> Record:
    """Write down the end; the next step clears what the job needed on the way, the serving task too."""
    now = world.clock.now()
    return TransformJob.moved(job.having(TransformEndTime=now), status, now).again(now)


def _s3(job: Record, world: World) -> Client:
    return world.as_role(job.private["served"]["Role"], jobs.SESSION, job.region)("s3")


def _upload(job: Record, world: World, batch: Task) -> None:
    made = batch.root / "output"
    target = job["TransformOutput"]["S3OutputPath"].rstrip("/")
    s3 = _s3(job, world)
    for found in outputs.files(made):
        if found.path != _FAILURE:
            channels.upload(s3, made / found.path, f"{target}/{found.path}")


# ---------------------------------------------------------------------- the two tasks


def _stream(job: Record) -> str:
    return f"{job.name}/{serving.instance_id(jobs.task_id(job, _SERVE))}-{int(job.created)}"


def _serving(job: Record, world: World) -> TaskSpec:
    return serving.spec(
        job,
        _SERVE,
        job.private["served"],
        world,
        kind=job["TransformResources"]["InstanceType"],
        environment={**_batch_environment(job), **job.get("Environment", {})},
        log=(LOG_GROUP, _stream(job)),
    )


def _batch_environment(job: Record) -> dict[str, str]:
    """Return what a container is told about the batch that it serves: as requested, or AWS's defaults."""
    split = job["TransformInput"]["SplitType"] != "None"
    strategy = job.get("BatchStrategy", "MultiRecord" if split else "SingleRecord")
    return {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": _STRATEGIES[strategy],
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(job.get("MaxPayloadInMB", 6)),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(job.get("MaxConcurrentTransforms", 1)),
    }


def _agent(job: Record, world: World, server: Task) -> TaskSpec:
    """Return the task that sends the data; it reaches the container through its socket, and nothing else."""
    assert server.socket is not None
    stage = jobs.stage(job, world)
    config, data = stage / "config", stage / "input"
    config.mkdir(exist_ok=True)
    (config / "transform.json").write_bytes(orjson.dumps(_config(job, data, server.socket.name)))
    return TaskSpec(
        id=jobs.task_id(job, _BATCH),
        owner=job.arn,
        image=_IMAGE,
        command=("transform",),
        limits=replace(limits_of(job["TransformResources"]["InstanceType"]), cpus=1),
        links=(
            Link(config, "config", read_only=True),
            Link(data, "input/data", read_only=True),
            Link(server.socket.parent, "serving", read_only=True),
        ),
        network=False,
        log_group=LOG_GROUP,
        log_stream=f"{_stream(job)}/data-log",
    )


def _config(job: Record, data: Path, socket: str) -> Body:
    """Return transform.json: the request's members, the objects, and where the container listens."""
    inputs = [{"Key": found.path, "Path": f"data/{found.path}"} for found in outputs.files(data)]
    return {**job.body, "Inputs": inputs, "Socket": f"/opt/ml/serving/{socket}"}
