"""Names that are paths to somewhere else: refused or taken for names; nothing outside of the job is read or written."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform, until
from tests.scenarios.bad_known import IMAGE, found_below

ENDED = {"Completed", "Failed", "Stopped"}
RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}


class Jobs:
    """A platform with a bucket of the test's own."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.sm = platform.client("sagemaker")
        self.s3 = platform.client("s3")
        self.bucket = f"paths-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.put("data/kept.txt")

    def put(self, key: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"x")

    def train(self, **more: Any) -> dict[str, Any]:
        """Run a training job to its end and return its description."""
        name = f"job-{uuid.uuid4().hex[:8]}"
        given = {"ContainerEntrypoint": ["true"], "TrainingImage": IMAGE, "TrainingInputMode": "File"}
        self.sm.create_training_job(
            TrainingJobName=name,
            RoleArn=self.platform.role,
            AlgorithmSpecification={**given, **more.pop("AlgorithmSpecification", {})},
            OutputDataConfig={"S3OutputPath": f"s3://{self.bucket}/out"},
            ResourceConfig=RESOURCES,
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            **more,
        )
        return self._end(lambda: self.sm.describe_training_job(TrainingJobName=name), "TrainingJobStatus")

    def process(self, command: list[str], **more: Any) -> dict[str, Any]:
        """Run a processing job to its end and return its description."""
        name = f"job-{uuid.uuid4().hex[:8]}"
        self.sm.create_processing_job(
            ProcessingJobName=name,
            RoleArn=self.platform.role,
            AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": command},
            ProcessingResources={"ClusterConfig": RESOURCES},
            **more,
        )
        return self._end(lambda: self.sm.describe_processing_job(ProcessingJobName=name), "ProcessingJobStatus")

    def _end(self, describe: Callable[[], dict[str, Any]], status: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            told = describe()
            return told if told[status] in ENDED else None

        found: dict[str, Any] = until(look, "the end of the job")
        return found

    def channel(self, name: str, prefix: str) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{prefix}"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}}

    def escaped(self) -> list[Path]:
        """Return the files that a job wrote where it must not."""
        return found_below(self.platform.data.parent, "escaped")


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    return Jobs(platform)


@pytest.mark.parametrize("key", ["../../../../escaped", "a/../../../../../escaped", "a\x00escaped"])
@pytest.mark.parametrize("place", ["channel", "checkpoints"])
def test_an_object_whose_key_leads_out_of_its_folder_fails_the_job(jobs: Jobs, key: str, place: str) -> None:
    prefix = f"{uuid.uuid4().hex[:8]}"
    jobs.put(f"{prefix}/{key}")
    if place == "channel":
        job = jobs.train(InputDataConfig=[jobs.channel("train", f"{prefix}/")])
    else:
        job = jobs.train(CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/{prefix}"})
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: The S3 key")
    assert not jobs.escaped()


def test_an_absolute_key_stays_below_its_channel(jobs: Jobs) -> None:
    prefix = uuid.uuid4().hex[:8]
    jobs.put(f"{prefix}//tmp/escaped")
    test = ["test", "-f", "/opt/ml/input/data/train/tmp/escaped"]
    job = jobs.train(
        InputDataConfig=[jobs.channel("train", f"{prefix}/")], AlgorithmSpecification={"ContainerEntrypoint": test}
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert not Path("/tmp/escaped").exists()


@pytest.mark.parametrize("name", [".", ".."])
def test_a_channel_that_is_no_folder_of_its_own_is_refused(jobs: Jobs, name: str) -> None:
    with pytest.raises(ClientError, match=r"\(ValidationException\).*ChannelName"):
        jobs.train(InputDataConfig=[jobs.channel(name, "data/")])


@pytest.mark.parametrize("name", ["../../../../../objects", "{precious}", "..", "a/b", "\n", "é" * 100])
def test_the_name_of_an_input_is_a_name_whatever_it_looks_like(jobs: Jobs, tmp_path: Path, name: str) -> None:
    """SageMaker lets inputs of processing jobs be called anything; a folder of that path must not be touched."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    objects = {path for path in (jobs.platform.data / "objects").rglob("*") if path.is_file()}
    target = "/opt/ml/processing/in"
    given = {"S3Uri": f"s3://{jobs.bucket}/data/", "LocalPath": target, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    job = jobs.process(
        ["test", "-f", f"{target}/kept.txt"],
        ProcessingInputs=[{"InputName": name.format(precious=precious), "S3Input": given}],
    )
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert (precious / "file").read_text() == "kept"
    assert objects <= {path for path in (jobs.platform.data / "objects").rglob("*") if path.is_file()}


_OPTION = "x\x00--bind\x00/\x00/machine"
"""What would, in a list separated by NUL, be one more option of the sandbox."""


def test_a_nul_is_refused_by_name_wherever_a_container_would_get_it(jobs: Jobs) -> None:
    container = {"Image": IMAGE, "Environment": {"A": _OPTION}}
    calls: dict[str, Callable[[], Any]] = {
        "PrimaryContainer.Environment.A": lambda: jobs.sm.create_model(
            ModelName="nul", PrimaryContainer=container, ExecutionRoleArn=jobs.platform.role
        ),
        "Environment.A": lambda: jobs.train(Environment={"A": _OPTION}),
        "HyperParameters.a": lambda: jobs.train(HyperParameters={"a": _OPTION}),
        r"AlgorithmSpecification.ContainerEntrypoint\[\]": lambda: jobs.train(
            AlgorithmSpecification={"ContainerEntrypoint": ["true", _OPTION]}
        ),
        "CheckpointConfig.LocalPath": lambda: jobs.train(
            CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/ck", "LocalPath": f"/{_OPTION}"}
        ),
        r"AppSpecification.ContainerEntrypoint\[\]": lambda: jobs.process(["true", _OPTION]),
    }
    for path, call in calls.items():
        with pytest.raises(ClientError, match=rf"\(ValidationException\).*{path} must not contain the character NUL"):
            call()


def test_the_servers_log_has_nothing_of_all_that(jobs: Jobs) -> None:
    assert "failed\nTraceback" not in jobs.platform.log()
