"""Models and endpoint configurations, as boto3 sees them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.hosting import ECHO, IMAGE, ROLE, Hosting, archive, refusal

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def test_a_model_is_described_as_it_was_made(hosting: Hosting) -> None:
    data = hosting.put("described.tgz", archive(handler__py=ECHO))
    container = {"Image": IMAGE, "ModelDataUrl": data, "Environment": {"A": "1"}}
    made = hosting.sm.create_model(ModelName="Described", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    assert made["ModelArn"] == f"{ARN}:model/described"
    told = hosting.sm.describe_model(ModelName="Described")
    assert told["ModelName"] == "Described"
    assert told["PrimaryContainer"] == {**container, "Mode": "SingleModel"}
    assert told["ExecutionRoleArn"] == ROLE
    assert told["EnableNetworkIsolation"] is False
    assert "VpcConfig" not in told
    assert "Containers" not in told


def test_a_pipeline_of_one_container_is_a_model(hosting: Hosting) -> None:
    data = hosting.put("one.tgz", archive(handler__py=ECHO))
    name = hosting.name("one")
    hosting.sm.create_model(ModelName=name, Containers=[{"Image": IMAGE, "ModelDataUrl": data}], ExecutionRoleArn=ROLE)
    told = hosting.sm.describe_model(ModelName=name)
    assert [container["ModelDataUrl"] for container in told["Containers"]] == [data]
    assert "PrimaryContainer" not in told


def test_models_are_listed_deleted_and_made_again(hosting: Hosting) -> None:
    name = hosting.model()
    with pytest.raises(ClientError) as error:
        hosting.sm.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    assert refusal(error) == (
        "ValidationException",
        f'Cannot create already existing model "{ARN}:model/{name}".',
    )
    assert [model["ModelName"] for model in hosting.sm.list_models(NameContains=name)["Models"]] == [name]
    hosting.sm.delete_model(ModelName=name)
    for operation in (hosting.sm.describe_model, hosting.sm.delete_model):
        with pytest.raises(ClientError) as error:
            operation(ModelName=name)
        assert refusal(error) == ("ValidationException", f'Could not find model "{ARN}:model/{name}".')
    hosting.sm.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)


DATA = "s3://models/there.tgz"
SOURCE = {"S3Uri": DATA, "S3DataType": "S3Object", "CompressionType": "Gzip"}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no data": ({"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://models/no"}}, "Could not find model data at s3://models/no."),
    "no bucket": ({"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://no-such/x"}}, "Could not find model data at s3://no-such/x."),
    "no prefix": (
        {"PrimaryContainer": {"Image": IMAGE, "ModelDataSource": {"S3DataSource": {"S3Uri": "s3://models/no/", "S3DataType": "S3Prefix", "CompressionType": "None"}}}},
        "Could not find model data at s3://models/no/.",
    ),
    "web address": ({"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "https://example.com/x"}}, "Invalid S3 URI"),
    "no such image": ({"PrimaryContainer": {"Image": "nothing:1", "ModelDataUrl": DATA}}, "Requested image nothing:1 not found."),
    "no image": ({"PrimaryContainer": {"ModelDataUrl": DATA}}, "Image"),
    "nothing": ({}, "PrimaryContainer or Containers"),
    "both": ({"PrimaryContainer": {"Image": IMAGE}, "Containers": [{"Image": IMAGE}]}, "PrimaryContainer or Containers"),
    "pipeline": ({"Containers": [{"Image": IMAGE}, {"Image": IMAGE}]}, "Containers"),
    "multi-model": ({"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel"}}, "MultiModel"),
    "package": ({"PrimaryContainer": {"ModelPackageName": "group/1"}}, "PrimaryContainer.ModelPackageName"),
    "data twice": ({"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": DATA, "ModelDataSource": {"S3DataSource": SOURCE}}}, "Only one of"),
    "gzip prefix": (
        {"PrimaryContainer": {"Image": IMAGE, "ModelDataSource": {"S3DataSource": {**SOURCE, "S3DataType": "S3Prefix"}}}},
        "CompressionType Gzip requires S3DataType S3Object",
    ),
    "gated": (
        {"PrimaryContainer": {"Image": IMAGE, "ModelDataSource": {"S3DataSource": {**SOURCE, "ModelAccessConfig": {"AcceptEula": True}}}}},
        "ModelAccessConfig",
    ),
    "no role": ({"PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": None}, "ExecutionRoleArn is required"),
    "unknown role": (
        {"PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": "arn:aws:iam::123456789012:role/nobody"},
        "Could not assume role arn:aws:iam::123456789012:role/nobody",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_model_that_could_not_be_served_is_refused(hosting: Hosting, case: str) -> None:
    hosting.put("there.tgz", archive(handler__py=ECHO))
    given, text = WRONG[case]
    name = hosting.name("wrong")
    asked = {"ModelName": name, "ExecutionRoleArn": ROLE, **given}
    with pytest.raises(ClientError) as error:
        hosting.sm.create_model(**{member: value for member, value in asked.items() if value is not None})
    code, message = refusal(error)
    assert code == "ValidationException"
    assert text in message
    with pytest.raises(ClientError, match="Could not find model"):
        hosting.sm.describe_model(ModelName=name)


def test_a_configuration_is_described_with_its_weights(hosting: Hosting) -> None:
    model, name = hosting.model(), hosting.name("Config")
    off = {
        "EnableCapture": False,
        "InitialSamplingPercentage": 10,
        "DestinationS3Uri": "s3://models/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    variant = {"VariantName": "A", "ModelName": model, "InitialInstanceCount": 2, "InstanceType": "ml.m5.large"}
    made = hosting.sm.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant], DataCaptureConfig=off, KmsKeyId="alias/mine"
    )
    assert made["EndpointConfigArn"] == f"{ARN}:endpoint-config/{name.lower()}"
    told = hosting.sm.describe_endpoint_config(EndpointConfigName=name)
    assert told["ProductionVariants"] == [{**variant, "InitialVariantWeight": 1.0}]
    assert told["DataCaptureConfig"] == off
    assert told["KmsKeyId"] == "alias/mine"
    found = hosting.sm.list_endpoint_configs(NameContains=name)["EndpointConfigs"]
    assert [config["EndpointConfigName"] for config in found] == [name]
    with pytest.raises(ClientError) as error:
        hosting.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    assert "Cannot create already existing endpoint configuration" in refusal(error)[1]
    hosting.sm.delete_endpoint_config(EndpointConfigName=name)
    with pytest.raises(ClientError) as error:
        hosting.sm.describe_endpoint_config(EndpointConfigName=name)
    assert refusal(error) == (
        "ValidationException",
        f'Could not find endpoint configuration "{ARN}:endpoint-config/{name.lower()}".',
    )


SERVERLESS = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 10,
    "DestinationS3Uri": "s3://models/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}
WRONG_CONFIGS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no such model": ({"ModelName": "no-such"}, {}, f'Could not find model "{ARN}:model/no-such".'),
    "no model": ({"ModelName": None}, {}, "ModelName is required"),
    "no instance type": ({"InstanceType": None}, {}, "InstanceType"),
    "no count": ({"InitialInstanceCount": None}, {}, "InitialInstanceCount is required"),
    "no weight": ({"InitialVariantWeight": 0.0}, {}, "InitialVariantWeight"),
    "serverless": (SERVERLESS, {}, "ProductionVariants[].ServerlessConfig"),
    "prefix-aware": ({"RoutingConfig": {"RoutingStrategy": "KV_AWARE"}}, {}, "RoutingStrategy KV_AWARE"),
    "capture": ({}, {"DataCaptureConfig": CAPTURE}, "DataCaptureConfig.EnableCapture"),
    "async": ({}, {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://models/out"}}}, "AsyncInferenceConfig"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_CONFIGS)
def test_a_configuration_that_could_not_be_served_is_refused(hosting: Hosting, case: str) -> None:
    changed, more, text = WRONG_CONFIGS[case]
    variant = {
        "VariantName": "A", "ModelName": hosting.model(), "InitialInstanceCount": 1, "InstanceType": "ml.m5.large",
        **changed,
    }  # fmt: skip
    with pytest.raises(ClientError) as error:
        hosting.sm.create_endpoint_config(
            EndpointConfigName=hosting.name("wrong"),
            ProductionVariants=[{member: value for member, value in variant.items() if value is not None}],
            **more,
        )
    code, message = refusal(error)
    assert code == "ValidationException"
    assert text in message


def test_variants_have_names_of_their_own(hosting: Hosting) -> None:
    model = hosting.model()
    variant = {"VariantName": "A", "ModelName": model, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    with pytest.raises(ClientError, match="must be unique"):
        hosting.sm.create_endpoint_config(
            EndpointConfigName=hosting.name("twins"), ProductionVariants=[variant, variant]
        )
