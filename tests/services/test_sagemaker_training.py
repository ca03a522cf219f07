"""Training jobs, as boto3 sees them and as their containers see /opt/ml."""

import itertools
import json
import sqlite3
from typing import Any

import pytest
from tests.conftest import Platform, until
from tests.services.jobs_help import TRAINING, Jobs, channel, statuses

TELL = """
import json, os, pathlib, socket, sys
config = pathlib.Path("/opt/ml/input/config")
told = {
    "files": {path.name: json.loads(path.read_text()) for path in config.iterdir()},
    "environ": dict(os.environ), "argv": sys.argv[1:], "cwd": os.getcwd(), "host": socket.gethostname(),
    "folders": sorted(str(path) for path in pathlib.Path("/opt/ml").iterdir() if path.is_dir()),
    "data": sorted(path.name for path in pathlib.Path("/opt/ml/input/data").iterdir()),
}
pathlib.Path("/opt/ml/model/told.json").write_text(json.dumps(told))
"""


LEAVE = """
import os, pathlib
model, data = pathlib.Path("/opt/ml/model"), pathlib.Path("/opt/ml/output/data")
(model / "deep/er").mkdir(parents=True)
(model / "weights").write_text("w")
(model / "deep/er/leaf").write_text("l")
(model / "deep/link").symlink_to("../weights")
(model / "host").symlink_to("/etc/shadow-of-the-machine")
os.mkfifo(model / "pipe")
(data / "report.txt").write_text("r")
pathlib.Path("/opt/ml/output/other.txt").write_text("not part of output/data")
"""


def start(jobs: Jobs) -> None:
    """Start the jobs of this module; the machine runs as many at once as it has room for."""
    data = channel("train", jobs.put("data/a.csv", "1,2\n").removesuffix("a.csv"), ContentType="text/csv")
    jobs.train(
        "tell", TELL, InputDataConfig=[data], ContainerArguments=["--one", "two words"],
        HyperParameters={"depth": "3", "name": '"quoted"'}, Environment={"COLOUR": "blue", "AWS_REGION": "mars"},
        CheckpointConfig={"S3Uri": jobs.uri("checkpoints/tell")}, Tags=[{"Key": "team", "Value": "a"}],
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}, EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900}, RetryStrategy={"MaximumRetryAttempts": 1},
    )  # fmt: skip
    until(lambda: "Training" in statuses(jobs.training("tell")), "a start that waits for no other job")
    jobs.train("leave", LEAVE)
    jobs.train("leave-open", LEAVE, OutputDataConfig={"S3OutputPath": jobs.uri("open/"), "CompressionType": "NONE"})
    jobs.train("nothing", "pass")
    jobs.train("Mixed-Case", "print('hello')")


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    made = Jobs(platform, "training")
    start(made)
    return made


def test_a_container_finds_its_configuration_where_sagemaker_puts_it(jobs: Jobs) -> None:
    told = jobs.told("tell")
    group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1"]}
    both = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    assert told["files"] == {
        "hyperparameters.json": {"depth": "3", "name": '"quoted"'},
        "inputdataconfig.json": {"code": both, "train": {"ContentType": "text/csv", **both}},
        "resourceconfig.json": {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [group],
            "network_interface_name": "lo",
        },
        "checkpointconfig.json": {"S3Uri": jobs.uri("checkpoints/tell")},
    }
    assert told["argv"] == ["--one", "two words"]
    assert told["host"] == "algo-1"
    assert told["data"] == ["code", "train"]
    assert {"/opt/ml/checkpoints", "/opt/ml/code", "/opt/ml/model", "/opt/ml/output"} <= set(told["folders"])


def test_a_container_has_the_jobs_environment_and_none_of_the_servers(jobs: Jobs) -> None:
    environ = jobs.told("tell")["environ"]
    assert environ["TRAINING_JOB_NAME"] == "tell"
    assert environ["TRAINING_JOB_ARN"] == "arn:aws:sagemaker:us-east-1:123456789012:training-job/tell"
    assert environ["COLOUR"] == "blue"
    assert environ["AWS_REGION"] == "mars"  # the job's own variables win
    assert environ["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environ["AWS_ENDPOINT_URL"] == jobs.platform.endpoint
    assert environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"].startswith(jobs.platform.endpoint)
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(environ)
    assert not [name for name in environ if name.startswith(("SM_", "PYTEST", "SAGEBRUSH"))]


def test_describe_shows_the_request_and_what_became_of_it(jobs: Jobs) -> None:
    job = jobs.trained("tell")
    job.pop("ResponseMetadata")
    times = {name: job.pop(name) for name in list(job) if name.endswith("Time")}
    seconds = {name: job.pop(name) for name in ("TrainingTimeInSeconds", "BillableTimeInSeconds")}
    transitions = job.pop("SecondaryStatusTransitions")
    asked = jobs.request("tell")
    source = {"S3DataType": "S3Prefix", "S3DataDistributionType": "FullyReplicated"}
    plain = {"CompressionType": "None", "RecordWrapperType": "None"}
    assert job == {
        "TrainingJobName": "tell",
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/tell",
        "ModelArtifacts": {"S3ModelArtifacts": jobs.uri("out/tell/output/model.tar.gz")},
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "HyperParameters": {"depth": "3", "name": '"quoted"'},
        "AlgorithmSpecification": {
            **asked["AlgorithmSpecification"],
            "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/run.py"],
            "ContainerArguments": ["--one", "two words"],
            "EnableSageMakerMetricsTimeSeries": False,
        },
        "RoleArn": jobs.platform.role,
        "InputDataConfig": [
            {
                "ChannelName": "code",
                "DataSource": {"S3DataSource": {**source, "S3Uri": jobs.uri("code/tell/run.py")}},
                **plain,
            },
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {**source, "S3Uri": jobs.uri("data/")}},
                "ContentType": "text/csv",
                **plain,
            },
        ],
        "OutputDataConfig": {"KmsKeyId": "", "S3OutputPath": jobs.uri("out"), "CompressionType": "GZIP"},
        "ResourceConfig": asked["ResourceConfig"],
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": jobs.uri("checkpoints/tell")},
        "Environment": {"COLOUR": "blue", "AWS_REGION": "mars"},
        "RetryStrategy": {"MaximumRetryAttempts": 1},
        "ProfilingStatus": "Disabled",
    }
    assert set(times) == {"CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime"}
    assert times["CreationTime"] < times["TrainingStartTime"] < times["TrainingEndTime"] <= times["LastModifiedTime"]
    assert seconds["TrainingTimeInSeconds"] == seconds["BillableTimeInSeconds"] >= 1
    assert transitions[0]["StartTime"] == times["CreationTime"]
    assert transitions[2]["StartTime"] == times["TrainingStartTime"]


def test_secondary_statuses_follow_each_other_with_awss_messages(jobs: Jobs) -> None:
    job = jobs.trained("tell")
    transitions = job["SecondaryStatusTransitions"]
    assert [(step["Status"], step["StatusMessage"]) for step in transitions] == [
        ("Starting", "Preparing the instances for training"),
        ("Downloading", "Downloading input data"),
        ("Training", "Training image download completed. Training in progress."),
        ("Uploading", "Uploading generated training model"),
        ("Completed", "Training job completed"),
    ]
    for one, other in itertools.pairwise(transitions):
        assert one["StartTime"] <= one["EndTime"] == other["StartTime"]
    assert transitions[-1]["EndTime"] == transitions[-1]["StartTime"]


def test_tags_of_the_request_are_the_jobs_tags(jobs: Jobs) -> None:
    arn = jobs.training("tell")["TrainingJobArn"]
    assert jobs.sm.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    jobs.sm.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "b"}, {"Key": "cost", "Value": "1"}])
    jobs.sm.delete_tags(ResourceArn=arn, TagKeys=["cost", "none"])
    assert jobs.sm.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "b"}]


def test_a_name_keeps_its_case_and_its_arn_does_not(jobs: Jobs) -> None:
    job = jobs.trained("Mixed-Case")
    assert job["TrainingJobName"] == "Mixed-Case"
    assert job["TrainingJobArn"].endswith(":training-job/mixed-case")
    assert jobs.training("mixed-case")["TrainingJobName"] == "Mixed-Case"


def test_model_and_output_lie_at_the_root_of_their_archives(jobs: Jobs) -> None:
    jobs.trained("leave")
    assert jobs.keys("out/leave/") == ["output/model.tar.gz", "output/output.tar.gz"]
    assert jobs.model("leave") == {"weights": "w", "deep/er/leaf": "l", "deep/link": "w"}
    assert jobs.model("leave", "output.tar.gz") == {"report.txt": "r"}


def test_uncompressed_artifacts_are_objects_and_no_link_of_the_containers_is_followed(jobs: Jobs) -> None:
    job = jobs.trained("leave-open")
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == jobs.uri("open/leave-open/output/model/")
    assert jobs.keys("open/leave-open/output/") == ["data/report.txt", "model/deep/er/leaf", "model/weights"]
    assert jobs.get("open/leave-open/output/model/deep/er/leaf") == b"l"


def test_a_job_that_leaves_nothing_uploads_nothing(jobs: Jobs) -> None:
    jobs.trained("nothing")
    assert jobs.keys("out/nothing/") == []
    assert jobs.lines("nothing") == []


def test_the_log_stream_is_named_as_aws_names_it_and_live_while_the_job_runs(jobs: Jobs) -> None:
    script = "import pathlib, time\nprint('waiting', flush=True)\nwhile True: time.sleep(0.1)"
    jobs.train("live", script)
    jobs.wait_for_line("live", "waiting")
    job = jobs.training("live")
    assert job["TrainingJobStatus"] == "InProgress"
    assert "ModelArtifacts" not in job
    created = int(job["CreationTime"].timestamp())
    assert jobs.streams("live") == [f"live/algo-1-{created}"]
    jobs.sm.stop_training_job(TrainingJobName="live")
    jobs.trained("live", "Stopped")
    assert jobs.lines("live", TRAINING) == ["waiting"]


def test_nothing_of_a_job_that_has_ended_is_left_on_disk(jobs: Jobs) -> None:
    jobs.trained("leave")
    jobs.train("trace", "pass")
    task = jobs.task(jobs.training("trace"))
    stage = jobs.platform.data / "stage" / task.name
    jobs.trained("trace")
    until(lambda: not task.exists() and not stage.exists(), "the clearing of what the job needed")


def test_every_change_of_status_is_an_event_that_shows_the_job(jobs: Jobs) -> None:
    jobs.trained("tell")
    found = events(jobs, "training-job/tell")
    assert {event["detail_type"] for event in found} == {"SageMaker Training Job State Change"}
    assert {event["source"] for event in found} == {"aws.sagemaker"}
    details = [event["detail"] for event in found]
    assert [(detail["TrainingJobStatus"], detail["SecondaryStatus"]) for detail in details] == [
        ("InProgress", "Starting"),
        ("InProgress", "Downloading"),
        ("InProgress", "Training"),
        ("InProgress", "Uploading"),
        ("Completed", "Completed"),
    ]
    last, job = details[-1], jobs.training("tell")
    assert set(last) == set(job) - {"ResponseMetadata"}
    for name in ("CreationTime", "TrainingEndTime"):
        assert last[name] == round(job[name].timestamp() * 1000)
    started = job["SecondaryStatusTransitions"][2]["StartTime"]
    assert last["SecondaryStatusTransitions"][2]["StartTime"] == round(started.timestamp() * 1000)


def events(jobs: Jobs, resource: str) -> list[dict[str, Any]]:
    """Return a resource's events, as they lie in the outbox."""
    with sqlite3.connect(f"file:{jobs.platform.data}/state.db?mode=ro", uri=True) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute("SELECT * FROM outbox WHERE resources LIKE ? ORDER BY seq", (f'%:{resource}"]',)).fetchall()
    db.close()
    return [{**dict(row), "detail": json.loads(row["detail"])} for row in rows]
