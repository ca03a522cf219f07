"""Processing jobs, carried out: inputs in, the container run, outputs out."""

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.compute import outputs
from sagebrush.kernel.compute.base import Exit, Task
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.state.record import Record
from sagebrush.services.sagemaker import channels, jobs, processing_files, uploads
from sagebrush.services.sagemaker.processing import ProcessingJob

_TICK = 1.0
"""Seconds between two looks at a running job's outputs."""


@ProcessingJob.on_drive
def run(job: Record, world: World) -> Record:
    """Move a job one step."""
    assert ProcessingJob.lifecycle is not None
    if ProcessingJob.lifecycle.final(job.status):
        jobs.clear(job, world)
        return job.again(None)
    try:
        return _step(job, world)
    except channels.DataError as error:
        return _fail(job, world, f"ClientError: {error}")
    except AwsError as error:
        if error.status >= 500:
            raise  # the platform's own trouble: the drive loop tries again
        return _fail(job, world, f"ClientError: {error.message}")


def _step(job: Record, world: World) -> Record:
    task = world.compute.find(jobs.task_id(job))
    if task is None:
        return _end(job, world, "Stopped") if job.status == "Stopping" else _start(job, world)
    return _watch(job, world, task) if task.exit is None else _finish(job, world, task, task.exit)


def _start(job: Record, world: World) -> Record:
    """Find the image, stage the inputs, start the task."""
    uri = job["AppSpecification"]["ImageUri"]
    image = world.images.resolve(uri)
    if image is None:
        raise channels.DataError(world.images.unknown(uri))
    links = processing_files.lay_out(job, world, jobs.s3(job, world))
    task = world.compute.ensure(jobs.task_id(job), lambda: processing_files.spec(job, world, image.name, links))
    return _watch(job, world, task)


def _watch(job: Record, world: World, task: Task) -> Record:
    """Follow a task that has not ended: its start, its Continuous outputs, its time."""
    now = world.clock.now()
    job = _seen(job, world, task)
    if job.status == "Stopping":
        world.compute.stop(task.id, grace=jobs.GRACE)
        return job.again(now + _TICK)
    if "ProcessingStartTime" not in job:
        return job.again(now + _TICK)
    _upload(job, world, {"Continuous"})
    deadline = job["ProcessingStartTime"] + job["StoppingCondition"]["MaxRuntimeInSeconds"]
    if now >= deadline:
        return ProcessingJob.moved(job, "Stopping", now).again(now)
    return job.again(min(now + _TICK, deadline))


def _seen(job: Record, world: World, task: Task) -> Record:
    """Return the job with the time at which its container began."""
    if task.started is None or "ProcessingStartTime" in job:
        return job
    return job.having(ProcessingStartTime=jobs.platform_time(world, task.started))


def _finish(job: Record, world: World, task: Task, end: Exit) -> Record:
    """Upload the outputs, whatever the end, and write the end down."""
    job = _seen(job, world, task)
    message = outputs.read(task.root, "output/message", 4096) or ""
    job = job.having(ExitMessage=message[:1024] or None)
    _upload(job, world, {"Continuous", "EndOfJob"})
    if job.status == "Stopping":
        return _end(job, world, "Stopped")
    if reason := jobs.failure(end, "", world.compute.tail(task.id)):
        return _fail(job, world, reason)
    return _end(job, world, "Completed")


def _upload(job: Record, world: World, modes: set[str]) -> None:
    """Upload what is new in the outputs of some upload modes, as the job's role."""
    tree, s3 = processing_files.tree(job, world), jobs.s3(job, world)
    for number, given in enumerate(processing_files.outputs(job)):
        if given["S3UploadMode"] in modes:
            below = processing_files.place(given["LocalPath"]).as_posix()
            memory = jobs.stage(job, world) / f"output-{number}.json"
            uploads.mirror(s3, tree, below, given["S3Uri"], memory)


def _fail(job: Record, world: World, reason: str) -> Record:
    return _end(job.having(FailureReason=reason[:1024]), world, "Failed")


def _end(job: Record, world: World, status: str) -> Record:
    """Write down the end; the next step clears what the job needed on the way."""
    now = world.clock.now()
    return ProcessingJob.moved(job.having(ProcessingEndTime=now), status, now).again(now)
