"""Requests that are well-formed and make no sense, or little: kept as they were sent, or refused in AWS's words."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Platform, until
from tests.scenarios import wild_values
from tests.scenarios.bad_known import IMAGE

from sagebrush.kernel.wire.models import service_model

BUCKET = "wild"
NAMES = st.text("abcdefghij", min_size=1, max_size=12)
wild = settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


def _requests(operation: str, service: str = "sagemaker", **known: Any) -> st.SearchStrategy[dict[str, Any]]:
    shape = service_model(service).operation_model(operation).input_shape
    strategies = {
        name: made if made is None or isinstance(made, st.SearchStrategy) else st.just(made)
        for name, made in known.items()
    }
    assert isinstance(shape, StructureShape)
    return wild_values.structure(shape, strategies)


@pytest.fixture(scope="module")
def clients(platform: Platform) -> Callable[[str], Any]:
    """Return boto3 clients that send whatever they are given."""
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = platform.client(service, config=Config(parameter_validation=False))
        return made[service]

    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"1,2\n")
    return client


def answered(call: Callable[..., Any], **params: Any) -> dict[str, Any] | None:
    """Return the answer, or None where the call is refused for what it asks; fail where the platform is at fault."""
    try:
        return dict(call(**params))
    except ClientError as error:
        told = error.response
        assert told["ResponseMetadata"]["HTTPStatusCode"] < 500 or told["Error"]["Code"] == "NotImplemented", told
        assert told["Error"]["Message"], told
        return None


def missing(shown: Any, asked: Any, path: str = "") -> str:
    """Return where a description is not as it was asked for, or nothing; it may say more, and of what is empty nothing."""
    if asked in ([], {}) and shown is None:
        return ""
    if isinstance(asked, dict) and isinstance(shown, dict):
        found = (missing(shown.get(name), item, f"{path}.{name}") for name, item in asked.items())
        return next(filter(None, found), "")
    if isinstance(asked, list) and isinstance(shown, list) and len(shown) == len(asked):
        found = (
            missing(one, other, f"{path}[{number}]")
            for number, (one, other) in enumerate(zip(shown, asked, strict=True))
        )
        return next(filter(None, found), "")
    return "" if shown == asked else f"{path}: {asked!r} became {shown!r}"


ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
_URIS = st.sampled_from([
    f"s3://{BUCKET}/data", f"s3://{BUCKET}/data", f"s3://{BUCKET}/", f"s3://{BUCKET}/none", "s3://nobucket/x", "https://x/y", "s3://", f"s3://{BUCKET}/../x",
    f"s3://{BUCKET}/a\x00b",
])  # fmt: skip
_TAGS = st.just([{"Key": "a", "Value": "b"}])
_KNOWN: dict[str, Any] = {
    "ExecutionRoleArn": ROLE,
    "RoleArn": ROLE,
    "Image": IMAGE,
    "Tags": _TAGS,
    "InstanceType": "ml.m5.large",
}
_MODELS = {
    **_KNOWN, "ModelName": NAMES, "ModelDataUrl": _URIS, "S3Uri": _URIS, "ModelDataSource": None, "Containers": None, "InferenceExecutionConfig": None,
    "ModelPackageName": None, "InferenceSpecificationName": None, "MultiModelConfig": None, "ImageConfig": None, "VpcConfig": None,
    "ContainerMetricsConfig": None, "Mode": "SingleModel",
}  # fmt: skip


@wild
@given(asked=_requests("CreateModel", **_MODELS))
def test_a_model_is_described_as_it_was_made_or_refused(clients: Callable[[str], Any], asked: dict[str, Any]) -> None:
    sm = clients("sagemaker")
    if answered(sm.create_model, **asked):
        shown = sm.describe_model(ModelName=asked["ModelName"])
        asked.pop("Tags", None)
        assert not missing(shown, asked)
        sm.delete_model(ModelName=asked["ModelName"])
    else:
        assert answered(sm.describe_model, ModelName=asked["ModelName"]) is None


@pytest.fixture(scope="module")
def model(platform: Platform) -> str:
    container = {"Image": IMAGE}
    platform.client("sagemaker").create_model(ModelName="wild", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    return "wild"


_REFUSED = (
    "ServerlessConfig", "ManagedInstanceScaling", "InstancePools", "CapacityReservationConfig", "CoreDumpConfig", "RoutingConfig", "ShadowProductionVariants",
    "AsyncInferenceConfig", "ExplainerConfig", "EnableNetworkIsolation", "MetricsConfig", "CrossRegionTrafficConfig", "EnableSSMAccess",
    "AcceleratorPartitionLayouts", "ExecutionRoleArn", "DataCaptureConfig",
)  # fmt: skip
_CONFIGS = {
    **_KNOWN, **dict.fromkeys(_REFUSED), "EndpointConfigName": NAMES, "ModelName": st.sampled_from(["wild", "wild", "wild", "none"]), "VariantName": NAMES,
    "InitialInstanceCount": st.integers(1, 3) | st.integers(-1, 10**6),
}  # fmt: skip


@wild
@given(asked=_requests("CreateEndpointConfig", **_CONFIGS))
def test_an_endpoint_config_is_described_as_it_was_made_or_refused(
    clients: Callable[[str], Any], model: str, asked: dict[str, Any]
) -> None:
    sm, name = clients("sagemaker"), asked["EndpointConfigName"]
    if answered(sm.create_endpoint_config, **asked):
        shown = sm.describe_endpoint_config(EndpointConfigName=name)
        asked.pop("Tags", None)
        assert not missing(shown, asked)
        sm.delete_endpoint_config(EndpointConfigName=name)
    else:
        assert answered(sm.describe_endpoint_config, EndpointConfigName=name) is None


_ABSENT = _URIS.filter(lambda uri: uri != f"s3://{BUCKET}/data")
_SOURCE = st.fixed_dictionaries(
    {
        "S3DataSource": st.fixed_dictionaries(
            {"S3DataType": st.sampled_from(["S3Prefix", "ManifestFile"]), "S3Uri": _ABSENT}
        )
    }
)
_CHANNELS = st.lists(
    st.fixed_dictionaries(
        {"ChannelName": st.sampled_from(["train", "train", "a.b", ".", ".."]), "DataSource": _SOURCE}
    ),
    min_size=1,
    max_size=2,
)
_LATER = (
    "DebugRuleConfigurations", "ProfilerRuleConfigurations", "TensorBoardOutputConfig", "ExperimentConfig", "RemoteDebugConfig", "ServerlessJobConfig",
    "MlflowConfig", "ModelPackageConfig", "VpcConfig", "DebugHookConfig", "ProfilerConfig", "EnableManagedSpotTraining", "SessionChainingConfig",
)  # fmt: skip
_JOBS = {
    **_KNOWN, **dict.fromkeys(_LATER), "TrainingJobName": NAMES, "OutputDataConfig": st.fixed_dictionaries({"S3OutputPath": _URIS}), "InputDataConfig": _CHANNELS,
    "ResourceConfig": st.just({"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}),
    "StoppingCondition": st.just({"MaxRuntimeInSeconds": 30}), "S3Uri": _URIS,
    "AlgorithmSpecification": st.just({"TrainingImage": IMAGE, "TrainingInputMode": "File"}),
}  # fmt: skip


@settings(wild, max_examples=60)
@given(asked=_requests("CreateTrainingJob", **_JOBS))
def test_a_training_job_is_described_as_it_was_made_or_refused(
    clients: Callable[[str], Any], asked: dict[str, Any]
) -> None:
    """Those that were taken end by themselves, with a reason that is the user's; most name data that are not there."""
    sm, name = clients("sagemaker"), {"TrainingJobName": f"{asked['TrainingJobName']}-{time.monotonic_ns()}"}
    asked |= name
    if not answered(sm.create_training_job, **asked):
        assert answered(sm.describe_training_job, **name) is None
        return
    asked.pop("Tags", None)
    assert not missing(sm.describe_training_job(**name), asked)

    def ended() -> Any:
        shown = sm.describe_training_job(**name)
        return shown if shown["TrainingJobStatus"] not in {"InProgress", "Stopping"} else None

    shown = until(ended, f"the end of {asked}")
    assert shown["TrainingJobStatus"] == "Completed" or shown["FailureReason"], shown
    assert "InternalServerError" not in shown.get("FailureReason", ""), (asked, shown)


_KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40) | st.sampled_from(
    [
        "..",
        ".",
        "/",
        "//",
        "a//b",
        "../a",
        "a/../b",
        " ",
        "%",
        "%2F",
        "+",
        "?",
        "#",
        "é",
        "\x00",
        "\n",
        "\x7f",
        "𐐷",
        "k" * 1024,
        "k" * 1025,
        "'\"<&>",
    ]
)
_HEADER_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)


@wild
@given(key=_KEYS, body=st.binary(max_size=300), kind=_HEADER_TEXT, note=_HEADER_TEXT)
def test_an_object_is_read_as_it_was_put_or_refused(
    clients: Callable[[str], Any], key: str, body: bytes, kind: str, note: str
) -> None:
    s3 = clients("s3")
    if answered(s3.put_object, Bucket=BUCKET, Key=key, Body=body, ContentType=kind or "a/b", Metadata={"note": note}):
        there = s3.get_object(Bucket=BUCKET, Key=key)
        assert (there["Body"].read(), there["ContentType"], there["Metadata"]) == (body, kind or "a/b", {"note": note})
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=key, MaxKeys=1)["Contents"]
        assert listed[0]["Size"] == len(body)
        if "\x00" not in key and key.isprintable():
            assert listed[0]["Key"] == key
        s3.delete_object(Bucket=BUCKET, Key=key)
    assert "data" in [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]


_PARTS = st.lists(
    st.fixed_dictionaries(
        {"PartNumber": st.integers(-2, 4) | st.integers(), "ETag": st.sampled_from(["right", "wrong", ""])}
    ),
    max_size=4,
)


@wild
@given(listed=_PARTS, size=st.none() | st.integers(-1, 30))
def test_an_upload_is_completed_as_listed_or_stays(
    clients: Callable[[str], Any], listed: list[Any], size: int | None
) -> None:
    s3 = clients("s3")
    named = {"Bucket": BUCKET, "Key": "parts"}
    made = {**named, "UploadId": s3.create_multipart_upload(**named)["UploadId"]}
    etag = s3.upload_part(**made, PartNumber=1, Body=b"abc")["ETag"]
    parts = [{**part, "ETag": etag if part["ETag"] == "right" else part["ETag"]} for part in listed]
    more = {} if size is None else {"MpuObjectSize": size}
    done = answered(s3.complete_multipart_upload, **made, MultipartUpload={"Parts": parts}, **more)
    right = listed == [{"PartNumber": 1, "ETag": "right"}] and size in {None, 3}
    assert bool(done) == right
    if not right:
        assert [part["ETag"] for part in s3.list_parts(**made)["Parts"]] == [etag]
        s3.abort_multipart_upload(**made)


_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_METRICS: dict[str, Any] = {
    "Namespace": "Wild", "MetricName": NAMES, "StorageResolution": st.sampled_from([1, 60]), "Timestamp": st.builds(time.time), "EntityMetricData": None,
    "Value": st.floats() | st.floats(-1e100, 1e100), "Values": None, "Counts": None, "StatisticValues": None,
    "Dimensions": st.lists(st.fixed_dictionaries({"Name": _WORDS, "Value": _WORDS}), max_size=2),
}  # fmt: skip
_BASIC, _EXTENDED = (
    ["Average", "Sum", "Maximum", "Minimum", "SampleCount"],
    ["p99", "tm50", "IQM", "PR(1:2)", "TC(:5)", "WM(10%:90%)"],
)


@wild
@given(asked=_requests("PutMetricData", "cloudwatch", **_METRICS))
def test_metric_data_can_be_read_or_are_refused(clients: Callable[[str], Any], asked: dict[str, Any]) -> None:
    cloudwatch = clients("cloudwatch")
    done = answered(cloudwatch.put_metric_data, **asked)
    now = time.time()
    for datum in asked.get("MetricData", ())[:1]:
        named = {"Namespace": "Wild", "MetricName": datum["MetricName"], "Dimensions": datum["Dimensions"]}
        span = {"StartTime": now - 600, "EndTime": now + 600, "Period": 60}
        found = answered(cloudwatch.get_metric_statistics, **named, **span, Statistics=_BASIC)
        answered(cloudwatch.get_metric_statistics, **named, **span, ExtendedStatistics=_EXTENDED)
        assert not done or (found and found["Datapoints"])


@wild
@given(
    messages=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200), min_size=1, max_size=4
    ),
    back=st.integers(-7_100_000, 10**10),
)
def test_log_events_are_read_as_they_were_put(clients: Callable[[str], Any], messages: list[str], back: int) -> None:
    logs, named = clients("logs"), {"logGroupName": "wild", "logStreamName": f"s-{time.monotonic_ns()}"}
    with contextlib.suppress(ClientError):
        logs.create_log_group(logGroupName="wild")
    logs.create_log_stream(**named)
    stamp = int(time.time() * 1000) - back
    done = answered(
        logs.put_log_events, **named, logEvents=[{"timestamp": stamp, "message": text} for text in messages]
    )
    events = [event["message"] for event in logs.get_log_events(**named, startFromHead=True)["events"]]
    assert events == (messages if done and not done.get("rejectedLogEventsInfo") else [])
