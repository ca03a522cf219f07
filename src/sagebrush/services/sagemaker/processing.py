"""Processing jobs: what is asked for. How it is carried out stands in `processing_run`."""

from pathlib import PurePosixPath
from typing import Any

from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, jobs
from sagebrush.services.sagemaker.instances import check_instance
from sagebrush.services.sagemaker.service import in_use, missing, service

LOCAL = PurePosixPath("/opt/ml/processing")

ProcessingJob = service.resource(
    "ProcessingJob",
    jobs.lifecycle("ProcessingJob", "Processing"),
    slug="processing-job",
    verbs=("Create", "Describe", "List"),
    missing=missing("Could not find requested job with name: {name}"),
    duplicate=in_use(
        "Processing job names must be unique within an AWS account and region, and a processing job with this name"
        " already exists ({arn})"
    ),
    descending=False,
    refuses={
        "ProcessingInputs[].DatasetDefinition": "there is no Athena or Redshift yet; give an S3Input",
        "ProcessingOutputConfig.Outputs[].FeatureStoreOutput": "there is no feature store yet; give an S3Output",
        "ExperimentConfig": "there are no experiments yet",
        "ProcessingResources.ClusterConfig.InstancePreferences": "give InstanceType and InstanceCount",
        "ProcessingResources.ClusterConfig.SelectedInstanceType": "give InstanceType",
        "ProcessingResources.ClusterConfig.SelectedInstanceCount": "give InstanceCount",
    },
    recorded=(
        "ProcessingOutputConfig.KmsKeyId",
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId",
        "ProcessingResources.ClusterConfig.VolumeSizeInGB",
        "NetworkConfig.VpcConfig",
        "NetworkConfig.EnableInterContainerTrafficEncryption",
    ),
)


@ProcessingJob.on_create
def check(call: Call, job: Record) -> Record:
    """Refuse what botocore's shapes cannot express, and fill in the defaults that Describe shows."""
    call.may_pass(job["RoleArn"])
    cluster: Body = job["ProcessingResources"].get("ClusterConfig", {})
    if not cluster:
        raise validation("ProcessingResources must have a ClusterConfig.")
    jobs.instance_count(cluster)
    check_instance(cluster.get("InstanceType"), "ProcessingResources.ClusterConfig.InstanceType")
    inputs = [_input(given) for given in job.get("ProcessingInputs", ())]
    output: Body = job.get("ProcessingOutputConfig", {})
    outputs = [_output(given) for given in output.get("Outputs", ())]
    _unique("InputName", [given["InputName"] for given in inputs])
    _unique("OutputName", [given["OutputName"] for given in outputs])
    places = [given["S3Input"]["LocalPath"] for given in inputs if not given["AppManaged"]]
    _unique("LocalPath of inputs", [str(PurePosixPath(place)) for place in places])
    described = job.having(
        ProcessingInputs=inputs,
        ProcessingOutputConfig={**output, "Outputs": outputs} if output else None,
        StoppingCondition={"MaxRuntimeInSeconds": 86400, **job.get("StoppingCondition", {})},
    )
    return jobs.tidy(described)


def _input(given: Body) -> Body:
    name = given["InputName"]
    source: Body | None = given.get("S3Input")
    if source is None:
        raise validation(f"Processing input {name} must have either an S3Input or a DatasetDefinition.")
    managed = given.get("AppManaged", False)
    if source.get("S3InputMode", "File") == "Pipe":
        raise validation(f"S3InputMode Pipe (input {name}) is not supported by this platform yet.")
    if source.get("S3CompressionType", "None") != "None":
        raise validation(f"S3CompressionType Gzip (input {name}) requires S3InputMode Pipe.")
    if not managed:
        _local(source.get("LocalPath"), f"input {name}")
        channels.check(source["S3Uri"])
    defaults = {"S3InputMode": "File", "S3DataDistributionType": "FullyReplicated", "S3CompressionType": "None"}
    return {**given, "AppManaged": managed, "S3Input": {**defaults, **source}}


def _output(given: Body) -> Body:
    name = given["OutputName"]
    target: Body | None = given.get("S3Output")
    if target is None:
        raise validation(f"Processing output {name} must have either an S3Output or a FeatureStoreOutput.")
    managed = given.get("AppManaged", False)
    if not managed:
        _local(target.get("LocalPath"), f"output {name}")
        channels.check(target["S3Uri"])
    return {**given, "AppManaged": managed, "S3Output": target}


def _local(path: Any, where: str) -> None:
    parts = PurePosixPath(path or "")
    if not parts.is_relative_to(LOCAL) or ".." in parts.parts:
        raise validation(f"LocalPath {path} ({where}) must be under {LOCAL}.")


def _unique(member: str, values: list[str]) -> None:
    if len(values) != len(set(values)):
        raise validation(f"{member} must be unique within a processing job.")


@service.operation
def stop_processing_job(call: Call) -> Result:
    """Have the job stop: SIGTERM, 120 seconds of grace, SIGKILL; outputs that are there are uploaded."""
    return jobs.stop(ProcessingJob, call, "processing")
