"""What the tests of jobs share: a platform in a server process, and jobs whose containers run a test's own scripts."""

import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform, until

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
TRAINING, PROCESSING = "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs"
ENDED = ("Completed", "Failed", "Stopped")
CODE = "/opt/ml/input/data/code/run.py"


def archive(files: dict[str, str]) -> bytes:
    """Return a tar.gz with these files."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return held.getvalue()


def unpacked(data: bytes) -> dict[str, str]:
    """Return the regular files of a tar.gz by name."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        read = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        return {name: content.read().decode() for name, content in read.items() if content}


def refusal(error: "pytest.ExceptionInfo[ClientError]") -> tuple[str, str]:
    """Return the code and the message of a refusal."""
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


def statuses(job: dict[str, Any]) -> list[str]:
    """Return the secondary statuses that a training job went through."""
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]


def channel(name: str, uri: str, kind: str = "S3Prefix", **more: Any) -> dict[str, Any]:
    """Return a channel of a training job."""
    source = {"S3DataType": kind, "S3Uri": uri}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}


def output(name: str, place: str, **more: Any) -> dict[str, Any]:
    """Return an output of a processing job, below /opt/ml/processing."""
    target = {"S3Uri": "s3://x/y", "LocalPath": f"/opt/ml/processing/{place}", "S3UploadMode": "EndOfJob", **more}
    return {"OutputName": name, "S3Output": target}


@dataclass
class Jobs:
    """A platform and a bucket of its own. Names of jobs are the tests' own; they must differ between modules."""

    platform: Platform
    bucket: str
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.s3.create_bucket(Bucket=self.bucket)

    @property
    def sm(self) -> Any:
        """The control plane."""
        return self.platform.client("sagemaker")

    @property
    def s3(self) -> Any:
        """S3."""
        return self.platform.client("s3")

    def put(self, key: str, body: bytes | str) -> str:
        """Store an object and return its URI."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return self.uri(key)

    def get(self, key: str) -> bytes:
        """Return an object."""
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a prefix, without it."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [found["Key"].removeprefix(prefix) for found in listed]

    def uri(self, key: str) -> str:
        """Return the URI of a key."""
        return f"s3://{self.bucket}/{key}"

    # ------------------------------------------------------------------ training

    def request(self, name: str, **more: Any) -> dict[str, Any]:
        """Return a CreateTrainingJob request; `more` are members of it, and of AlgorithmSpecification."""
        own = ("TrainingImage", "TrainingInputMode", "ContainerEntrypoint", "ContainerArguments", "MetricDefinitions")
        algorithm = {member: more.pop(member) for member in own if member in more}
        asked = {
            "TrainingJobName": name,
            "RoleArn": self.platform.role,
            "AlgorithmSpecification": {"TrainingImage": SKLEARN, "TrainingInputMode": "File", **algorithm},
            "OutputDataConfig": {"S3OutputPath": self.uri("out")},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **more,
        }
        return {member: value for member, value in asked.items() if value is not None}

    def train(self, name: str, script: str = "", **more: Any) -> str:
        """Create a training job that runs a Python script; without one, what `more` says."""
        if script:
            code = channel("code", self.put(f"code/{name}/run.py", script))
            more["InputDataConfig"] = [code, *more.get("InputDataConfig", ())]
            more.setdefault("ContainerEntrypoint", ["python", CODE])
        self.sm.create_training_job(**self.request(name, **more))
        return name

    def training(self, name: str) -> dict[str, Any]:
        """Return what DescribeTrainingJob shows."""
        return dict(self.sm.describe_training_job(TrainingJobName=name))

    def trained(self, name: str, status: str = "Completed") -> dict[str, Any]:
        """Wait for the end of a training job, which must be `status`; return its description."""
        return self._ended(self.training, name, "TrainingJobStatus", status)

    def model(self, name: str, archived: str = "model.tar.gz") -> dict[str, str]:
        """Return the files of a job's model."""
        return unpacked(self.get(f"out/{name}/output/{archived}"))

    def told(self, name: str, file: str = "told.json") -> Any:
        """Wait for a job and return the JSON file that its script left in the model."""
        self.trained(name)
        return json.loads(self.model(name)[file])

    # ------------------------------------------------------------------ processing

    def process(self, name: str, script: str = "", **more: Any) -> str:
        """Create a processing job that runs a Python script; without one, what `more` says."""
        own = ("ImageUri", "ContainerEntrypoint", "ContainerArguments")
        app = {"ImageUri": SKLEARN, **{member: more.pop(member) for member in own if member in more}}
        if script:
            local = "/opt/ml/processing/input/code"
            source = {"S3Uri": self.put(f"code/{name}/run.py", script), "LocalPath": local, "S3DataType": "S3Prefix"}
            more["ProcessingInputs"] = [{"InputName": "code", "S3Input": source}, *more.get("ProcessingInputs", ())]
            app.setdefault("ContainerEntrypoint", ["python3", f"{local}/run.py"])
        cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        self.sm.create_processing_job(
            **{
                "ProcessingJobName": name,
                "RoleArn": self.platform.role,
                "AppSpecification": app,
                "ProcessingResources": {"ClusterConfig": cluster},
                **more,
            }
        )
        return name

    def processing(self, name: str) -> dict[str, Any]:
        """Return what DescribeProcessingJob shows."""
        return dict(self.sm.describe_processing_job(ProcessingJobName=name))

    def processed(self, name: str, status: str = "Completed") -> dict[str, Any]:
        """Wait for the end of a processing job, which must be `status`; return its description."""
        return self._ended(self.processing, name, "ProcessingJobStatus", status)

    def input(self, name: str, prefix: str, local: str, **more: Any) -> dict[str, Any]:
        """Return an input of a processing job, below /opt/ml/processing."""
        source = {"S3Uri": self.uri(prefix), "LocalPath": f"/opt/ml/processing/{local}", "S3DataType": "S3Prefix"}
        return {"InputName": name, "S3Input": {**source, **more}}

    def outputs(self, mode: str = "EndOfJob", /, **places: str) -> dict[str, Any]:
        """Return the outputs of a processing job: name=place below /opt/ml/processing. They go to `made/<name>`."""
        target = {name: {"S3Uri": self.uri(f"made/{name}"), "S3UploadMode": mode} for name in places}
        return {
            "Outputs": [
                {"OutputName": name, "S3Output": {**target[name], "LocalPath": f"/opt/ml/processing/{place}"}}
                for name, place in places.items()
            ]
        }

    # ------------------------------------------------------------------ what happened

    def _ended(self, describe: Any, name: str, member: str, status: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job: dict[str, Any] = describe(name)
            return job if job[member] in ENDED else None

        key = f"{member}/{name}"
        if key not in self.seen:
            self.seen[key] = until(look, f"the end of {name}")
        job = self.seen[key]
        assert job[member] == status, (job[member], job.get("FailureReason"), self.lines(name))
        return dict(job)

    def streams(self, name: str, group: str = TRAINING) -> list[str]:
        """Return the names of a job's log streams."""
        logs = self.platform.client("logs")
        try:
            found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceNotFoundException", error
            return []
        return [stream["logStreamName"] for stream in found]

    def lines(self, name: str, group: str = TRAINING) -> list[str]:
        """Return what a job has written so far."""
        logs = self.platform.client("logs")
        return [
            event["message"]
            for stream in self.streams(name, group)
            for event in logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        ]

    def wait_for_line(self, name: str, line: str, group: str = TRAINING) -> None:
        """Wait until a job has written a line."""
        until(lambda: line in self.lines(name, group), f"{line!r} of {name}")

    def task(self, job: dict[str, Any]) -> Path:
        """Return the directory of the task that runs a job: the one whose specification names it as its owner."""
        arn = job.get("TrainingJobArn") or job["ProcessingJobArn"]

        def look() -> Path | None:
            for told in (self.platform.data / "tasks").glob("*/task.json"):
                if json.loads(told.read_bytes())["spec"]["owner"] == arn:
                    return told.parent
            return None

        return Path(until(look, f"the task of {arn}"))
