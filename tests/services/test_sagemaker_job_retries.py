"""Training jobs whose machine is lost, or whose checkpoints cannot be stored."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Platform, until
from tests.services.jobs_help import Jobs, statuses

FAILING_ONCE = """
import os, pathlib, time
first = not pathlib.Path("/opt/ml/checkpoints/mark").exists()
pathlib.Path("/opt/ml/checkpoints/mark").write_text("x")
for number in range(50 if first else 3):
    print(f"{'first' if first else 'second'} {number}; loss: {number if first else 0.5}", flush=True)
while first:
    time.sleep(0.1)
pathlib.Path("/opt/ml/model/done").write_text("yes")
"""


WAIT = "import time\nprint('running', flush=True)\nwhile True: time.sleep(0.05)"


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    return Jobs(platform, "retries")


def lose(jobs: Jobs, name: str) -> None:
    """Kill the process that runs a job's container, as a failing machine would."""
    task = jobs.task(jobs.training(name))
    os.kill(int((task / "lock").read_text()), signal.SIGKILL)


def test_a_job_whose_machine_is_lost_is_tried_again(jobs: Jobs) -> None:
    jobs.train(
        "retried",
        FAILING_ONCE,
        RetryStrategy={"MaximumRetryAttempts": 1},
        CheckpointConfig={"S3Uri": jobs.uri("checkpoints/retried")},
        MetricDefinitions=[{"Name": "loss", "Regex": "loss: ([0-9.]+)"}],
    )
    jobs.wait_for_line("retried", "first 49; loss: 49")
    until(lambda: jobs.keys("checkpoints/retried/") == ["mark"], "the checkpoint in S3")
    lose(jobs, "retried")
    job = jobs.trained("retried")
    assert statuses(job) == [
        "Starting", "Downloading", "Training", "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert jobs.model("retried") == {"done": "yes"}
    first, second = jobs.streams("retried")
    created = int(job["CreationTime"].timestamp())
    assert (first, second) == (f"retried/algo-1-{created}", f"retried/algo-1-{created + 1}")
    assert [line for line in jobs.lines("retried") if line.startswith("second")] == [
        f"second {number}; loss: 0.5" for number in range(3)
    ]
    assert [metric["Value"] for metric in job["FinalMetricDataList"]] == [0.5]
    assert job["TrainingStartTime"] == job["SecondaryStatusTransitions"][2]["StartTime"]
    until(lambda: not list((jobs.platform.data / "stage").glob("*-2")), "the end of both attempts' files")
    assert not [place for place in (jobs.platform.data / "tasks").glob("training-job-*") if told_owner(place, job)]


def told_owner(place: Path, job: dict[str, Any]) -> bool:
    try:
        spec = json.loads((place / "task.json").read_bytes())["spec"]
    except FileNotFoundError:
        return False
    return bool(spec["owner"] == job["TrainingJobArn"])


def test_a_job_whose_machine_is_lost_fails_where_nothing_is_said_of_retries(jobs: Jobs) -> None:
    jobs.train("lost", WAIT)
    jobs.wait_for_line("lost", "running")
    lose(jobs, "lost")
    assert jobs.trained("lost", "Failed")["FailureReason"].startswith(
        "InternalServerError: We encountered an internal error. Please try again."
    )


def test_checkpoints_that_cannot_be_stored_end_the_job(jobs: Jobs) -> None:
    bucket = f"{jobs.bucket}-short-lived"
    jobs.s3.create_bucket(Bucket=bucket)
    script = "import pathlib, time\nprint('running', flush=True)\nwhile not pathlib.Path('/opt/ml/code/go').exists(): time.sleep(0.05)\n"
    script += "pathlib.Path('/opt/ml/checkpoints/a').write_text('a')\nwhile True: time.sleep(0.05)"
    jobs.train("closed", script, CheckpointConfig={"S3Uri": f"s3://{bucket}/x"})
    jobs.wait_for_line("closed", "running")
    jobs.s3.delete_bucket(Bucket=bucket)
    task = jobs.task(jobs.training("closed"))
    (task / "root/code/go").touch()
    told = jobs.trained("closed", "Failed")["FailureReason"]
    assert told.startswith("ClientError: Artifact upload failed:NoSuchBucket (404): ")
    until(lambda: not task.exists(), "the end of the container")


def test_a_role_that_is_deleted_meanwhile_is_named(jobs: Jobs) -> None:
    iam, trust = jobs.platform.client("iam"), {"Service": "sagemaker.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName="short-lived", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    script = (
        "import pathlib, time\nprint('running', flush=True)\n"
        "while not pathlib.Path('/opt/ml/code/go').exists(): time.sleep(0.05)\n"
    )
    jobs.train("roleless", script, RoleArn=role)
    jobs.wait_for_line("roleless", "running")
    iam.delete_role(RoleName="short-lived")
    (jobs.task(jobs.training("roleless")) / "root/code/go").touch()
    told = jobs.trained("roleless", "Failed")["FailureReason"]
    assert told == f"ClientError: The role with ARN {role} cannot be found."
