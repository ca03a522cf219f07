"""What CreateTrainingJob and CreateProcessingJob refuse, and that nothing is written when they do."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform
from tests.services.jobs_help import Jobs, channel, refusal

from sagebrush.kernel.grammar.resource import Resource
from sagebrush.services.sagemaker.processing import ProcessingJob
from sagebrush.services.sagemaker.training import TrainingJob

MODEL = botocore.session.get_session().get_service_model("sagemaker")
URI = "s3://requests/x"

HONOURED = {
    "TrainingJob": """
        TrainingJobName HyperParameters AlgorithmSpecification.TrainingImage AlgorithmSpecification.TrainingInputMode
        AlgorithmSpecification.MetricDefinitions AlgorithmSpecification.ContainerEntrypoint
        AlgorithmSpecification.ContainerArguments RoleArn InputDataConfig[].ChannelName
        InputDataConfig[].DataSource.S3DataSource.S3DataType InputDataConfig[].DataSource.S3DataSource.S3Uri
        InputDataConfig[].DataSource.S3DataSource.S3DataDistributionType InputDataConfig[].ContentType
        InputDataConfig[].CompressionType InputDataConfig[].RecordWrapperType InputDataConfig[].InputMode
        OutputDataConfig.S3OutputPath OutputDataConfig.CompressionType ResourceConfig.InstanceType
        ResourceConfig.InstanceCount StoppingCondition.MaxRuntimeInSeconds StoppingCondition.MaxWaitTimeInSeconds Tags
        EnableNetworkIsolation CheckpointConfig Environment RetryStrategy
    """,
    "ProcessingJob": """
        ProcessingInputs[].InputName ProcessingInputs[].AppManaged ProcessingInputs[].S3Input
        ProcessingOutputConfig.Outputs[].OutputName ProcessingOutputConfig.Outputs[].S3Output
        ProcessingOutputConfig.Outputs[].AppManaged ProcessingJobName
        ProcessingResources.ClusterConfig.InstanceCount ProcessingResources.ClusterConfig.InstanceType
        StoppingCondition AppSpecification Environment NetworkConfig.EnableNetworkIsolation RoleArn Tags
    """,
}


def leaves(shape: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of a shape's members that are no structures, as declarations write them."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from leaves(member, f"{path}.{name}" if path else name)
    elif shape.type_name == "list" and shape.member.type_name == "structure":
        yield from leaves(shape.member, f"{path}[]")
    else:
        yield path


@pytest.mark.parametrize("resource", [TrainingJob, ProcessingJob], ids=lambda resource: resource.kind)
def test_every_member_of_the_request_is_honoured_recorded_or_refused(resource: Resource) -> None:
    known = [*HONOURED[resource.kind].split(), *resource.recorded, *resource.refuses]
    request = MODEL.operation_model(f"Create{resource.kind}").input_shape
    forgotten = [
        leaf
        for leaf in leaves(request)
        if not any(leaf == name or leaf.startswith((f"{name}.", f"{name}[]")) for name in known)
    ]
    assert not forgotten


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    made = Jobs(platform, "requests")
    made.put("data/a.csv", "a")
    return made


def source(**more: Any) -> dict[str, Any]:
    return {
        "InputDataConfig": [
            {"ChannelName": "a", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": URI, **more}}}
        ]
    }


def algorithm(**more: Any) -> dict[str, Any]:
    return {"AlgorithmSpecification": {"TrainingImage": "sagebrush/sklearn", "TrainingInputMode": "File", **more}}


def resources(**more: Any) -> dict[str, Any]:
    return {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, **more}}


def metric(regex: str) -> dict[str, Any]:
    return algorithm(MetricDefinitions=[{"Name": "loss", "Regex": regex}])


GROUP = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "g"}
RULE = {"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}
FILES = {"FileSystemId": "fs-12345678", "FileSystemAccessMode": "ro", "FileSystemType": "EFS", "DirectoryPath": "/"}
HUB = "arn:aws:sagemaker:us-east-1:123456789012:hub-content/h/DataSet/d/1.0.0"
PLAN = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/plan"
GROUP_ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/g"
FLOW = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/m"

REFUSED: dict[str, dict[str, Any]] = {
    "AlgorithmSpecification.AlgorithmName": algorithm(AlgorithmName="mine"),
    "ResourceConfig.InstanceGroups": resources(InstanceGroups=[GROUP]),
    "ResourceConfig.KeepAlivePeriodInSeconds": resources(KeepAlivePeriodInSeconds=60),
    "ResourceConfig.TrainingPlanArn": resources(TrainingPlanArn=PLAN),
    "ResourceConfig.InstancePlacementConfig": resources(InstancePlacementConfig={"EnableMultipleJobs": True}),
    "ResourceConfig.InstancePreferences": resources(InstancePreferences=[{"InstanceType": "ml.m5.large"}]),
    "ResourceConfig.SelectedInstanceType": resources(SelectedInstanceType="ml.m5.large"),
    "ResourceConfig.SelectedInstanceCount": resources(SelectedInstanceCount=1),
    "InputDataConfig[].DataSource.FileSystemDataSource": {
        "InputDataConfig": [{"ChannelName": "a", "DataSource": {"FileSystemDataSource": FILES}}]
    },
    "InputDataConfig[].DataSource.DatasetSource": {
        "InputDataConfig": [{"ChannelName": "a", "DataSource": {"DatasetSource": {"DatasetArn": HUB}}}]
    },
    "InputDataConfig[].ShuffleConfig": {"InputDataConfig": [channel("a", URI, ShuffleConfig={"Seed": 1})]},
    "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig": source(HubAccessConfig={"HubContentArn": HUB}),
    "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig": source(ModelAccessConfig={"AcceptEula": True}),
    "InputDataConfig[].DataSource.S3DataSource.InstanceGroupNames": source(InstanceGroupNames=["g"]),
    "InputDataConfig[].DataSource.S3DataSource.AttributeNames": source(AttributeNames=["g"]),
    "DebugRuleConfigurations": {"DebugRuleConfigurations": [RULE]},
    "ProfilerRuleConfigurations": {"ProfilerRuleConfigurations": [RULE]},
    "TensorBoardOutputConfig": {"TensorBoardOutputConfig": {"S3OutputPath": URI}},
    "ExperimentConfig": {"ExperimentConfig": {"ExperimentName": "e"}},
    "RemoteDebugConfig.EnableRemoteDebug": {"RemoteDebugConfig": {"EnableRemoteDebug": True}},
    "ServerlessJobConfig": {"ServerlessJobConfig": {"BaseModelArn": HUB.replace("DataSet", "Model"), "JobType": "FineTuning"}},
    "MlflowConfig": {"MlflowConfig": {"MlflowResourceArn": FLOW}},
    "ModelPackageConfig": {"ModelPackageConfig": {"ModelPackageGroupArn": GROUP_ARN}},
}  # fmt: skip


def test_there_is_an_example_of_every_member_that_training_refuses() -> None:
    assert set(REFUSED) == set(TrainingJob.refuses)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no image": ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "TrainingImage or AlgorithmName"),
    "no algorithm": ({"AlgorithmSpecification": None}, "TrainingImage or AlgorithmName"),
    "no resources": ({"ResourceConfig": None}, "ResourceConfig is required"),
    "no stopping": ({"StoppingCondition": None}, "StoppingCondition is required"),
    "two instances": (resources(InstanceCount=2), "InstanceCount greater than 1"),
    "no instance": (resources(InstanceCount=0), "InstanceCount must be at least 1"),
    "bad regex": (metric("loss: (["), "Invalid regex"),
    "huge regex": (metric("(a){99999999999}"), "Invalid regex"),
    "no group": (metric("loss: .*"), "must have a group"),
    "same channel": ({"InputDataConfig": [channel("a", URI), channel("a", URI)]}, "Channel names must be unique"),
    "channel ..": ({"InputDataConfig": [channel("..", URI)]}, "ChannelName .. does not name a folder"),
    "channel .": ({"InputDataConfig": [channel(".", URI)]}, "ChannelName . does not name a folder"),
    "no source": ({"InputDataConfig": [{"ChannelName": "a", "DataSource": {}}]}, "must have an S3DataSource"),
    "web channel": ({"InputDataConfig": [channel("a", "https://example.com/x")]}, "Invalid S3 URI"),
    "pipe": ({"InputDataConfig": [channel("a", URI, InputMode="Pipe")]}, "InputMode Pipe"),
    "pipe all": (
        {"InputDataConfig": [channel("a", URI)], "AlgorithmSpecification": {"TrainingImage": "x", "TrainingInputMode": "Pipe"}},
        "InputMode Pipe",
    ),
    "augmented": ({"InputDataConfig": [channel("a", URI, "AugmentedManifestFile")]}, "requires InputMode Pipe"),
    "converse": ({"InputDataConfig": [channel("a", URI, "Converse")]}, "S3DataType Converse"),
    "fast manifest": ({"InputDataConfig": [channel("a", URI, "ManifestFile", InputMode="FastFile")]}, "requires S3DataType S3Prefix"),
    "wrapped": ({"InputDataConfig": [channel("a", URI, RecordWrapperType="RecordIO")]}, "RecordWrapperType RecordIO"),
    "web output": ({"OutputDataConfig": {"S3OutputPath": "https://example.com/x"}}, "Invalid S3 URI"),
    "wait alone": ({"StoppingCondition": {"MaxWaitTimeInSeconds": 9}}, "only be given when EnableManagedSpotTraining"),
    "spot alone": ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds must be given"),
    "short wait": (
        {"EnableManagedSpotTraining": True, "StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 8}},
        "no less than MaxRuntimeInSeconds",
    ),
    "web checkpoints": ({"CheckpointConfig": {"S3Uri": "https://example.com/x"}}, "Invalid S3 URI"),
    "checkpoints in model": ({"CheckpointConfig": {"S3Uri": URI, "LocalPath": "/opt/ml/model/x"}}, "LocalPath"),
    "checkpoints over all": ({"CheckpointConfig": {"S3Uri": URI, "LocalPath": "/opt"}}, "LocalPath"),
    "checkpoints climb": ({"CheckpointConfig": {"S3Uri": URI, "LocalPath": "/tmp/../opt/ml/model"}}, "LocalPath"),
    "relative checkpoints": ({"CheckpointConfig": {"S3Uri": URI, "LocalPath": "checkpoints"}}, "LocalPath"),
    "nul variable": ({"Environment": {"A": "b\0--bind\0/\0/host"}}, "Environment.A must not contain the character NUL"),
    "nul argument": (algorithm(ContainerArguments=["a\0b"]), "must not contain the character NUL"),
    "unknown role": ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
    "bad role": ({"RoleArn": "arn:aws:iam::1:user/nobody"}, "roleArn"),
    "bad name": ({"TrainingJobName": "-"}, "trainingJobName"),
    "long variable": ({"Environment": {"A" * 600: "b"}}, "environment"),
}  # fmt: skip


@pytest.mark.parametrize("case", [*WRONG, *REFUSED])
def test_a_training_job_that_cannot_be_done_as_asked_is_refused_by_name(jobs: Jobs, case: str) -> None:
    asked, told = WRONG.get(case) or (REFUSED[case], case)
    before = jobs.sm.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    with pytest.raises(ClientError) as error:
        jobs.sm.create_training_job(**jobs.request("refused", **asked))
    code, message = refusal(error)
    assert code == "ValidationException"
    assert told in message
    assert jobs.sm.list_training_jobs(MaxResults=100)["TrainingJobSummaries"] == before
    with pytest.raises(ClientError, match=r"Requested resource not found\."):
        jobs.training("refused")


def test_a_name_that_is_taken_is_refused_with_the_arn_of_its_job(jobs: Jobs) -> None:
    jobs.train("Taken", "pass")
    with pytest.raises(ClientError) as error:
        jobs.train("taken", "pass")
    code, message = refusal(error)
    assert code == "ResourceInUse"
    assert message == (
        "Training job names must be unique within an AWS account and region, and a training job with this name already"
        " exists (arn:aws:sagemaker:us-east-1:123456789012:training-job/taken)"
    )
    assert jobs.trained("Taken")["TrainingJobName"] == "Taken"


def test_what_is_recorded_only_is_returned_as_it_was_given(jobs: Jobs) -> None:
    given = {
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]},
        "EnableInterContainerTrafficEncryption": True,
        "InfraCheckConfig": {"EnableInfraCheck": True},
        "ProfilerConfig": {"S3OutputPath": URI, "DisableProfiler": True},
        "DebugHookConfig": {"S3OutputPath": URI, "CollectionConfigurations": []},
        "RemoteDebugConfig": {"EnableRemoteDebug": False},
    }
    more = {"VolumeKmsKeyId": "alias/disk", "KeepAlivePeriodInSeconds": 0}
    jobs.train(
        "recorded", "pass", **given, **resources(**more),
        OutputDataConfig={"S3OutputPath": jobs.uri("out"), "KmsKeyId": "alias/mine"},
        Environment={}, HyperParameters={}, DebugRuleConfigurations=[],
    )  # fmt: skip
    job = jobs.training("recorded")
    assert {name: job[name] for name in given} == given
    assert job["OutputDataConfig"]["KmsKeyId"] == "alias/mine"
    assert {name: job["ResourceConfig"][name] for name in more} == more
    assert not {"Environment", "HyperParameters", "DebugRuleConfigurations"} & set(job)
    jobs.trained("recorded")
