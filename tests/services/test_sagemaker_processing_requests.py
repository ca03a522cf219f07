"""What CreateProcessingJob refuses, and that nothing is written when it does."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform
from tests.services.jobs_help import Jobs, output, refusal

from sagebrush.services.sagemaker.processing import ProcessingJob

URI = "s3://requests/x"


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    return Jobs(platform, "processing-requests")


def input_(**more: Any) -> dict[str, Any]:
    return {
        "InputName": "a",
        "S3Input": {"S3Uri": URI, "LocalPath": "/opt/ml/processing/a", "S3DataType": "S3Prefix", **more},
    }


def cluster(**more: Any) -> dict[str, Any]:
    return {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, **more}
        }
    }


ATHENA = {"Catalog": "c", "Database": "d", "QueryString": "q", "OutputS3Uri": URI, "OutputFormat": "PARQUET"}

REFUSED: dict[str, dict[str, Any]] = {
    "ProcessingInputs[].DatasetDefinition": {
        "ProcessingInputs": [{"InputName": "a", "DatasetDefinition": {"AthenaDatasetDefinition": ATHENA}}]
    },
    "ProcessingOutputConfig.Outputs[].FeatureStoreOutput": {
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "o", "FeatureStoreOutput": {"FeatureGroupName": "g"}}]}
    },
    "ExperimentConfig": {"ExperimentConfig": {"ExperimentName": "e"}},
    "ProcessingResources.ClusterConfig.InstancePreferences": cluster(InstancePreferences=[{"InstanceType": "ml.m5.large"}]),
    "ProcessingResources.ClusterConfig.SelectedInstanceType": cluster(SelectedInstanceType="ml.m5.large"),
    "ProcessingResources.ClusterConfig.SelectedInstanceCount": cluster(SelectedInstanceCount=1),
}  # fmt: skip

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "outside": ({"ProcessingInputs": [input_(LocalPath="/tmp/a")]}, "must be under /opt/ml/processing"),
    "climbs": ({"ProcessingInputs": [input_(LocalPath="/opt/ml/processing/../x")]}, "must be under /opt/ml/processing"),
    "nowhere": ({"ProcessingInputs": [{"InputName": "a", "S3Input": {"S3Uri": URI, "S3DataType": "S3Prefix"}}]}, "must be under"),
    "output outside": ({"ProcessingOutputConfig": {"Outputs": [output("o", "o", LocalPath="/opt/ml/model")]}}, "must be under"),
    "same place": (
        {"ProcessingInputs": [input_(), {**input_(LocalPath="/opt/ml/processing/a/"), "InputName": "b"}]},
        "LocalPath of inputs must be unique",
    ),
    "same input": ({"ProcessingInputs": [input_(), input_(LocalPath="/opt/ml/processing/b")]}, "InputName must be unique"),
    "same output": ({"ProcessingOutputConfig": {"Outputs": [output("o", "a"), output("o", "b")]}}, "OutputName must be unique"),
    "nothing in": ({"ProcessingInputs": [{"InputName": "a"}]}, "S3Input or a DatasetDefinition"),
    "nothing out": ({"ProcessingOutputConfig": {"Outputs": [{"OutputName": "o"}]}}, "S3Output or a FeatureStoreOutput"),
    "pipe": ({"ProcessingInputs": [input_(S3InputMode="Pipe")]}, "S3InputMode Pipe"),
    "gzip": ({"ProcessingInputs": [input_(S3CompressionType="Gzip")]}, "requires S3InputMode Pipe"),
    "web input": ({"ProcessingInputs": [input_(S3Uri="https://example.com/x")]}, "Invalid S3 URI"),
    "web output": ({"ProcessingOutputConfig": {"Outputs": [output("o", "o", S3Uri="https://example.com/x")]}}, "Invalid S3 URI"),
    "two instances": (cluster(InstanceCount=2), "InstanceCount greater than 1"),
    "eleven inputs": ({"ProcessingInputs": [{**input_(), "InputName": str(n)} for n in range(11)]}, "processingInputs"),
    "nul": ({"Environment": {"A": "b\0c"}}, "must not contain the character NUL"),
    "unknown role": ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
}  # fmt: skip


def test_there_is_an_example_of_every_member_that_processing_refuses() -> None:
    assert set(REFUSED) == set(ProcessingJob.refuses)


@pytest.mark.parametrize("case", [*WRONG, *REFUSED])
def test_a_processing_job_that_cannot_be_done_as_asked_is_refused_by_name(jobs: Jobs, case: str) -> None:
    asked, told = WRONG.get(case) or (REFUSED[case], case)
    with pytest.raises(ClientError) as error:
        jobs.process("refused", ContainerEntrypoint=["true"], **asked)
    code, message = refusal(error)
    assert code == "ValidationException"
    assert told in message
    with pytest.raises(ClientError, match="Could not find requested job with name: refused"):
        jobs.processing("refused")
