"""The steps of a job, taken by hand: each may be repeated, and cut off before its result is saved."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.services.jobs_help import SKLEARN, statuses, unpacked
from tests.services.steps_help import METRIC, Platform, advance, aws, follow, get, opened, put, record, step, train

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.grammar.drive import BROKEN
from sagebrush.kernel.state.record import Record
from sagebrush.services.sagemaker import channels, jobs, training_run
from sagebrush.services.sagemaker.processing import ProcessingJob

WAIT = "import time\nprint('running', flush=True)\nwhile True: time.sleep(0.05)"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform on which nothing is driven but by a test."""
    with opened(tmp_path / "data") as made:
        yield made


@pytest.fixture
def world(platform: Platform) -> World:
    return platform[0]


def process(world: World) -> str:
    """Create a processing job and return its ARN."""
    made: dict[str, str] = aws(world, "sagemaker").create_processing_job(
        ProcessingJobName="job",
        RoleArn=world.identities.root.identity.role_arn,
        AppSpecification={
            "ImageUri": SKLEARN,
            "ContainerEntrypoint": ["/bin/sh", "-c", "cp /opt/ml/processing/in/* /opt/ml/processing/out/"],
        },
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        ProcessingInputs=[
            {
                "InputName": "in",
                "S3Input": {
                    "S3Uri": put(world, "in/a.csv", "a"),
                    "S3DataType": "S3Prefix",
                    "LocalPath": "/opt/ml/processing/in",
                },
            }
        ],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "out",
                    "S3Output": {
                        "S3Uri": "s3://steps/out",
                        "S3UploadMode": "Continuous",
                        "LocalPath": "/opt/ml/processing/out",
                    },
                }
            ]
        },
    )
    return made["ProcessingJobArn"]


def observed(world: World) -> float:
    """Return how many values of the metric CloudWatch has."""
    now = world.clock.now()
    points = world.metrics.statistics(METRIC, world.metrics.span(now - 3600, now + 3600, 60))
    return sum(point.bucket.samples for point in points)


def test_a_training_job_whose_every_step_is_repeated_comes_out_the_same(world: World) -> None:
    job = follow(world, train(world))
    assert (job.status, job.get("FailureReason")) == ("Completed", None)
    assert statuses(job.body) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert unpacked(get(world, "out/job/output/model.tar.gz")) == {"weights": "w"}
    assert get(world, "checkpoints/state") == b"s"
    assert [metric["Value"] for metric in job["FinalMetricDataList"]] == [199.0]
    assert observed(world) == 200
    assert world.compute.find(jobs.task_id(job)) is None
    assert not jobs.stage(job, world).exists()


def test_a_processing_job_whose_every_step_is_repeated_comes_out_the_same(world: World) -> None:
    job = follow(world, process(world), ProcessingJob)
    assert (job.status, job.get("FailureReason")) == ("Completed", None)
    assert get(world, "out/a.csv") == b"a"
    assert not jobs.stage(job, world).exists()


def test_a_job_stopped_while_its_container_is_started_stops(world: World) -> None:
    """The step that started it is lost, since the record has changed meanwhile; the next one finds the task again."""
    arn = train(world, WAIT)
    downloading = step(world, arn)
    aws(world, "sagemaker").stop_training_job(TrainingJobName="job")
    training_run.run(downloading, world)
    assert world.compute.find(jobs.task_id(downloading)) is not None
    job = follow(world, arn)
    assert job.status == "Stopped"
    assert job["SecondaryStatusTransitions"][-1]["Status"] == "Stopped"


def test_the_wait_for_room_is_told_and_ends_when_its_time_is_over(world: World) -> None:
    """Two jobs as big as the machine leave no room; a spot job waits no longer than its MaxWaitTimeInSeconds."""
    big: dict[str, Any] = {
        "ResourceConfig": {"InstanceType": "ml.m5.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    }
    others = [train(world, WAIT, TrainingJobName=name, **big) for name in ("one", "two")]
    spot = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}
    arn = train(world, **big, EnableManagedSpotTraining=True, StoppingCondition=spot)
    for each in (*others, arn):
        for _ in range(2):
            step(world, each)
    job = step(world, arn)
    assert job["SecondaryStatus"] == "Downloading"
    assert job["SecondaryStatusTransitions"][-1]["StatusMessage"].startswith("Waiting for ")
    advance(world, 61)
    job = follow(world, arn, repeats=1)
    assert (job.status, job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert "TrainingStartTime" not in job
    for each in others:
        world.compute.discard(jobs.task_id(record(world, each)))


def test_a_moved_clock_ends_a_job_whose_time_is_over(world: World) -> None:
    limits = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 6000}
    arn = train(world, WAIT, EnableManagedSpotTraining=True, StoppingCondition=limits)
    changed = threading.Event()
    for _ in range(600):
        job = step(world, arn)
        if job["SecondaryStatus"] == "Training":
            break
        changed.wait(0.05)
    assert record(world, arn).status == "InProgress"
    advance(world, 601)
    job = follow(world, arn)
    assert (job.status, job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert job["TrainingTimeInSeconds"] >= 600


def test_a_job_whose_steps_break_again_and_again_fails_and_leaves_nothing(
    platform: Platform, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of the platform ends the job with AWS's words, its container and its files."""
    _, drive = platform
    arn = train(world, WAIT)
    step(world, arn)
    step(world, arn)
    task = jobs.task_id(record(world, arn))
    assert world.compute.find(task) is not None

    def broken(*_: object) -> Record:
        raise ZeroDivisionError

    monkeypatch.setattr(training_run, "_step", broken)
    for _ in range(5):
        drive._drive(arn)
        advance(world, 3600)
    drive._drive(arn)
    job = record(world, arn)
    assert (job.status, job["FailureReason"]) == ("Failed", BROKEN)
    assert job["SecondaryStatus"] == "Failed"
    assert job.due is None
    assert world.compute.find(task) is None
    assert not jobs.stage(job, world).exists()


def test_a_platform_in_trouble_does_not_blame_the_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An S3 that answers 5xx is asked again; only what the user can mend becomes a ClientError."""
    arn = train(world)
    step(world, arn)

    def broken(*_: object) -> Any:
        raise AwsError("InternalError", "We encountered an internal error. Please try again.", 500)

    for module, name in ((channels, "under"), (channels, "upload")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            with pytest.raises(AwsError, match="internal error"):
                follow(world, arn, repeats=1)
    assert follow(world, arn, repeats=1).status == "Completed"


def test_a_job_of_another_region_works_there(world: World) -> None:
    arn = train(world)
    here = record(world, arn)
    there = replace(here, region="eu-west-1", arn=here.arn.replace("us-east-1", "eu-west-1"))
    told = jobs.common_environment(world, there, there["RoleArn"], network=True)
    assert (told["AWS_REGION"], told["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")
