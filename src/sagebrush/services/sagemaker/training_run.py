"""Training jobs, carried out: one safe-to-repeat step at a time.

Starting → Downloading → Training → Uploading → Completed, as `SecondaryStatus` shows it. The task's own state says
how far the container is; the record says how far the platform is.
"""

from pathlib import Path

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.compute import outputs
from sagebrush.kernel.compute.base import Exit, Task
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, checkpoints, jobs, metrics, training_files, uploads
from sagebrush.services.sagemaker.training import TrainingJob
from sagebrush.services.sagemaker.transitions import entered, telling

_TICK = 1.0
"""Seconds between two looks at a running job's log and checkpoints."""


@TrainingJob.on_drive
def run(job: Record, world: World) -> Record:
    """Move a job one step."""
    assert TrainingJob.lifecycle is not None
    if TrainingJob.lifecycle.final(job.status):
        jobs.clear(job, world)
        return (entered(job, "Failed", world.clock.now()) if job.status == "Failed" else job).again(None)
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
    """Find the image, stage the data, start the task."""
    now = world.clock.now()
    uri = job["AlgorithmSpecification"]["TrainingImage"]
    image = world.images.resolve(uri)
    if image is None:
        raise channels.DataError(world.images.unknown(uri))
    if job["SecondaryStatus"] == "Starting":
        return entered(job, "Downloading", now).again(now)
    if (former := jobs.attempt(job) - 1) > 0:
        jobs.clear(job.remembering(attempt=former), world)
    links = training_files.lay_out(job, world, jobs.s3(job, world))
    task = world.compute.ensure(jobs.task_id(job), lambda: training_files.spec(job, world, image.name, links))
    return _watch(job, world, task)


def _watch(job: Record, world: World, task: Task) -> Record:
    """Follow a task that has not ended: its phase, its metrics, its checkpoints, its time."""
    now = world.clock.now()
    job = _seen(job, world, task)
    if job.status == "Stopping":
        world.compute.stop(task.id, grace=jobs.GRACE)
        return job.again(now + _TICK)
    job = telling(job, task.message, now)
    if task.phase == "Packing":
        return entered(job, "Uploading", now).again(now + _TICK)
    deadline, how = _deadline(job)
    if now >= deadline:
        late = TrainingJob.moved(job, "Stopping", now).remembering(late=how)
        return entered(late, "Stopping", now).again(now)
    return job.again(min(now + _TICK, deadline))


def _seen(job: Record, world: World, task: Task) -> Record:
    """Return the job with what its container has done so far."""
    if task.started is None:
        return job
    began = jobs.platform_time(world, task.started)
    if job["SecondaryStatus"] == "Downloading":
        job = entered(job, "Training", began)
    checkpoints.sync(job, world)
    known = job.having(TrainingStartTime=job.get("TrainingStartTime", began))
    return metrics.scrape(known, world, training_files.LOG_GROUP, jobs.stream(job))


def _deadline(job: Record) -> tuple[float, str]:
    """Return when the job's time is over, and how that is called. All attempts share the time."""
    stopping: Body = job["StoppingCondition"]
    ends = [(job.created + wait, "MaxWaitTimeExceeded")] if (wait := stopping.get("MaxWaitTimeInSeconds")) else []
    if "TrainingStartTime" in job:
        ends.append((job["TrainingStartTime"] + stopping["MaxRuntimeInSeconds"], "MaxRuntimeExceeded"))
    return min(ends, default=(float("inf"), ""))


def _finish(job: Record, world: World, task: Task, end: Exit) -> Record:
    """Upload what the container left and write down how it ended."""
    now = world.clock.now()
    if end.stage in jobs.LOST and job.status != "Stopping":
        return _retry(job, world, end)
    job = _seen(job, world, task)
    if end.started is not None:
        if job["SecondaryStatus"] != "Uploading":
            return entered(job, "Uploading", now).again(now)
        job = _upload(job, world, task.root)
    if job.status == "Stopping":
        return _end(job, world, "Stopped", job.private.get("late", "Stopped"))
    told = outputs.read(task.root, "output/failure", 4096) or ""
    if reason := jobs.failure(end, told, world.compute.tail(task.id)):
        return _fail(job, world, reason)
    return _end(job, world, "Completed")


def _upload(job: Record, world: World, root: Path) -> Record:
    """Put model and output under the job's S3OutputPath, as its role."""
    stage, s3 = jobs.stage(job, world), jobs.s3(job, world)
    output: Body = job["OutputDataConfig"]
    base = f"{output['S3OutputPath'].rstrip('/')}/{job.name}/output"
    if output["CompressionType"] == "NONE":
        for folder, name in (("model", "model"), ("output/data", "data")):
            uploads.mirror(s3, root, folder, f"{base}/{name}", stage / f"{name}.json")
        return job.having(ModelArtifacts={"S3ModelArtifacts": f"{base}/model/"})
    for name in (training_files.MODEL, training_files.OUTPUT):
        if (stage / name).is_file():
            uploads.send(s3, stage / name, f"{base}/{name}")
    return job.having(ModelArtifacts={"S3ModelArtifacts": f"{base}/{training_files.MODEL}"})


def _retry(job: Record, world: World, end: Exit) -> Record:
    """Begin again after the platform lost the task, as often as the job's retry strategy allows."""
    attempt = jobs.attempt(job)
    if attempt > job.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0):
        return _fail(job, world, jobs.failure(end, "", ""))
    now = world.clock.now()
    return entered(job.remembering(attempt=attempt + 1), "Starting", now).again(now)


def _fail(job: Record, world: World, reason: str) -> Record:
    return _end(job.having(FailureReason=reason[:1024]), world, "Failed")


def _end(job: Record, world: World, status: str, last: str = "") -> Record:
    """Write down the end and its times; the next step clears what the job needed on the way."""
    now = world.clock.now()
    job = entered(job, last or status, now)
    if (start := job.get("TrainingStartTime")) is not None:
        spent = max(int(now - start), 1)
        job = job.having(TrainingEndTime=now, TrainingTimeInSeconds=spent, BillableTimeInSeconds=spent)
    return TrainingJob.moved(job, status, now).again(now)
