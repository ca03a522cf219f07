"""`kill -9` of the server at every step of a job's and an endpoint's life loses nothing and leaves nothing stuck."""

import io
import tarfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.conftest import Platform, until

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET = "kill"

TRAIN = """
import os, pathlib, time
print("epoch 1; loss: 0.5", flush=True)
gate = pathlib.Path("/opt/ml/output/intermediate"); gate.mkdir(exist_ok=True)
for step in range(4):
    time.sleep(0.15)
    print(f"step {step}", flush=True)
print("epoch 2; loss: 0.25", flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("weights")
"""

SERVE = """
import pathlib
def model_fn(directory):
    return pathlib.Path(directory, "model.txt").read_text()
def predict_fn(data, model):
    return [len(model) + value for value in data]
"""


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture
def ready(own_platform: Platform) -> Platform:
    s3 = own_platform.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="data/a.csv", Body=b"1,2\n" * 1000)
    s3.put_object(Bucket=BUCKET, Key="code/sourcedir.tar.gz", Body=archive({"train.py": TRAIN}))
    model = archive({"model.txt": "weights", "code/inference.py": SERVE})
    s3.put_object(Bucket=BUCKET, Key="model/model.tar.gz", Body=model)
    return own_platform


def create_job(platform: Platform, name: str) -> None:
    platform.client("sagemaker").create_training_job(
        TrainingJobName=name,
        RoleArn=platform.role,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss: ([0-9.]+)"}],
        },
        HyperParameters={
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": f'"s3://{BUCKET}/code/sourcedir.tar.gz"',
        },
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data"}},
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 300},
    )


def ended(platform: Platform, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = platform.client("sagemaker").describe_training_job(TrainingJobName=name)
        return job if job["TrainingJobStatus"] not in ("InProgress", "Stopping") else None

    job: dict[str, Any] = until(look, f"the end of {name}")
    return job


def messages(platform: Platform, name: str) -> list[str]:
    logs = platform.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
    return [event["message"] for event in events["events"]]


def check_completed(platform: Platform, name: str) -> None:
    """The job ran once, to its end: its model is there, its log has each line once, its metric is the last one."""
    job = ended(platform, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    body = platform.client("s3").get_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == ["model.txt"]
    lines = messages(platform, name)
    assert [line for line in lines if line.startswith(("step", "epoch"))] == [
        "epoch 1; loss: 0.5", "step 0", "step 1", "step 2", "step 3", "epoch 2; loss: 0.25",
    ]  # fmt: skip
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("loss", 0.25)]
    assert [step["Status"] for step in job["SecondaryStatusTransitions"]] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("status", ["Starting", "Downloading", "Training", "Uploading"])
def test_a_training_job_completes_whatever_step_the_server_is_killed_at(ready: Platform, status: str) -> None:
    create_job(ready, "job")
    order = ["Starting", "Downloading", "Training", "Uploading", "Completed"]

    def reached() -> bool:
        job = ready.client("sagemaker").describe_training_job(TrainingJobName="job")
        return order.index(job["SecondaryStatus"]) >= order.index(status)

    until(reached, status)
    ready.kill()
    ready.start()
    check_completed(ready, "job")


@pytest.mark.slow
def test_a_training_job_completes_when_the_server_is_killed_again_and_again(ready: Platform) -> None:
    create_job(ready, "job")
    for number in range(12):
        threading.Event().wait(0.02 + 0.03 * number)  # ever longer lives, so that every step gets its kill
        ready.kill()
        ready.start()
    check_completed(ready, "job")


def create_endpoint(platform: Platform) -> None:
    sagemaker = platform.client("sagemaker")
    sagemaker.create_model(
        ModelName="model",
        ExecutionRoleArn=platform.role,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{BUCKET}/model/model.tar.gz",
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        },
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName="config",
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": "model",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
    )
    sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")


def status_of(platform: Platform) -> str:
    try:
        found = platform.client("sagemaker").describe_endpoint(EndpointName="endpoint")
    except ClientError as error:
        assert "Could not find endpoint" in str(error)
        return "Gone"
    assert "FailureReason" not in found, found["FailureReason"]
    return str(found["EndpointStatus"])


def predict(platform: Platform) -> bytes:
    runtime = platform.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="endpoint", ContentType="application/json", Body=b"[1, 2]")
    body: bytes = answer["Body"].read()
    return body


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 0.05, 0.2, 0.5, 1.0])
def test_an_endpoint_answers_whenever_the_server_is_killed(ready: Platform, wait: float) -> None:
    create_endpoint(ready)
    threading.Event().wait(wait)
    ready.kill()
    ready.start()
    until(lambda: status_of(ready) == "InService", "InService")
    assert predict(ready) == b"[[8.0, 9.0]]"
    ready.kill()
    ready.start()
    assert status_of(ready) == "InService"
    assert until(lambda: _answers(ready), "an answer after the restart") == b"[[8.0, 9.0]]"
    ready.client("sagemaker").delete_endpoint(EndpointName="endpoint")
    ready.kill()
    ready.start()
    until(lambda: status_of(ready) == "Gone", "the end of the endpoint")
    tasks = Path(ready.data, "tasks")
    until(lambda: all(entry.name.startswith(".") for entry in tasks.iterdir()), "the end of its tasks")


def _answers(platform: Platform) -> bytes | None:
    try:
        return predict(platform)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (424, 503), error
        return None


@pytest.mark.slow
def test_nothing_acknowledged_is_lost(ready: Platform) -> None:
    """Objects, tags and resources written while the server is killed again and again are there afterwards."""
    written: list[str] = []
    models: list[str] = []
    for _ in range(6):
        stop = threading.Event()
        clients = ready.client("s3"), ready.client("sagemaker")  # made here: boto3 makes one at a time
        writers = [
            threading.Thread(target=_write, args=(partial(_put, clients[0]), stop, written)),
            threading.Thread(target=_write, args=(partial(_model, clients[1], ready.role), stop, models)),
        ]
        for writer in writers:
            writer.start()
        enough = len(written) + 10, len(models) + 10
        until(lambda: len(written) >= enough[0] and len(models) >= enough[1], "a few writes")  # noqa: B023
        ready.kill()
        stop.set()
        for writer in writers:
            writer.join()
        ready.start()
    s3, sagemaker = ready.client("s3"), ready.client("sagemaker")
    for key in written:
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == key.encode() * 100
    pages = sagemaker.get_paginator("list_models").paginate()
    assert set(models) <= {model["ModelName"] for page in pages for model in page["Models"]}


def _write(act: Callable[[str], None], stop: threading.Event, done: list[str]) -> None:
    while not stop.is_set():
        name = f"n{uuid4()}"
        try:
            act(name)
        except (BotoCoreError, ClientError):  # the server was killed under the call: it was not acknowledged
            continue
        done.append(name)


def _put(s3: Any, name: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=name, Body=name.encode() * 100)


def _model(sagemaker: Any, role: str, name: str) -> None:
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": IMAGE})
