"""Batch transform jobs, as boto3 sees them."""

import gzip
import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import until
from tests.services.hosting import Hosting, refusal

UPPER = "def handle(headers, body): return 200, {}, body.upper()\n"
LENGTHS = """
def handle(headers, body):
    rows = body.decode().splitlines()
    return 200, {}, "\\n".join(str(len(row.split(","))) for row in rows).encode()
"""
PICKY = "def handle(headers, body): return (400 if b'bad' in body else 200), {}, b'[' + body.strip() + b']'\n"
BROKEN = "def handle(headers, body): return 500, {}, b'out of order'\n"
ENVIRONMENT = """
import json, os
def handle(headers, body):
    shown = {name: value for name, value in os.environ.items() if name.startswith(("SAGEMAKER_", "MY_"))}
    return 200, {}, json.dumps({**shown, "type": headers["content-type"], "accept": headers["accept"]}).encode()
"""
GATE = """
import os
os.mkfifo("/opt/ml/gate")
def handle(headers, body):
    open("/opt/ml/gate").close()
    return 200, {}, b"late"
"""


def transform(
    hosting: Hosting, handler: str, objects: dict[str, bytes], *, wait: str | None = "Completed", **members: Any
) -> tuple[str, dict[str, Any]]:
    """Run a job over these objects and wait for its end; return its name and its description."""
    name = hosting.name("job")
    for key, body in objects.items():
        hosting.put(f"{name}/in/{key}", body)
    given: dict[str, Any] = {
        "TransformJobName": name,
        "ModelName": hosting.model(handler),
        "TransformInput": {"DataSource": data_source(name), **members.pop("TransformInput", {})},
        "TransformOutput": {"S3OutputPath": f"s3://models/{name}/out", **members.pop("TransformOutput", {})},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **members,
    }
    hosting.sm.create_transform_job(**given)
    return name, ended(hosting, name, wait) if wait else {}


def data_source(name: str, kind: str = "S3Prefix", where: str = "in") -> dict[str, Any]:
    return {"S3DataSource": {"S3DataType": kind, "S3Uri": f"s3://models/{name}/{where}"}}


def ended(hosting: Hosting, name: str, status: str) -> dict[str, Any]:
    def look() -> Any:
        told = hosting.sm.describe_transform_job(TransformJobName=name)
        return told if told["TransformJobStatus"] in ("Completed", "Failed", "Stopped") else None

    told: dict[str, Any] = until(look, f"{name} to end")
    assert told["TransformJobStatus"] == status, told.get("FailureReason")
    return told


def outputs(hosting: Hosting, name: str) -> dict[str, bytes]:
    """Return what a job stored, by key below its output path."""
    s3 = hosting.client("s3")
    found = s3.list_objects_v2(Bucket="models", Prefix=f"{name}/out/").get("Contents", [])
    return {
        item["Key"].removeprefix(f"{name}/out/"): s3.get_object(Bucket="models", Key=item["Key"])["Body"].read()
        for item in found
    }


LINES: dict[str, Any] = {
    "TransformInput": {"ContentType": "text/csv", "SplitType": "Line"},
    "TransformOutput": {"AssembleWith": "Line"},
}


def test_every_object_becomes_one_output_of_its_own(hosting: Hosting) -> None:
    name, told = transform(hosting, UPPER, {"a.csv": b"a,b\nc,d\n", "deep/er/b.csv": b"x\n", "empty.csv": b""}, **LINES)
    assert outputs(hosting, name) == {"a.csv.out": b"A,B\nC,D\n", "deep/er/b.csv.out": b"X\n", "empty.csv.out": b""}
    assert told["TransformJobArn"] == f"arn:aws:sagemaker:us-east-1:123456789012:transform-job/{name}"
    assert told["TransformStartTime"] <= told["TransformEndTime"]
    assert told["TransformInput"]["CompressionType"] == "None"
    assert told["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    assert "FailureReason" not in told
    (summary,) = hosting.sm.list_transform_jobs(NameContains=name)["TransformJobSummaries"]
    assert (summary["TransformJobStatus"], summary["TransformJobName"]) == ("Completed", name)


def test_input_and_prediction_are_filtered_and_joined(hosting: Hosting) -> None:
    name, _ = transform(
        hosting,
        LENGTHS,
        {"rows.csv": b"id1,1,2,3\nid2,4,5,6\n"},
        TransformInput={"ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"AssembleWith": "Line", "Accept": "text/csv"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
    )
    assert outputs(hosting, name) == {"rows.csv.out": b"id1,3\nid2,3\n"}


def test_objects_are_found_by_manifest_and_unpacked(hosting: Hosting) -> None:
    name = hosting.name("manifest")
    hosting.put(f"{name}/data/one.gz", gzip.compress(b"one\n"))
    hosting.put(f"{name}/data/sub/two.gz", gzip.compress(b"two\n"))
    hosting.put(f"{name}/data/other.gz", gzip.compress(b"other\n"))
    hosting.put(f"{name}/list", json.dumps([{"prefix": f"s3://models/{name}/data/"}, "one.gz", "sub/two.gz"]).encode())
    job, _ = transform(
        hosting,
        UPPER,
        {},
        TransformInput={
            "DataSource": data_source(name, "ManifestFile", "list"),
            "CompressionType": "Gzip",
            "SplitType": "Line",
        },
        TransformOutput={"AssembleWith": "Line"},
    )
    assert outputs(hosting, job) == {"one.gz.out": b"ONE\n", "sub/two.gz.out": b"TWO\n"}


def test_one_bad_object_fails_the_job_and_the_others_are_stored(hosting: Hosting) -> None:
    objects = {"bad.csv": b"fine\nbad\n", "good.csv": b"fine\n"}
    name, told = transform(hosting, PICKY, objects, wait="Failed", BatchStrategy="SingleRecord", **LINES)
    assert told["FailureReason"].startswith("ClientError: See job logs for more information")
    assert outputs(hosting, name) == {"good.csv.out": b"[fine]\n"}
    lines = "\n".join(hosting.lines("/aws/sagemaker/TransformJobs", f"{name}/"))
    assert "bad.csv: Bad HTTP status received from algorithm: 400" in lines


def test_a_model_that_fails_is_the_algorithms_error(hosting: Hosting) -> None:
    client = {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 5}
    name, told = transform(hosting, BROKEN, {"a": b"x"}, wait="Failed", ModelClientConfig=client)
    assert told["FailureReason"].startswith("AlgorithmError: See job logs for more information")
    assert outputs(hosting, name) == {}


def test_a_container_that_does_not_start_fails_the_job(hosting: Hosting) -> None:
    _, told = transform(hosting, "raise RuntimeError('no weights')", {"a": b"x"}, wait="Failed")
    assert "did not pass the ping health check" in told["FailureReason"]
    assert "no weights" in told["FailureReason"]


def test_a_job_without_data_fails_and_says_so(hosting: Hosting) -> None:
    _, told = transform(hosting, UPPER, {}, wait="Failed")
    assert told["FailureReason"].startswith("ClientError: No S3 objects found under S3 URL")


def test_the_container_knows_of_the_batch(hosting: Hosting) -> None:
    name, _ = transform(
        hosting,
        ENVIRONMENT,
        {"a": b"x"},
        Environment={"MY_OWN": "1"},
        MaxPayloadInMB=7,
        MaxConcurrentTransforms=2,
        BatchStrategy="SingleRecord",
        TransformInput={"ContentType": "text/csv"},
        TransformOutput={"Accept": "application/json"},
    )
    assert json.loads(outputs(hosting, name)["a.out"]) == {
        "MY_OWN": "1",
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "2",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "7",
        "type": "text/csv",
        "accept": "application/json",
    }


def test_logs_and_events_tell_of_the_job(hosting: Hosting) -> None:
    name, _ = transform(hosting, "print('model loaded', flush=True)\n" + UPPER, {"a": b"x"})
    streams = hosting.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{name}/", orderBy="LogStreamName"
    )["logStreams"]
    model, data = (stream["logStreamName"] for stream in streams)
    assert re.fullmatch(rf"{name}/i-[0-9a-f]{{17}}-\d+", model)
    assert data == f"{model}/data-log"
    assert "model loaded" in hosting.lines("/aws/sagemaker/TransformJobs", model)
    assert hosting.world is not None
    events = [published.event for published in hosting.world.records.events(limit=10_000)]
    seen = [
        event.detail["TransformJobStatus"]
        for event in events
        if event.detail_type == "SageMaker Transform Job State Change" and event.detail["TransformJobName"] == name
    ]
    assert seen == ["InProgress", "Completed"]


def test_a_stopped_job_stores_nothing(hosting: Hosting) -> None:
    name, _ = transform(hosting, GATE, {"a": b"x"}, wait=None)

    def started() -> bool:
        return "TransformStartTime" in hosting.sm.describe_transform_job(TransformJobName=name)

    until(started, "the job to start")
    hosting.sm.stop_transform_job(TransformJobName=name)
    ended(hosting, name, "Stopped")
    assert outputs(hosting, name) == {}
    with pytest.raises(ClientError) as error:
        hosting.sm.stop_transform_job(TransformJobName=name)
    assert refusal(error) == (
        "ValidationException",
        "The request was rejected because the transform job is in status Stopped.",
    )


def test_a_finished_job_leaves_nothing_running(hosting: Hosting) -> None:
    name, _ = transform(hosting, UPPER, {"a": b"x"})
    assert hosting.world is not None
    record = hosting.world.records.get("sagemaker:TransformJob", "123456789012", "us-east-1", name)
    assert record is not None
    left = (hosting.data / "tasks").glob(f"transform-job-{task_digest(record)}-*")
    until(lambda: not list(left), "the job's tasks to be gone")


def task_digest(record: Any) -> str:
    from sagebrush.services.sagemaker import jobs

    return jobs.task_id(record).split("-")[2]


CSV = {"ContentType": "text/csv", "SplitType": "Line"}
LINE = {"AssembleWith": "Line"}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such model": ({"ModelName": "no-such"}, "Could not find model"),
    "instances": ({"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2}}, "InstanceCount"),
    "payload": ({"MaxPayloadInMB": 101}, "MaxPayloadInMB"),
    "payloads": ({"MaxPayloadInMB": 50, "MaxConcurrentTransforms": 3}, "MaxConcurrentTransforms (3) * MaxPayloadInMB (50)"),
    "records": ({"BatchStrategy": "MultiRecord"}, "BatchStrategy MultiRecord requires SplitType"),
    "augmented": ({"TransformInput": {"DataSource": data_source("x", "AugmentedManifestFile")}}, "AugmentedManifestFile"),
    "output": ({"TransformOutput": {"S3OutputPath": "https://example.com/x"}}, "Invalid S3 URI"),
    "filter of what": ({"DataProcessing": {"InputFilter": "$[1:]"}}, "ContentType"),
    "filter of lines": ({"TransformInput": {"ContentType": "text/csv"}, "DataProcessing": {"InputFilter": "$[1:]"}}, "SplitType Line"),
    "formats": (
        {"TransformInput": CSV, "TransformOutput": {**LINE, "Accept": "application/json"}, "DataProcessing": {"JoinSource": "Input"}},
        "the same format",
    ),
    "assembly": ({"TransformInput": CSV, "DataProcessing": {"JoinSource": "Input"}}, "AssembleWith Line"),
    "path": ({"TransformInput": CSV, "DataProcessing": {"InputFilter": "$[?(@.x)]"}}, "InputFilter '$[?(@.x)]'"),
    "names in rows": ({"TransformInput": CSV, "DataProcessing": {"OutputFilter": "$.name"}}, "whose rows are arrays"),
    "capture": ({"DataCaptureConfig": {"DestinationS3Uri": "s3://models/c"}}, "DataCaptureConfig"),
    "experiment": ({"ExperimentConfig": {"ExperimentName": "e"}}, "ExperimentConfig"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_could_not_be_done_is_refused(hosting: Hosting, case: str) -> None:
    members, text = WRONG[case]
    with pytest.raises(ClientError) as error:
        transform(hosting, UPPER, {}, wait=None, **members)
    code, message = refusal(error)
    assert code == "ValidationException"
    assert text in message


def test_names_of_jobs_are_used_once(hosting: Hosting) -> None:
    name, told = transform(hosting, UPPER, {"a": b"x"})
    with pytest.raises(ClientError) as error:
        hosting.sm.create_transform_job(
            TransformJobName=name,
            ModelName=told["ModelName"],
            TransformInput=told["TransformInput"],
            TransformOutput=told["TransformOutput"],
            TransformResources=told["TransformResources"],
        )
    code, message = refusal(error)
    assert code == "ResourceInUse"
    assert "already exists" in message
    for operation in (hosting.sm.describe_transform_job, hosting.sm.stop_transform_job):
        with pytest.raises(ClientError) as error:
            operation(TransformJobName="nowhere")
        assert refusal(error) == ("ValidationException", "Could not find requested job with name: nowhere")
