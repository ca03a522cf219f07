"""How training jobs fail, stop and run out of time."""

import json

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform
from tests.services.jobs_help import Jobs, archive, channel, refusal, statuses

LEAVE = "open('/opt/ml/model/weights', 'w').write('w')"
SAVE_ON_SIGTERM = """
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path("/opt/ml/model/half").write_text("saved")
    pathlib.Path("/opt/ml/output/data/note").write_text("noted")
    print("stopping", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while True:
    time.sleep(0.02)
"""

OWN_WORDS = """
import pathlib, sys
print("a line of output")
pathlib.Path("/opt/ml/output/failure").write_text("the data are empty " + "x" * 3000)
sys.exit(7)
"""

LINKED = """
import pathlib, sys
pathlib.Path("/opt/ml/output/failure").symlink_to(%r)
sys.exit(1)
"""

SWAPPED = """
import pathlib, shutil
shutil.rmtree("/opt/ml/model")
pathlib.Path("/opt/ml/model").symlink_to(%r)
"""

LONG = """
import sys
for number in range(400):
    print(f"line {number} " + "-" * 60)
raise ValueError("no such column: age")
"""


def start(jobs: Jobs) -> None:
    """Start the jobs that need no more than to be looked at when they have ended."""
    secret = jobs.platform.data / "credentials.json"
    jobs.train("own-words", OWN_WORDS)
    jobs.train("linked", LINKED % str(secret))
    jobs.train("swapped", SWAPPED % str(jobs.platform.data), OutputDataConfig=open_output(jobs))
    jobs.train("last-lines", LONG)
    jobs.train("silent", "raise SystemExit(3)")
    jobs.train("killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    jobs.train("no-program", ContainerEntrypoint=["no-such-program"])
    jobs.train("no-image", TrainingImage="123456789012.dkr.ecr.us-east-1.amazonaws.com/nothing:1")
    jobs.train("no-data", "pass", InputDataConfig=[channel("train", jobs.uri("none/at/all"))])
    jobs.train("no-bucket", "pass", InputDataConfig=[channel("train", "s3://there-is-no-such-bucket/x")])
    jobs.train("no-code", HyperParameters=submitted(jobs.uri("source/none.tar.gz")))
    jobs.train("bad-code", HyperParameters=submitted(jobs.put("source/bad.tar.gz", b"\x1f\x8b not an archive")))
    jobs.train(
        "cut-code", HyperParameters=submitted(jobs.put("source/cut.tar.gz", archive({"train.py": "x" * 9000})[:60]))
    )
    raising = archive({"train.py": "raise KeyError('no such column: age')"})
    jobs.train("raising", HyperParameters=submitted(jobs.put("source/raising.tar.gz", raising)))
    jobs.train("no-output-bucket", LEAVE, OutputDataConfig={"S3OutputPath": "s3://there-is-no-such-bucket/out"})
    jobs.train("slow", SAVE_ON_SIGTERM, StoppingCondition={"MaxRuntimeInSeconds": 1})
    memory = "print('filling', flush=True)\nheld = bytearray(2**36)\nheld[::4096] = b'x' * len(held[::4096])"
    jobs.train("memory", memory)


def open_output(jobs: Jobs) -> dict[str, str]:
    return {"S3OutputPath": jobs.uri("out"), "CompressionType": "NONE"}


def submitted(uri: str) -> dict[str, str]:
    return {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": json.dumps(uri)}


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    made = Jobs(platform, "failures")
    start(made)
    return made


def reason(jobs: Jobs, name: str) -> str:
    return str(jobs.trained(name, "Failed")["FailureReason"])


def test_the_failure_file_is_the_reason(jobs: Jobs) -> None:
    told = reason(jobs, "own-words")
    assert told.startswith("AlgorithmError: the data are empty xxx")
    assert told.endswith("xxx, exit code: 7")
    assert len(told) == 1024
    job = jobs.trained("own-words", "Failed")
    assert job["SecondaryStatus"] == "Failed"
    assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Failed"]
    assert job["TrainingEndTime"] >= job["TrainingStartTime"]


def test_without_a_failure_file_the_users_own_last_lines_are_the_reason(jobs: Jobs) -> None:
    told = reason(jobs, "last-lines")
    assert told.endswith("ValueError: no such column: age, exit code: 1")
    assert told.removeprefix("AlgorithmError: ").startswith("line 38")
    assert 900 < len(told) <= 1024


def test_a_script_that_says_nothing_fails_with_its_exit_code(jobs: Jobs) -> None:
    assert reason(jobs, "silent") == "AlgorithmError: , exit code: 3"
    assert reason(jobs, "killed") == "AlgorithmError: , exit code: 137"


def test_a_command_that_does_not_exist_is_named(jobs: Jobs) -> None:
    told = reason(jobs, "no-program")
    assert "no-such-program" in told
    assert told.endswith(", exit code: 127")


def test_a_link_of_the_containers_shows_nothing_of_this_machine(jobs: Jobs) -> None:
    assert reason(jobs, "linked") == "AlgorithmError: , exit code: 1"
    jobs.trained("swapped")
    assert jobs.keys("out/swapped/") == []


def test_an_image_that_is_not_here_is_named_with_those_that_are(jobs: Jobs) -> None:
    told = reason(jobs, "no-image")
    assert told.startswith(
        "ClientError: Requested image 123456789012.dkr.ecr.us-east-1.amazonaws.com/nothing:1 not found."
    )
    assert "sagemaker-xgboost" in told
    assert "TrainingStartTime" not in jobs.trained("no-image", "Failed")


def test_a_channel_without_data_is_named(jobs: Jobs) -> None:
    assert reason(jobs, "no-data").startswith(
        f'ClientError: No S3 objects found under S3 URL "{jobs.uri("none/at/all")}" given in input data source.'
    )
    job = jobs.trained("no-data", "Failed")
    assert statuses(job) == ["Starting", "Downloading", "Failed"]
    assert "ModelArtifacts" not in job


def test_a_bucket_that_is_not_there_is_named(jobs: Jobs) -> None:
    told = reason(jobs, "no-bucket")
    assert told.startswith("ClientError: Data download failed:NoSuchBucket (404): ")
    assert "s3://there-is-no-such-bucket/x" in told
    told = reason(jobs, "no-output-bucket")
    assert told == "ClientError: Artifact upload failed:NoSuchBucket (404): The specified bucket does not exist"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no-code", "ClientError: Data download failed:NoSuchKey (404): "),
        ("bad-code", "ClientError: sourcedir.tar.gz could not be unpacked: "),
        ("cut-code", "ClientError: sourcedir.tar.gz could not be unpacked: "),
    ],
)
def test_source_code_that_cannot_be_had_or_unpacked_is_named(jobs: Jobs, name: str, told: str) -> None:
    assert reason(jobs, name).startswith(told)
    assert "Training" not in statuses(jobs.trained(name, "Failed"))


def test_a_script_that_raises_is_told_in_the_toolkits_words(jobs: Jobs) -> None:
    told = reason(jobs, "raising")
    assert told.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n")
    assert "KeyError: 'no such column: age'" in told
    assert told.endswith(", exit code: 1")


def test_a_container_over_its_memory_is_told_so_in_awss_words(jobs: Jobs) -> None:
    told = reason(jobs, "memory")
    out_of_memory = (
        "ClientError: Please use an instance type with more memory, or reduce the size of job data processed on an"
        " instance."
    )
    assert told == out_of_memory or "MemoryError" in told  # what limits the memory differs between machines
    assert jobs.lines("memory")[0] == "filling"


def test_after_its_max_runtime_a_job_is_stopped_and_keeps_its_artifacts(jobs: Jobs) -> None:
    job = jobs.trained("slow", "Stopped")
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert statuses(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "MaxRuntimeExceeded"]
    assert job["SecondaryStatusTransitions"][-1]["StatusMessage"] == (
        "Training job runtime exceeded MaxRuntimeInSeconds provided"
    )
    assert jobs.model("slow") == {"half": "saved"}
    stopping = job["SecondaryStatusTransitions"][3]["StartTime"]
    assert 1.0 <= (stopping - job["TrainingStartTime"]).total_seconds() < 10
    assert job["TrainingTimeInSeconds"] >= 1
    assert "FailureReason" not in job


def test_a_job_that_is_stopped_may_save_its_work(jobs: Jobs) -> None:
    jobs.train("stopped", SAVE_ON_SIGTERM)
    jobs.wait_for_line("stopped", "ready")
    jobs.sm.stop_training_job(TrainingJobName="stopped")
    job = jobs.training("stopped")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) != ("InProgress", "Training")
    job = jobs.trained("stopped", "Stopped")
    assert statuses(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert jobs.lines("stopped") == ["ready", "stopping"]
    assert jobs.model("stopped") == {"half": "saved"}
    assert jobs.model("stopped", "output.tar.gz") == {"note": "noted"}
    with pytest.raises(ClientError) as error:
        jobs.sm.stop_training_job(TrainingJobName="stopped")
    assert refusal(error) == (
        "ValidationException",
        "The request was rejected because the training job is in status Stopped.",
    )


def test_a_job_that_is_stopped_before_it_began_never_runs(jobs: Jobs) -> None:
    jobs.train("early", "import pathlib; pathlib.Path('/opt/ml/model/ran').write_text('yes')")
    jobs.sm.stop_training_job(TrainingJobName="early")
    job = jobs.trained("early", "Stopped")
    assert job["SecondaryStatus"] == "Stopped"
    if "TrainingStartTime" not in job:  # the stop was there before the container
        assert statuses(job)[-2:] == ["Stopping", "Stopped"]
        assert jobs.keys("out/early/") == []
        assert "ModelArtifacts" not in job


def test_stopping_what_is_not_there_is_refused_as_describing_it(jobs: Jobs) -> None:
    for operation in (jobs.sm.stop_training_job, jobs.sm.describe_training_job):
        with pytest.raises(ClientError) as error:
            operation(TrainingJobName="nobody")
        assert refusal(error) == ("ValidationException", "Requested resource not found.")
