"""How long a user waits: CreateTrainingJob to the script's first line, CreateEndpoint to InService.

    .venv/bin/python benchmarks/jobs.py [--rounds 7]

Both are measured as a client sees them, through boto3 that looks every 5 ms; beside them, in the same run, the floor:
the same script started by hand in the same environment. For comparison, SageMaker itself takes a median of 178 s to
the first line (about 20 s with a warm pool) and 5 minutes to InService.
"""

import argparse
import io
import subprocess
import tarfile
import time
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

from botocore.exceptions import ClientError
from harness import Server, ours

from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.compute.images import Images

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SCRIPT = "print('first line', flush=True)\nopen('/opt/ml/model/model.txt', 'w').write('x')\n"
SERVE = "def model_fn(directory):\n    return 1\n\n\ndef predict_fn(data, model):\n    return data\n"
GROUP = "/aws/sagemaker/TrainingJobs"


def archive(**files: str) -> bytes:
    """Return a tar.gz of texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/") + (".py" if name != "model" else ".txt"))
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def first_line(server: Server, number: int) -> tuple[float, float]:
    """Return seconds from CreateTrainingJob to the script's first line in the log, and to Completed."""
    sagemaker, logs = server.client("sagemaker"), server.client("logs")
    name = f"job-{number}"
    began = time.perf_counter()
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "s3://bench/sourcedir.tar.gz",
        },
        OutputDataConfig={"S3OutputPath": "s3://bench/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    while not _said(logs, name, "first line"):
        Event().wait(0.005)
    seen = time.perf_counter() - began
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        Event().wait(0.005)
    assert job["TrainingJobStatus"] == "Completed", job
    return seen, time.perf_counter() - began


def _said(logs: Any, job: str, text: str) -> bool:
    try:
        found = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")["events"]
    except ClientError:
        return False
    return any(event["message"] == text for event in found)


def in_service(server: Server, number: int) -> float:
    """Return seconds from CreateEndpoint to InService; the endpoint is removed again."""
    sagemaker = server.client("sagemaker")
    name = f"endpoint-{number}"
    began = time.perf_counter()
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="config")
    while (found := sagemaker.describe_endpoint(EndpointName=name))["EndpointStatus"] == "Creating":
        Event().wait(0.005)
    seen = time.perf_counter() - began
    assert found["EndpointStatus"] == "InService", found
    sagemaker.delete_endpoint(EndpointName=name)
    return seen


def by_hand(python: Path) -> float:
    """Return seconds from starting an interpreter of the image's environment to its first line."""
    began = time.perf_counter()
    with subprocess.Popen([python, "-c", SCRIPT.splitlines()[0]], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return time.perf_counter() - began


def prepare(server: Server) -> None:
    """Put code and model into S3; make the endpoint's configuration."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.create_bucket(Bucket="bench")
    s3.put_object(Bucket="bench", Key="sourcedir.tar.gz", Body=archive(train=SCRIPT))
    s3.put_object(Bucket="bench", Key="model.tar.gz", Body=archive(model="x", code__inference=SERVE))
    container = {"Image": IMAGE, "ModelDataUrl": "s3://bench/model.tar.gz"}
    container["Environment"] = {"SAGEMAKER_PROGRAM": "inference.py"}  # type: ignore[assignment]
    sagemaker.create_model(ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": "model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[variant])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    images = Images(Settings().cache)
    image = images.resolve(IMAGE)
    assert image is not None
    python = images.build(image).python
    figures: dict[str, list[float]] = {}
    with ours() as server:
        prepare(server)
        for number in range(-1, rounds):  # the first round warms the file cache and does not count
            line, done = first_line(server, number)
            taken = {
                "script's first line, by hand": by_hand(python),
                "CreateTrainingJob to the first line": line,
                "CreateTrainingJob to Completed": done,
                "CreateEndpoint to InService": in_service(server, number),
            }
            for what, seconds in taken.items() if number >= 0 else ():
                figures.setdefault(what, []).append(seconds)
    for what, values in figures.items():
        print(f"{what:<38} median {median(values):.3f} s   ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
