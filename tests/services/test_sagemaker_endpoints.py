"""Endpoints, as boto3 sees them: their life, their updates, their failures."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.conftest import until
from tests.services.hosting import (
    ECHO,
    IMAGE,
    ROLE,
    Hosting,
    archive,
    refusal,
    running,
    says,
)
from tests.services.hosting_image import image_folder

ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint"
CRASH = (
    "import os\ndef handle(headers, body):\n    os._exit(3) if body == b'die' else None\n    return 200, {}, b'alive'\n"
)
SICK = "def ping(): return False\ndef handle(headers, body): return 200, {}, b''\n"


def test_an_endpoint_comes_into_service_and_is_described(hosting: Hosting) -> None:
    config = hosting.config(hosting.model(), InitialInstanceCount=2, InitialVariantWeight=3.0)
    name = hosting.name("Endpoint")
    made = hosting.sm.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=[{"Key": "k", "Value": "v"}])
    assert made["EndpointArn"] == f"{ARN}/{name.lower()}"
    told = hosting.wait(name, "InService")
    assert told["EndpointName"] == name
    assert told["EndpointConfigName"] == config
    (variant,) = told["ProductionVariants"]
    assert (variant["VariantName"], variant["CurrentWeight"], variant["DesiredWeight"]) == ("A", 3.0, 3.0)
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (2, 2)
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert not {"FailureReason", "PendingDeploymentSummary", "DataCaptureConfig"} & told.keys()
    assert hosting.sm.list_tags(ResourceArn=made["EndpointArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
    hosting.sm.get_waiter("endpoint_in_service").wait(EndpointName=name)
    hosting.delete(name)
    hosting.sm.get_waiter("endpoint_deleted").wait(EndpointName=name)


def test_names_are_found_whatever_their_case_and_taken_once(hosting: Hosting) -> None:
    config = hosting.config(hosting.model())
    name = hosting.endpoint(config)
    assert hosting.sm.describe_endpoint(EndpointName=name.upper())["EndpointName"] == name
    with pytest.raises(ClientError) as error:
        hosting.sm.create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert refusal(error) == ("ValidationException", f'Cannot create already existing endpoint "{ARN}/{name}".')


def test_what_does_not_exist_is_refused_in_awss_words(hosting: Hosting) -> None:
    config = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/nowhere"
    with pytest.raises(ClientError) as error:
        hosting.sm.create_endpoint(EndpointName=hosting.name("e"), EndpointConfigName="nowhere")
    assert refusal(error) == ("ValidationException", f'Could not find endpoint configuration "{config}".')
    for operation in (hosting.sm.describe_endpoint, hosting.sm.delete_endpoint):
        with pytest.raises(ClientError) as error:
            operation(EndpointName="nowhere")
        assert refusal(error) == ("ValidationException", f'Could not find endpoint "{ARN}/nowhere".')


def test_a_model_finds_its_data_its_environment_and_its_log(hosting: Hosting) -> None:
    handler = (
        "import os\nprint('hello from the model', flush=True)\n"
        "def handle(headers, body):\n    return 200, {}, os.environ[body.decode()].encode()\n"
    )
    name = hosting.serving(handler, Environment={"GREETING": "good morning"})
    assert hosting.invoke(name, b"GREETING") == b"good morning"
    assert hosting.invoke(name, b"AWS_REGION") == b"us-east-1"
    assert "credentials" in hosting.invoke(name, b"AWS_CONTAINER_CREDENTIALS_FULL_URI").decode()
    group = f"/aws/sagemaker/Endpoints/{name}"
    until(lambda: "hello from the model" in hosting.lines(group, "A/i-"), "the model's line in its log")


def test_uncompressed_models_are_served_from_their_prefix_or_object(hosting: Hosting) -> None:
    hosting.put("tree/handler.py", b"import deep.text as t\ndef handle(h, b): return 200, {}, t.TEXT\n")
    hosting.put("tree/deep/text.py", b"TEXT = b'from the prefix'\n")
    source = {"S3Uri": "s3://models/tree/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    prefix = hosting.serving(ModelDataSource={"S3DataSource": source})
    assert hosting.invoke(prefix) == b"from the prefix"
    whole = {
        "S3Uri": hosting.put("single/handler.py", says("one object").encode()),
        "S3DataType": "S3Object",
        "CompressionType": "None",
    }
    assert hosting.invoke(hosting.serving(ModelDataSource={"S3DataSource": whole})) == b"one object"


def test_additional_model_data_lie_beside_the_model(hosting: Hosting) -> None:
    uri = hosting.put("extra.tgz", archive(note__txt="from the channel"))
    channel = {
        "ChannelName": "extra",
        "S3DataSource": {"S3Uri": uri, "S3DataType": "S3Object", "CompressionType": "Gzip"},
    }
    handler = (
        "def handle(h, b):\n"
        "    return 200, {}, open('/opt/ml/additional-model-data-sources/extra/note.txt', 'rb').read()\n"
    )
    assert hosting.invoke(hosting.serving(handler, AdditionalModelDataSources=[channel])) == b"from the channel"


def test_the_code_that_the_sdk_submits_in_s3_lies_in_opt_ml_code(hosting: Hosting) -> None:
    uri = hosting.put("sourcedir.tgz", archive(extra__py="TEXT = b'submitted'"))
    handler = (
        "import os, sys\nsys.path.insert(0, os.environ['SAGEMAKER_SUBMIT_DIRECTORY'])\nimport extra\n"
        "def handle(h, b): return 200, {}, extra.TEXT\n"
    )
    assert hosting.invoke(hosting.serving(handler, Environment={"SAGEMAKER_SUBMIT_DIRECTORY": uri})) == b"submitted"


def test_a_container_that_dies_at_its_start_fails_the_endpoint_with_its_last_words(hosting: Hosting) -> None:
    name = hosting.endpoint(hosting.config(hosting.model("raise RuntimeError('no weights here')")), "Failed")
    reason = hosting.sm.describe_endpoint(EndpointName=name)["FailureReason"]
    assert reason.startswith("The primary container for production variant A did not pass the ping health check.")
    assert "no weights here" in reason
    with pytest.raises(ClientError) as error:
        hosting.invoke(name)
    assert refusal(error) == ("ValidationError", f"Endpoint {name} of account 123456789012 not found.")
    with pytest.raises(ClientError, match="in status Failed"):
        hosting.sm.update_endpoint(EndpointName=name, EndpointConfigName=hosting.config(hosting.model()))
    hosting.delete(name)


def test_data_that_do_not_unpack_fail_the_endpoint(hosting: Hosting) -> None:
    model = hosting.name("broken")
    uri = hosting.put("broken.tgz", b"this is no archive")
    container = {"Image": IMAGE, "ModelDataUrl": uri}
    hosting.sm.create_model(ModelName=model, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    name = hosting.endpoint(hosting.config(model), "Failed")
    reason = hosting.sm.describe_endpoint(EndpointName=name)["FailureReason"]
    assert reason.startswith('Failed to extract model data archive for container "container_1" from URL')
    assert uri in reason


def test_data_that_were_deleted_since_fail_the_endpoint(hosting: Hosting) -> None:
    model = hosting.model()
    config = hosting.config(model)
    hosting.client("s3").delete_object(Bucket="models", Key=f"{model}.tgz")
    name = hosting.endpoint(config, "Failed")
    reason = hosting.sm.describe_endpoint(EndpointName=name)["FailureReason"]
    assert reason.startswith('Failed to download model data for container "container_1" from URL')


def test_nothing_is_changed_while_something_is_under_way(hosting: Hosting) -> None:
    config = hosting.config(hosting.model(SICK))
    name = hosting.name("slow")
    hosting.sm.create_endpoint(EndpointName=name, EndpointConfigName=config)
    for change, more in (("delete_endpoint", {}), ("update_endpoint", {"EndpointConfigName": config})):
        with pytest.raises(ClientError) as error:
            getattr(hosting.sm, change)(EndpointName=name, **more)
        assert refusal(error) == ("ValidationException", f'Cannot update in-progress endpoint "{ARN}/{name}".')
    with pytest.raises(ClientError, match="not found"):
        hosting.invoke(name)


def test_a_container_that_never_answers_ping_fails_when_its_time_is_up(tmp_path: Path) -> None:
    """On a platform of its own, whose clock is moved on by the four minutes that AWS gives a container."""
    with running(tmp_path / "data", image_folder(tmp_path / "images")) as platform:
        platform.client("s3").create_bucket(Bucket=platform.bucket)
        config = platform.config(platform.model(SICK))
        name = platform.name("sick")
        platform.sm.create_endpoint(EndpointName=name, EndpointConfigName=config)
        until(lambda: "loading" in _or_none(platform, name), "the container to run")
        assert platform.sm.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating"
        assert platform.world is not None
        platform.world.clock.advance(241)  # type: ignore[attr-defined]
        platform.world.wake(f"{ARN}/{name}")
        told = platform.wait(name, "Failed")
        assert told["FailureReason"].startswith("The primary container for production variant A did not pass the ping")
        platform.delete(name)


def _or_none(platform: Hosting, endpoint: str) -> list[str]:
    try:
        return platform.lines(f"/aws/sagemaker/Endpoints/{endpoint}")
    except ClientError:
        return []


def test_a_container_that_dies_is_replaced(hosting: Hosting) -> None:
    name = hosting.serving(CRASH)
    with pytest.raises(ClientError) as error:
        hosting.invoke(name, b"die")
    assert error.value.response["Error"]["Code"] == "ModelError"
    assert hosting.sm.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"

    def answers() -> bool:
        try:
            return hosting.invoke(name) == b"alive"
        except ClientError as refused:
            assert refused.response["Error"]["Code"] in ("ServiceUnavailable", "ModelError")
            return False

    until(answers, "the replacement to answer")
    assert hosting.sm.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"


def test_a_deleted_endpoint_leaves_nothing_behind(hosting: Hosting) -> None:
    name = hosting.serving()
    (task,) = hosting.tasks(name)
    world = hosting.world
    assert world is not None
    hosting.delete(name)
    assert world.compute.find(task) is None
    assert not [path for path in (hosting.data / "stage").glob("endpoint-*") if path.name in task]
    with pytest.raises(ClientError) as error:
        hosting.invoke(name)
    assert refusal(error)[0] == "ValidationError"


def test_an_endpoint_outlives_its_configuration_its_model_and_its_data(hosting: Hosting) -> None:
    model = hosting.model(CRASH)
    config = hosting.config(model)
    name = hosting.endpoint(config)
    hosting.sm.delete_endpoint_config(EndpointConfigName=config)
    hosting.sm.delete_model(ModelName=model)
    assert hosting.invoke(name) == b"alive"


def test_a_handler_can_be_deployed_twice(hosting: Hosting) -> None:
    """Two endpoints of one model do not get into each other's way."""
    config = hosting.config(hosting.model(ECHO))
    first, second = hosting.endpoint(config), hosting.endpoint(config)
    hosting.delete(first)
    assert hosting.invoke(second, b"still here") == b"still here"
