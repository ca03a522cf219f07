"""How processing jobs fail, stop and run out of time."""

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform
from tests.services.jobs_help import PROCESSING, Jobs, output, refusal

ARN = "arn:aws:sagemaker:us-east-1:123456789012:processing-job"


FAIL = """
import pathlib, sys
pathlib.Path("/opt/ml/processing/output/part.csv").write_text("half")
pathlib.Path("/opt/ml/output/message").write_text("m" * 3000)
print("the column is missing")
sys.exit(3)
"""


STOPPED = """
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path("/opt/ml/processing/output/half").write_text("half")
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while True: time.sleep(0.02)
"""


SWAPPED = """
import pathlib, shutil
out = pathlib.Path("/opt/ml/processing/output")
shutil.rmtree(out)
out.symlink_to(%r)
pathlib.Path("/opt/ml/output/message").symlink_to(%r)
"""


def start(jobs: Jobs) -> None:
    """Start the jobs of this module."""
    jobs.process("fail", FAIL, ProcessingOutputConfig=jobs.outputs(fail="output"))
    jobs.process("arguments", ContainerArguments=["alone"])
    jobs.process("no-image", ImageUri="nothing:1", ContainerEntrypoint=["true"])
    jobs.process("no-data", ContainerEntrypoint=["true"], ProcessingInputs=[jobs.input("in", "none/", "input/x")])
    away = {"Outputs": [output("away", "output", S3Uri="s3://there-is-no-such-bucket/x")]}
    write = "open('/opt/ml/processing/output/x', 'w').write('x')"
    jobs.process("no-bucket", write, ProcessingOutputConfig=away)
    jobs.put("big/blob", b"\0" * (65 * 2**20))
    change = "open('/opt/ml/processing/input/big/blob', 'r+b').write(b'x')"
    jobs.process("closed", change, ProcessingInputs=[jobs.input("big", "big/", "input/big")])
    slow = {"StoppingCondition": {"MaxRuntimeInSeconds": 1}, "ProcessingOutputConfig": jobs.outputs(slow="output")}
    jobs.process("slow", STOPPED, **slow)
    data = str(jobs.platform.data)
    swapped = SWAPPED % (data, f"{data}/credentials.json")
    jobs.process("swapped", swapped, ProcessingOutputConfig=jobs.outputs(swapped="output"))


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    made = Jobs(platform, "ends")
    start(made)
    return made


def test_a_script_that_fails_is_told_with_its_last_lines_and_its_outputs_are_kept(jobs: Jobs) -> None:
    job = jobs.processed("fail", "Failed")
    assert job["FailureReason"] == "AlgorithmError: the column is missing, exit code: 3"
    assert job["ExitMessage"] == "m" * 1024
    assert jobs.get("made/fail/part.csv") == b"half"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no-image", "ClientError: Requested image nothing:1 not found."),
        ("no-data", "ClientError: No S3 objects found under S3 URL"),
        ("no-bucket", "ClientError: Artifact upload failed:NoSuchBucket (404)"),
        ("closed", "AlgorithmError: "),
    ],
)
def test_what_cannot_be_done_is_named(jobs: Jobs, name: str, told: str) -> None:
    assert jobs.processed(name, "Failed")["FailureReason"].startswith(told)


def test_arguments_alone_go_to_the_images_own_program(jobs: Jobs) -> None:
    """The image has none for processing: the arguments are not run as a command."""
    told = jobs.processed("arguments", "Failed")["FailureReason"]
    assert '"process": executable file not found' in told
    assert told.endswith("exit code: 127")


def test_a_job_that_is_stopped_keeps_its_outputs(jobs: Jobs) -> None:
    jobs.process("stopped", STOPPED, ProcessingOutputConfig=jobs.outputs(stopped="output"))
    jobs.wait_for_line("stopped", "ready", PROCESSING)
    jobs.sm.stop_processing_job(ProcessingJobName="stopped")
    job = jobs.processed("stopped", "Stopped")
    assert "FailureReason" not in job
    assert jobs.get("made/stopped/half") == b"half"
    with pytest.raises(ClientError) as error:
        jobs.sm.stop_processing_job(ProcessingJobName="stopped")
    assert refusal(error)[1] == "The request was rejected because the processing job is in status Stopped."


def test_after_its_max_runtime_a_job_is_stopped(jobs: Jobs) -> None:
    job = jobs.processed("slow", "Stopped")
    assert 1.0 <= (job["ProcessingEndTime"] - job["ProcessingStartTime"]).total_seconds() < 10
    assert jobs.keys("made/slow/") == ["half"]


def test_names_are_unique_and_what_is_not_there_is_said_so(jobs: Jobs) -> None:
    with pytest.raises(ClientError) as error:
        jobs.process("fail", ContainerEntrypoint=["true"])
    code, message = refusal(error)
    assert code == "ResourceInUse"
    assert f"already exists ({ARN}/fail)" in message
    for operation in (jobs.sm.stop_processing_job, jobs.sm.describe_processing_job):
        with pytest.raises(ClientError) as error:
            operation(ProcessingJobName="nobody")
        assert refusal(error) == ("ValidationException", "Could not find requested job with name: nobody")


def test_jobs_are_listed_with_what_a_summary_shows(jobs: Jobs) -> None:
    jobs.processed("fail", "Failed")
    listed = jobs.sm.list_processing_jobs(NameContains="fail", StatusEquals="Failed")["ProcessingJobSummaries"]
    summary = next(each for each in listed if each["ProcessingJobName"] == "fail")
    assert summary["ProcessingJobArn"] == f"{ARN}/fail"
    assert summary["FailureReason"].startswith("AlgorithmError")
    assert summary["ExitMessage"].startswith("mmm")
    assert summary["ProcessingEndTime"] == jobs.processing("fail")["ProcessingEndTime"]


def test_a_link_of_the_containers_shows_nothing_of_this_machine(jobs: Jobs) -> None:
    job = jobs.processed("swapped")
    assert jobs.keys("made/swapped") == []
    assert "ExitMessage" not in job
