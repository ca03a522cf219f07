"""Models that cannot be served, in the real scikit-learn image: the user reads their own last lines."""

import io
import tarfile
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform, until
from tests.scenarios.bad_known import found_below

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET = "bad-models"
VARIANT = {"VariantName": "v", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}

MODEL_FN_RAISES = """
def model_fn(folder):
    raise ValueError("the weights are of another kingdom")
"""
DOES_NOT_COMPILE = """
def model_fn(folder)
    return 1
"""
PREDICT_FN_RAISES = """
def model_fn(folder):
    return None

def input_fn(body, content_type):
    return body

def predict_fn(body, model):
    raise KeyError("no such column: petal")
"""


def archive(members: dict[str, str]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return held.getvalue()


class Deployed:
    """A model, its configuration and its endpoint; they are removed at the end."""

    def __init__(self, platform: Platform, data: bytes) -> None:
        self.platform = platform
        self.sm = platform.client("sagemaker")
        self.name = f"m-{uuid.uuid4().hex[:8]}"
        platform.client("s3").put_object(Bucket=BUCKET, Key=self.name, Body=data)
        container = {
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{BUCKET}/{self.name}",
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        }
        self.sm.create_model(ModelName=self.name, PrimaryContainer=container, ExecutionRoleArn=platform.role)
        self.sm.create_endpoint_config(
            EndpointConfigName=self.name, ProductionVariants=[{**VARIANT, "ModelName": self.name}]
        )
        self.sm.create_endpoint(EndpointName=self.name, EndpointConfigName=self.name)

    def settled(self) -> dict[str, Any]:
        """Return the endpoint's description as soon as it is not being created any more."""

        def look() -> dict[str, Any] | None:
            told: dict[str, Any] = self.sm.describe_endpoint(EndpointName=self.name)
            return told if told["EndpointStatus"] != "Creating" else None

        found: dict[str, Any] = until(look, "the endpoint to be settled")
        return found

    def transform(self) -> dict[str, Any]:
        """Run a transform job of the model over one object, and return its description."""
        self.platform.client("s3").put_object(Bucket=BUCKET, Key=f"in/{self.name}/rows.csv", Body=b"1,2\n3,4\n")
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/{self.name}/"}
        self.sm.create_transform_job(
            TransformJobName=self.name,
            ModelName=self.name,
            TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "text/csv", "SplitType": "Line"},
            TransformOutput={"S3OutputPath": f"s3://{BUCKET}/out/{self.name}"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )

        def look() -> dict[str, Any] | None:
            told: dict[str, Any] = self.sm.describe_transform_job(TransformJobName=self.name)
            return told if told["TransformJobStatus"] in {"Completed", "Failed"} else None

        found: dict[str, Any] = until(look, "the end of the transform job")
        return found

    def delete(self) -> None:
        self.sm.delete_endpoint(EndpointName=self.name)
        until(lambda: not self.sm.list_endpoints(NameContains=self.name)["Endpoints"], "the endpoint to be gone")


@pytest.fixture
def deploy(platform: Platform) -> Iterator[Any]:
    platform.client("s3").create_bucket(Bucket=BUCKET)
    made: list[Deployed] = []

    def one(data: bytes) -> Deployed:
        made.append(Deployed(platform, data))
        return made[-1]

    yield one
    for each in made:
        each.delete()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (MODEL_FN_RAISES, "ValueError: the weights are of another kingdom"),
        (DOES_NOT_COMPILE, "SyntaxError"),
        ("def predict(", "SyntaxError"),
        ("raise SystemExit('no licence')", "no licence"),
        ("import a_module_that_nobody_has", "a_module_that_nobody_has"),
    ],
)
def test_a_model_that_does_not_load_fails_the_endpoint_in_its_own_words(deploy: Any, script: str, words: str) -> None:
    told = deploy(archive({"model.txt": "m", "code/inference.py": script})).settled()
    assert told["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in told["FailureReason"]
    assert words in told["FailureReason"]


WHOLE = archive({"model.txt": "m" * 5000, "code/inference.py": "def model_fn(folder): return None"})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>not an archive</html>",
        WHOLE[:-30],
        WHOLE[:40] + b"\x00" * 40 + WHOLE[80:],
        archive({"../../escaped": "x"}),
        archive({"/escaped": "x"}),
    ],
    ids=["empty", "html", "cut off", "damaged", "leads out", "absolute"],
)
def test_data_that_do_not_unpack_fail_the_endpoint_and_leave_nothing(deploy: Any, data: bytes) -> None:
    endpoint = deploy(data)
    told = endpoint.settled()
    assert told["EndpointStatus"] == "Failed"
    assert (
        f'Failed to extract model data archive for container "container_1" from URL "s3://{BUCKET}/'
        in (told["FailureReason"])
    )
    assert not found_below(endpoint.platform.data.parent, "escaped")


def test_a_model_that_raises_answers_with_an_error_of_the_model_and_goes_on(deploy: Any) -> None:
    """Its request, and a transform job, fail with what it says; the endpoint stays in service."""
    endpoint = deploy(archive({"code/inference.py": PREDICT_FN_RAISES}))
    assert endpoint.settled()["EndpointStatus"] == "InService"
    runtime = endpoint.platform.client("sagemaker-runtime")
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            runtime.invoke_endpoint(EndpointName=endpoint.name, Body=b"1,2", ContentType="text/csv")
        told: Any = error.value.response
        assert (told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
        assert "no such column: petal" in told["OriginalMessage"]
    assert endpoint.settled()["EndpointStatus"] == "InService"
    job = endpoint.transform()
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError")
    listed = endpoint.platform.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"out/{endpoint.name}")
    assert listed["KeyCount"] == 0, "an object that failed has no output"
