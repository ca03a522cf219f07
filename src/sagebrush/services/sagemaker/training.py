"""Training jobs: what is asked for. How it is carried out stands in `training_run`."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, checkpoints, jobs
from sagebrush.services.sagemaker.instances import check_instance
from sagebrush.services.sagemaker.service import in_use, missing, service
from sagebrush.services.sagemaker.transitions import entered

TrainingJob = service.resource(
    "TrainingJob",
    jobs.lifecycle("TrainingJob", "Training"),
    slug="training-job",
    verbs=("Create", "Describe", "List"),
    missing=missing("Requested resource not found."),
    duplicate=in_use(
        "Training job names must be unique within an AWS account and region, and a training job with this name"
        " already exists ({arn})"
    ),
    descending=False,
    filters={"WarmPoolStatusEquals": "$.WarmPoolStatus.Status"},
    refuses={
        "AlgorithmSpecification.AlgorithmName": "give a TrainingImage",
        "ResourceConfig.InstanceGroups": "give InstanceType and InstanceCount",
        "ResourceConfig.KeepAlivePeriodInSeconds": "there are no warm pools yet",
        "ResourceConfig.TrainingPlanArn": "there are no training plans",
        "ResourceConfig.InstancePlacementConfig": "there is one machine",
        "ResourceConfig.InstancePreferences": "give InstanceType and InstanceCount",
        "ResourceConfig.SelectedInstanceType": "give InstanceType",
        "ResourceConfig.SelectedInstanceCount": "give InstanceCount",
        "InputDataConfig[].DataSource.FileSystemDataSource": "put the data in S3",
        "InputDataConfig[].DataSource.DatasetSource": "put the data in S3",
        "InputDataConfig[].ShuffleConfig": "it needs Pipe mode",
        "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig": "there is no hub",
        "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig": "there are no gated models",
        "InputDataConfig[].DataSource.S3DataSource.InstanceGroupNames": "give InstanceType and InstanceCount",
        "InputDataConfig[].DataSource.S3DataSource.AttributeNames": "they belong to an AugmentedManifestFile",
        "DebugRuleConfigurations": "there are no debugger rules yet",
        "ProfilerRuleConfigurations": "there are no profiler rules yet",
        "TensorBoardOutputConfig": "write to /opt/ml/output/data instead",
        "ExperimentConfig": "there are no experiments yet",
        "RemoteDebugConfig.EnableRemoteDebug": "there is no session manager",
        "ServerlessJobConfig": "give a TrainingImage",
        "MlflowConfig": "there is no MLflow server",
        "ModelPackageConfig": "there is no model registry yet",
    },
    recorded=(
        "OutputDataConfig.KmsKeyId",
        "ResourceConfig.VolumeKmsKeyId",
        "ResourceConfig.VolumeSizeInGB",
        "VpcConfig",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
        "StoppingCondition.MaxPendingTimeInSeconds",
        "AlgorithmSpecification.TrainingImageConfig",
        "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries",
        "InfraCheckConfig",
        "ProfilerConfig",
        "DebugHookConfig",
        "SessionChainingConfig",
    ),
)


_DAY = 86400
_OWN = tuple(PurePosixPath("/opt/ml", name) for name in ("input", "model", "output", "code"))
"""What of a training container has another use than checkpoints."""


@TrainingJob.on_create
def check(call: Call, job: Record) -> Record:
    """Refuse what botocore's shapes cannot express, and fill in what Describe shows of members left out."""
    call.may_pass(job["RoleArn"])
    algorithm: Body = job.get("AlgorithmSpecification", {})
    if "TrainingImage" not in algorithm:
        raise validation("You must specify either TrainingImage or AlgorithmName in AlgorithmSpecification.")
    for member in ("ResourceConfig", "StoppingCondition"):
        if member not in job:
            raise validation(f"{member} is required for a training job.")
    _metrics(algorithm.get("MetricDefinitions", ()))
    _channels(job.get("InputDataConfig", ()), algorithm["TrainingInputMode"])
    stopping: Body = {"MaxRuntimeInSeconds": _DAY, **job["StoppingCondition"]}
    _spot(stopping, spot=job.get("EnableManagedSpotTraining", False))
    _resources(job["ResourceConfig"])
    _checkpoints(job.get("CheckpointConfig"))
    channels.check(job["OutputDataConfig"]["S3OutputPath"])
    described = job.having(
        AlgorithmSpecification={"EnableSageMakerMetricsTimeSeries": False, **algorithm},
        InputDataConfig=[_described(channel) for channel in job.get("InputDataConfig", ())],
        OutputDataConfig={"KmsKeyId": "", "CompressionType": "GZIP", **job["OutputDataConfig"]},
        StoppingCondition=stopping,
        EnableNetworkIsolation=job.get("EnableNetworkIsolation", False),
        EnableInterContainerTrafficEncryption=job.get("EnableInterContainerTrafficEncryption", False),
        EnableManagedSpotTraining=job.get("EnableManagedSpotTraining", False),
        ProfilingStatus="Disabled",
    )
    return entered(jobs.tidy(described), "Starting", job.created)


def _described(channel: Body) -> Body:
    source: Body = {"S3DataDistributionType": "FullyReplicated", **channel["DataSource"]["S3DataSource"]}
    defaults = {"CompressionType": "None", "RecordWrapperType": "None"}
    return {**defaults, **channel, "DataSource": {"S3DataSource": source}}


def _metrics(definitions: Iterable[Body]) -> None:
    for definition in definitions:
        try:
            groups = re.compile(definition["Regex"]).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise validation(f"Invalid regex {definition['Regex']!r} of metric {definition['Name']}: {error}") from None
        if groups < 1:
            raise validation(f"The regex of metric {definition['Name']} must have a group that captures the value.")


def _channels(given: Iterable[Body], mode: str) -> None:
    names = [channel["ChannelName"] for channel in given]
    if len(names) != len(set(names)):
        raise validation("Channel names must be unique within InputDataConfig.")
    for channel in given:
        where = f"channel {channel['ChannelName']}"
        if channel["ChannelName"] in (".", ".."):
            raise validation(f"ChannelName {channel['ChannelName']} does not name a folder of its own.")
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise validation(f"DataSource of {where} must have an S3DataSource.")
        channels.check(source["S3Uri"])
        wanted = channel.get("InputMode", mode)
        if wanted == "Pipe":
            raise validation(f"InputMode Pipe ({where}) is not supported by this platform yet.")
        if source["S3DataType"] == "AugmentedManifestFile":
            raise validation(f"AugmentedManifestFile ({where}) requires InputMode Pipe.")
        if source["S3DataType"] == "Converse":
            raise validation(f"S3DataType Converse ({where}) is not supported by this platform.")
        if wanted == "FastFile" and source["S3DataType"] != "S3Prefix":
            raise validation(f"InputMode FastFile ({where}) requires S3DataType S3Prefix.")
        if channel.get("RecordWrapperType", "None") != "None":
            raise validation(f"RecordWrapperType RecordIO ({where}) requires InputMode Pipe.")


def _resources(resources: Body) -> None:
    if not resources.get("InstanceCount"):
        raise validation("ResourceConfig.InstanceCount must be at least 1.")
    jobs.instance_count(resources)
    check_instance(resources.get("InstanceType"), "ResourceConfig.InstanceType")


def _spot(stopping: Body, *, spot: bool) -> None:
    wait = stopping.get("MaxWaitTimeInSeconds")
    if wait is not None and not spot:
        raise validation("MaxWaitTimeInSeconds can only be given when EnableManagedSpotTraining is true.")
    if spot and (wait is None or wait < stopping["MaxRuntimeInSeconds"]):
        raise validation(
            "MaxWaitTimeInSeconds must be given, and be no less than MaxRuntimeInSeconds, when"
            " EnableManagedSpotTraining is true."
        )


def _checkpoints(config: Body | None) -> None:
    if config is None:
        return
    channels.check(config["S3Uri"])
    path = PurePosixPath(config.get("LocalPath", checkpoints.LOCAL))
    taken = any(path.is_relative_to(own) or own.is_relative_to(path) for own in _OWN)
    if not path.is_absolute() or ".." in path.parts or taken:
        raise validation(
            f"LocalPath {path} of CheckpointConfig must be an absolute path that neither lies in nor holds"
            f" {', '.join(map(str, _OWN))}."
        )


@service.operation
def stop_training_job(call: Call) -> Result:
    """Have the job stop: SIGTERM, 120 seconds of grace, SIGKILL; what lies in /opt/ml/model is kept."""
    return jobs.stop(TrainingJob, call, "training", lambda job: entered(job, "Stopping", call.now))
