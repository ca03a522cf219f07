"""Training jobs, carried out: one safe-to-repeat step at a time.

Starting → Downloading → Training → Uploading → Completed, as `SecondaryStatus` shows it. The task's own state says
how far the container is; the record says how far the platform is.
"""

from pathlib import Path

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.compute import outputs
from sagebrush.kernel.compute.base import Task
from sagebrush.kernel.compute.images import BuildError
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, checkpoints, jobs, training_files
from sagebrush.services.sagemaker.metrics import scrape
from sagebrush.services.sagemaker.training import TrainingJob

_WORDS = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Resource released due to max runtime exceeded",
}
_TICK = 1.0
"""Seconds between two looks at a running job's log and checkpoints."""


@TrainingJob.on_drive
def run(job: Record, world: World) -> Record:
    """Move a job one step."""
    assert TrainingJob.lifecycle is not None
    if TrainingJob.lifecycle.final(job.status):
        jobs.clear(job, world)
        return job.again(None)
    task = world.compute.find(jobs.task_id(job))
    if task is not None and task.exit is not None:
        return _finish(job, world, task)
    if job.status == "Stopping":
        return _stop(job, world, task)
    if task is None:
        return _start(job, world)
    return _watch(job, world, task)


def secondary(job: Record, status: str, now: float) -> Record:
    """Return the job with another secondary status, and the transition written down."""
    if job["SecondaryStatus"] == status:
        return job
    *before, last = job["SecondaryStatusTransitions"]
    entry = {"Status": status, "StartTime": now, "StatusMessage": _WORDS[status]}
    if status in ("Completed", "Failed", "Stopped", "MaxRuntimeExceeded"):
        entry["EndTime"] = now
    moved = job.having(SecondaryStatus=status, SecondaryStatusTransitions=[*before, {**last, "EndTime": now}, entry])
    return TrainingJob.moved(moved, job.status, now)


def _start(job: Record, world: World) -> Record:
    """Find the image, stage the data, start the task."""
    now = world.clock.now()
    uri = job["AlgorithmSpecification"]["TrainingImage"]
    image = world.images.resolve(uri)
    if image is None:
        return _fail(job, world, f"ClientError: {world.images.unknown(uri)}")
    if job["SecondaryStatus"] == "Starting":
        try:
            world.images.build(image)
        except BuildError as error:
            return _fail(job, world, f"InternalServerError: {error}")
        return secondary(job, "Downloading", world.clock.now()).again(now)
    try:
        s3 = world.as_role(job["RoleArn"], jobs.SESSION, job.region)("s3")
        links = training_files.lay_out(job, world, s3)
    except channels.DataError as error:
        return _fail(job, world, f"ClientError: {error}")
    except AwsError as error:
        return _fail(job, world, f"ClientError: {error.message}")
    task = world.compute.ensure(jobs.task_id(job), lambda: training_files.spec(job, world, image.name, links))
    return _watch(job, world, task)


def _watch(job: Record, world: World, task: Task) -> Record:
    """Follow a running task: its phase, its metrics, its checkpoints, its time."""
    now = world.clock.now()
    if task.phase in ("Queued", "Preparing"):
        return job.again(now + _TICK)
    job = secondary(job, "Training" if task.phase == "Running" else "Uploading", now)
    start = job.get("TrainingStartTime") or now
    job = scrape(job.having(TrainingStartTime=start), world, training_files.LOG_GROUP, training_files.stream(job))
    job = checkpoints.sync(job, world)
    deadline = start + job["StoppingCondition"]["MaxRuntimeInSeconds"]
    if now >= deadline and task.phase == "Running":
        late = TrainingJob.moved(job, "Stopping", now).remembering(late=True)
        return secondary(late, "Stopping", now).again(now)
    return job.again(min(now + _TICK, deadline) if task.phase == "Running" else now + _TICK)


def _stop(job: Record, world: World, task: Task | None) -> Record:
    """Stop the task, if there is one, and wait for its end."""
    now = world.clock.now()
    if task is None:
        return _end(job, world, "Stopped", "Stopped")
    world.compute.stop(task.id, grace=jobs.GRACE)
    return secondary(job, "Stopping", now).again(now + _TICK)


def _finish(job: Record, world: World, task: Task) -> Record:
    """Upload what the container left and write down how it ended."""
    end = task.exit
    assert end is not None
    now = world.clock.now()
    if end.stage == "lost" and job.status != "Stopping":
        return _retry(job, world)
    if end.started is not None and "TrainingStartTime" not in job:  # it ran while nobody looked
        job = secondary(job.having(TrainingStartTime=end.started), "Training", end.started)
    if end.stage != "unpack" and job["SecondaryStatus"] != "Uploading":
        return secondary(job, "Uploading", now).again(now)
    job = checkpoints.sync(scrape(job, world, training_files.LOG_GROUP, training_files.stream(job)), world)
    try:
        job = _upload(job, world, task.root)
    except AwsError as error:
        return _fail(job, world, f"ClientError: Artifact upload failed: {error.message}")
    if job.status == "Stopping":
        return _end(job, world, "Stopped", "MaxRuntimeExceeded" if job.private.get("late") else "Stopped")
    if end.code == 0 and end.stage == "run":
        return _end(job, world, "Completed", "Completed")
    reason = outputs.read(task.root, "output/failure", 1024) or ""
    return _fail(job, world, jobs.failure(reason, end, world.compute.tail(task.id)))


def _upload(job: Record, world: World, root: Path) -> Record:
    """Put model and output under the job's S3OutputPath, as its role."""
    stage = jobs.stage(job, world)
    output: Body = job["OutputDataConfig"]
    base = f"{output['S3OutputPath'].rstrip('/')}/{job.name}/output"
    s3 = world.as_role(job["RoleArn"], jobs.SESSION, job.region)("s3")
    if output["CompressionType"] == "GZIP":
        for name in ("model.tar.gz", "output.tar.gz"):
            if (stage / name).is_file():
                channels.upload(s3, stage / name, f"{base}/{name}")
        return job.having(ModelArtifacts={"S3ModelArtifacts": f"{base}/model.tar.gz"})
    channels.upload_tree(s3, root / "model", f"{base}/model")
    channels.upload_tree(s3, root / "output/data", f"{base}/data")
    return job.having(ModelArtifacts={"S3ModelArtifacts": f"{base}/model/"})


def _retry(job: Record, world: World) -> Record:
    """Begin again after the platform lost the task, as often as the job's retry strategy allows."""
    attempt = job.private.get("attempt", 1)
    if attempt > job.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0):
        return _fail(job, world, "InternalServerError: We encountered an internal error. Please try again.")
    now = world.clock.now()
    world.compute.discard(jobs.task_id(job))
    return secondary(job.remembering(attempt=attempt + 1), "Starting", now).again(now)


def _fail(job: Record, world: World, reason: str) -> Record:
    return _end(job.having(FailureReason=reason[:1024]), world, "Failed", "Failed")


def _end(job: Record, world: World, status: str, last: str) -> Record:
    """Write down the end and its times; the next step clears what the job needed on the way."""
    now = world.clock.now()
    job = secondary(job, last, now)
    if (start := job.get("TrainingStartTime")) is not None:
        spent = max(int(now - start), 1)
        job = job.having(TrainingEndTime=now, TrainingTimeInSeconds=spent, BillableTimeInSeconds=spent)
    return TrainingJob.moved(job, status, now).again(now)
