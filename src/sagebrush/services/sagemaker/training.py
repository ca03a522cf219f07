"""Training jobs: what is asked for. How it is carried out stands in `training_run`."""

import re
from typing import Any

from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, jobs
from sagebrush.services.sagemaker.instances import check_instance
from sagebrush.services.sagemaker.service import in_use, missing, service

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
        "InputDataConfig[].DataSource.FileSystemDataSource": "put the data in S3",
        "InputDataConfig[].DataSource.DatasetSource": "put the data in S3",
        "InputDataConfig[].ShuffleConfig": "it needs Pipe mode",
        "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig": "there is no hub",
        "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig": "there are no gated models",
        "InputDataConfig[].DataSource.S3DataSource.InstanceGroupNames": "give InstanceType and InstanceCount",
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


@TrainingJob.on_create
def check(call: Call, job: Record) -> Record:
    """Refuse what botocore's shapes cannot express, and fill in what Describe shows of members left out."""
    call.may_pass(job["RoleArn"])
    algorithm: Body = job.get("AlgorithmSpecification", {})
    if "TrainingImage" not in algorithm:
        raise validation("You must specify either TrainingImage or AlgorithmName in AlgorithmSpecification.")
    if "ResourceConfig" not in job or "StoppingCondition" not in job or "OutputDataConfig" not in job:
        raise validation("ResourceConfig, StoppingCondition and OutputDataConfig are required for a training job.")
    _metrics(algorithm.get("MetricDefinitions", ()))
    _channels(job, algorithm["TrainingInputMode"])
    _stopping(job)
    channels.check(job["OutputDataConfig"]["S3OutputPath"])
    resources: Body = job["ResourceConfig"]
    jobs.instance_count(resources)
    check_instance(resources.get("InstanceType"), "ResourceConfig.InstanceType")
    transition = {
        "Status": "Starting",
        "StartTime": job.created,
        "StatusMessage": "Preparing the instances for training",
    }
    return job.having(
        SecondaryStatus="Starting",
        SecondaryStatusTransitions=[transition],
        OutputDataConfig={"KmsKeyId": "", "CompressionType": "GZIP", **job["OutputDataConfig"]},
        StoppingCondition={"MaxRuntimeInSeconds": 86400, **job["StoppingCondition"]},
        EnableNetworkIsolation=job.get("EnableNetworkIsolation", False),
        EnableInterContainerTrafficEncryption=job.get("EnableInterContainerTrafficEncryption", False),
        EnableManagedSpotTraining=job.get("EnableManagedSpotTraining", False),
    )


def _metrics(definitions: Any) -> None:
    for definition in definitions:
        try:
            groups = re.compile(definition["Regex"]).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise validation(f"Invalid regex {definition['Regex']!r} of metric {definition['Name']}: {error}") from None
        if groups < 1:
            raise validation(f"The regex of metric {definition['Name']} must have a group that captures the value.")


def _channels(job: Record, mode: str) -> None:
    names = [channel["ChannelName"] for channel in job.get("InputDataConfig", ())]
    if len(names) != len(set(names)):
        raise validation("Channel names must be unique within InputDataConfig.")
    for channel in job.get("InputDataConfig", ()):
        where = f"channel {channel['ChannelName']}"
        if channel["ChannelName"] in (".", ".."):
            raise validation(f"ChannelName {channel['ChannelName']} does not name a folder of its own.")
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise validation(f"DataSource of {where} must have an S3DataSource.")
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


def _stopping(job: Record) -> None:
    stopping: Body = job["StoppingCondition"]
    spot = job.get("EnableManagedSpotTraining", False)
    wait = stopping.get("MaxWaitTimeInSeconds")
    if wait is not None and not spot:
        raise validation("MaxWaitTimeInSeconds can only be given when EnableManagedSpotTraining is true.")
    if spot and (wait is None or wait < stopping.get("MaxRuntimeInSeconds", 86400)):
        raise validation(
            "MaxWaitTimeInSeconds must be given, and be no less than MaxRuntimeInSeconds, when"
            " EnableManagedSpotTraining is true."
        )


@service.operation
def stop_training_job(call: Call) -> Result:
    """Have the job stop: SIGTERM, 120 seconds of grace, SIGKILL; what lies in /opt/ml/model is kept."""
    return jobs.stop(TrainingJob, call, "training")
