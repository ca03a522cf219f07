"""Create requests that are well-formed and make little sense: described as they were made, or refused and not made."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Platform, until
from tests.scenarios.bad_known import IMAGE
from tests.scenarios.wild_values import NAMES, answered, missing, requests, wild

BUCKET = "wild"
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"


@pytest.fixture(scope="module")
def sm(platform: Platform) -> Iterator[Any]:
    """A client that sends whatever it is given; a bucket with an object and a model are there."""
    s3 = platform.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="data", Body=b"1,2\n")
    client = platform.client("sagemaker", config=Config(parameter_validation=False))
    client.create_model(ModelName="wild", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    yield client
    client.delete_model(ModelName="wild")


_URIS = st.sampled_from([
    f"s3://{BUCKET}/data", f"s3://{BUCKET}/data", f"s3://{BUCKET}/", f"s3://{BUCKET}/none", "s3://nobucket/x",
    "https://x/y", "s3://", f"s3://{BUCKET}/../x", f"s3://{BUCKET}/a\x00b",
])  # fmt: skip
_KNOWN: dict[str, Any] = {
    "ExecutionRoleArn": ROLE,
    "RoleArn": ROLE,
    "Image": IMAGE,
    "Tags": st.just([{"Key": "a", "Value": "b"}]),
    "InstanceType": "ml.m5.large",
}


def kept_or_refused(sm: Any, kind: str, asked: dict[str, Any]) -> dict[str, str] | None:
    """Make a resource and compare its description; return its name, or None where it was refused and is not there."""
    name = {f"{kind}Name": asked[f"{kind}Name"]}
    words = {"Model": "model", "EndpointConfig": "endpoint_config", "TrainingJob": "training_job"}[kind]
    describe: Callable[..., Any] = getattr(sm, f"describe_{words}")
    if not answered(getattr(sm, f"create_{words}"), **asked):
        assert answered(describe, **name) is None
        return None
    asked.pop("Tags", None)
    assert not missing(describe(**name), asked)
    return name


_UNSERVED_MODEL = (
    "ModelDataSource", "Containers", "InferenceExecutionConfig", "ModelPackageName", "InferenceSpecificationName",
    "MultiModelConfig", "ImageConfig", "VpcConfig", "ContainerMetricsConfig",
)  # fmt: skip
_MODELS = {
    **_KNOWN,
    **dict.fromkeys(_UNSERVED_MODEL),
    "ModelName": NAMES,
    "ModelDataUrl": _URIS,
    "S3Uri": _URIS,
    "Mode": "SingleModel",
}


@wild
@given(asked=requests("CreateModel", "sagemaker", **_MODELS))
def test_a_model_is_described_as_it_was_made_or_refused(sm: Any, asked: dict[str, Any]) -> None:
    if name := kept_or_refused(sm, "Model", asked):
        sm.delete_model(**name)


_UNSERVED_CONFIG = (
    "ServerlessConfig", "ManagedInstanceScaling", "InstancePools", "CapacityReservationConfig", "CoreDumpConfig",
    "RoutingConfig", "ShadowProductionVariants", "AsyncInferenceConfig", "ExplainerConfig", "EnableNetworkIsolation",
    "MetricsConfig", "CrossRegionTrafficConfig", "EnableSSMAccess", "AcceleratorPartitionLayouts", "ExecutionRoleArn",
    "DataCaptureConfig",
)  # fmt: skip
_CONFIGS = {
    **_KNOWN,
    **dict.fromkeys(_UNSERVED_CONFIG),
    "EndpointConfigName": NAMES,
    "ModelName": st.sampled_from(["wild", "wild", "wild", "none"]),
    "VariantName": NAMES,
    "InitialInstanceCount": st.integers(1, 3) | st.integers(-1, 10**6),
}


@wild
@given(asked=requests("CreateEndpointConfig", "sagemaker", **_CONFIGS))
def test_an_endpoint_config_is_described_as_it_was_made_or_refused(sm: Any, asked: dict[str, Any]) -> None:
    if name := kept_or_refused(sm, "EndpointConfig", asked):
        sm.delete_endpoint_config(**name)


_ABSENT = _URIS.filter(lambda uri: uri != f"s3://{BUCKET}/data")
_SOURCE = st.fixed_dictionaries({"S3DataType": st.sampled_from(["S3Prefix", "ManifestFile"]), "S3Uri": _ABSENT})
_CHANNEL = st.fixed_dictionaries(
    {
        "ChannelName": st.sampled_from(["train", "train", "a.b", ".", ".."]),
        "DataSource": st.fixed_dictionaries({"S3DataSource": _SOURCE}),
    }
)
_UNSERVED_JOB = (
    "DebugRuleConfigurations", "ProfilerRuleConfigurations", "TensorBoardOutputConfig", "ExperimentConfig",
    "RemoteDebugConfig", "ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig", "VpcConfig", "DebugHookConfig",
    "ProfilerConfig", "EnableManagedSpotTraining", "SessionChainingConfig",
)  # fmt: skip
_JOBS = {
    **_KNOWN,
    **dict.fromkeys(_UNSERVED_JOB),
    "TrainingJobName": st.builds(lambda name: f"{name}-{time.monotonic_ns()}", NAMES),
    "OutputDataConfig": st.fixed_dictionaries({"S3OutputPath": _URIS}),
    "InputDataConfig": st.lists(_CHANNEL, min_size=1, max_size=2),
    "ResourceConfig": st.just({"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}),
    "StoppingCondition": st.just({"MaxRuntimeInSeconds": 30}),
    "AlgorithmSpecification": st.just({"TrainingImage": IMAGE, "TrainingInputMode": "File"}),
    "S3Uri": _URIS,
}


@settings(wild, max_examples=60)
@given(asked=requests("CreateTrainingJob", "sagemaker", **_JOBS))
def test_a_training_job_is_described_as_it_was_made_or_refused(sm: Any, asked: dict[str, Any]) -> None:
    """One that was taken ends by itself, and not by the platform's fault; its data are not there, mostly."""
    name = kept_or_refused(sm, "TrainingJob", asked)
    if name is None:
        return

    def ended() -> Any:
        shown = sm.describe_training_job(**name)
        return shown if shown["TrainingJobStatus"] not in {"InProgress", "Stopping"} else None

    shown = until(ended, f"the end of {asked}")
    assert shown["TrainingJobStatus"] == "Completed" or shown["FailureReason"], shown
    assert "InternalServerError" not in shown.get("FailureReason", ""), (asked, shown)
