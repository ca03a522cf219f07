"""Processing jobs, as boto3 sees them and as their containers see /opt/ml."""

import json

import pytest
from tests.conftest import Platform, until
from tests.services.jobs_help import PROCESSING, Jobs, output

ARN = "arn:aws:sagemaker:us-east-1:123456789012:processing-job"


TELL = """
import json, os, pathlib, sys
ml = pathlib.Path("/opt/ml")
told = {
    "config": json.loads((ml / "config/processingjobconfig.json").read_text()),
    "resources": json.loads((ml / "config/resourceconfig.json").read_text()),
    "environ": dict(os.environ), "argv": sys.argv[1:],
    "folders": sorted(path.relative_to(ml).as_posix() for path in ml.glob("*/*") if path.is_dir()),
    "data": {path.name: path.read_text() for path in (ml / "processing/input/data").rglob("*.csv")},
}
output = ml / "processing/output/train"
(output / "deep").mkdir()
(output / "told.json").write_text(json.dumps(told))
(output / "deep/leaf.csv").write_text("1,2")
(output / "host").symlink_to("/etc/hosts")
(ml / "processing/output/other.txt").write_text("no output of the job")
(ml / "output/message").write_text("all is well")
"""


CONTINUOUS = """
import pathlib, time
live, late = pathlib.Path("/opt/ml/processing/live"), pathlib.Path("/opt/ml/processing/late")
(live / "first").write_text("1")
(late / "end").write_text("e")
print("written", flush=True)
while not (live / "go").exists():
    time.sleep(0.02)
(live / "first").write_text("changed")
(live / "second").write_text("2")
"""


NESTED = """
import json, os, pathlib
root = pathlib.Path("/opt/ml/processing")
(root / "data/out/result").write_text("r")
(root / "same/one").write_text("changed in place")
(root / "same/two").write_text("2")
told = {"files": sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())}
for name in ("big", "closed", "closed/small"):
    try:
        (root / name / "new").write_text("x")
        told[name] = "open"
    except OSError:
        told[name] = "closed"
(root / "big/out/inside").write_text("i")
(root / "data/out/told.json").write_text(json.dumps(told))
"""


MANAGED = """
import pathlib
told = sorted(path.name for path in pathlib.Path("/opt/ml/processing").rglob("*"))
pathlib.Path("/opt/ml/output/message").write_text(" ".join(told))
"""


def start(jobs: Jobs) -> None:
    """Start the jobs of this module."""
    jobs.put("data/a.csv", "a")
    jobs.put("data/deep/b.csv", "b")
    jobs.process(
        "tell", TELL, ContainerArguments=["--rows", "3 4"], Environment={"COLOUR": "blue"},
        ProcessingInputs=[jobs.input("rows", "data/", "input/data")],
        ProcessingOutputConfig={"KmsKeyId": "alias/mine", **jobs.outputs(train="output/train")},
        NetworkConfig={"EnableNetworkIsolation": False, "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}},
        StoppingCondition={"MaxRuntimeInSeconds": 300}, Tags=[{"Key": "team", "Value": "a"}],
    )  # fmt: skip
    jobs.process("bare", ContainerEntrypoint=["/bin/sh", "-c", "pwd; ls -d /opt/ml/*/*"])
    for key in ("data/out/old", "same/one"):
        jobs.put(f"nested/{key}", "o")
    jobs.put("big/blob", b"\0" * (65 * 2**20))
    jobs.process(
        "nested", NESTED,
        ProcessingInputs=[
            jobs.input("inner", "data/deep/", "data/inner"), jobs.input("outer", "nested/data/", "data"),
            jobs.input("../../odd name", "nested/same/", "same"), jobs.input("big", "big/", "big"),
            jobs.input("closed", "big/", "closed"), jobs.input("small", "data/deep/", "closed/small"),
        ],
        ProcessingOutputConfig=jobs.outputs(inside="data/out", same="same", deep="big/out"),
    )  # fmt: skip
    managed = jobs.input("rows", "data/", "input/managed")
    own = output("own", "own", S3Uri=jobs.uri("made/own"))
    jobs.process(
        "managed", MANAGED, ProcessingInputs=[{**managed, "AppManaged": True}],
        ProcessingOutputConfig={"Outputs": [{**own, "AppManaged": True}]},
    )  # fmt: skip
    shell = ["/bin/sh", "-c", "ls /sys/class/net 2>/dev/null; env"]
    jobs.process("apart", ContainerEntrypoint=shell, NetworkConfig={"EnableNetworkIsolation": True})


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    made = Jobs(platform, "processing")
    start(made)
    return made


def test_a_container_finds_its_job_described_with_nulls_for_what_is_not_set(jobs: Jobs) -> None:
    jobs.processed("tell")
    told = json.loads(jobs.get("made/train/told.json"))
    s3 = {"S3DataType": "S3Prefix", "S3InputMode": "File", "S3DataDistributionType": "FullyReplicated"}
    more = {"S3CompressionType": "None", "S3DownloadMode": "StartOfJob"}
    place = "/opt/ml/processing/input"
    target = {"S3Uri": jobs.uri("made/train"), "LocalPath": "/opt/ml/processing/output/train"}
    assert told["config"] == {
        "ProcessingJobArn": f"{ARN}/tell",
        "ProcessingJobName": "tell",
        "AppSpecification": {
            "ImageUri": jobs.processing("tell")["AppSpecification"]["ImageUri"],
            "ContainerEntrypoint": ["python3", f"{place}/code/run.py"],
            "ContainerArguments": ["--rows", "3 4"],
        },
        "Environment": {"COLOUR": "blue"},
        "ProcessingInputs": [
            {
                "InputName": name,
                "AppManaged": False,
                "S3Input": {"S3Uri": jobs.uri(key), "LocalPath": f"{place}/{at}", **s3, **more},
            }
            for name, key, at in (("code", "code/tell/run.py", "code"), ("rows", "data/", "data"))
        ],
        "ProcessingOutputConfig": {
            "KmsKeyId": "alias/mine",
            "Outputs": [
                {"OutputName": "train", "AppManaged": False, "S3Output": {**target, "S3UploadMode": "EndOfJob"}}
            ],
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
                "VolumeKmsKeyId": None,
            }
        },
        "RoleArn": jobs.platform.role,
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        "NetworkConfig": {
            "EnableNetworkIsolation": False,
            "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]},
        },
    }
    assert told["resources"] == {
        "current_host": "algo-1",
        "hosts": ["algo-1"],
        "network_interface_name": "lo",
        "current_instance_type": "ml.m5.large",
    }
    assert told["argv"] == ["--rows", "3 4"]
    assert told["data"] == {"a.csv": "a", "b.csv": "b"}
    environ = told["environ"]
    assert (environ["PROCESSING_JOB_NAME"], environ["PROCESSING_JOB_ARN"]) == ("tell", f"{ARN}/tell")
    assert environ["COLOUR"] == "blue"
    assert environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"].startswith(jobs.platform.endpoint)
    assert "processing/input" in told["folders"]


def test_outputs_keep_their_paths_and_no_link_is_followed(jobs: Jobs) -> None:
    jobs.processed("tell")
    assert jobs.keys("made/train/") == ["deep/leaf.csv", "told.json"]
    assert jobs.get("made/train/deep/leaf.csv") == b"1,2"


def test_describe_shows_the_request_with_its_defaults_and_what_became_of_it(jobs: Jobs) -> None:
    job = jobs.processed("tell")
    assert job["ExitMessage"] == "all is well"
    assert job["CreationTime"] < job["ProcessingStartTime"] < job["ProcessingEndTime"] <= job["LastModifiedTime"]
    assert [given["AppManaged"] for given in job["ProcessingInputs"]] == [False, False]
    source = job["ProcessingInputs"][1]["S3Input"]
    assert (source["S3InputMode"], source["S3CompressionType"]) == ("File", "None")
    assert source["S3DataDistributionType"] == "FullyReplicated"
    assert job["NetworkConfig"]["VpcConfig"]["Subnets"] == ["s-1"]
    assert "FailureReason" not in job
    bare = jobs.processed("bare")
    assert not {"ProcessingInputs", "ProcessingOutputConfig", "Environment", "NetworkConfig", "ExitMessage"} & set(bare)
    assert bare["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert jobs.sm.list_tags(ResourceArn=f"{ARN}/tell")["Tags"] == [{"Key": "team", "Value": "a"}]


def test_the_conventional_folders_are_there_without_any_input(jobs: Jobs) -> None:
    jobs.processed("bare")
    told = jobs.lines("bare", PROCESSING)
    wanted = {"/opt/ml/processing/input", "/opt/ml/processing/output", "/opt/ml/config/resourceconfig.json"}
    assert wanted <= set(told)


def test_the_log_stream_is_named_as_aws_names_it(jobs: Jobs) -> None:
    created = int(jobs.processed("bare")["CreationTime"].timestamp())
    assert jobs.streams("bare", PROCESSING) == [f"bare/algo-1-{created}"]


def test_inputs_and_outputs_may_lie_in_each_other(jobs: Jobs) -> None:
    jobs.processed("nested")
    told = json.loads(jobs.get("made/inside/told.json"))
    assert {"data/inner/b.csv", "data/out/old", "data/out/result", "big/blob"} <= set(told["files"])
    assert told["big"] == "open"  # it has an output in it, so it is the job's own copy
    assert told["closed"] == "closed"  # it is the object itself
    assert told["closed/small"] == "open"
    assert jobs.keys("made/inside/") == ["old", "result", "told.json"]
    assert jobs.keys("made/same/") == ["one", "two"]
    assert jobs.get("made/same/one") == b"changed in place"
    assert jobs.get("nested/same/one") == b"o"
    assert jobs.keys("made/deep/") == ["inside"]


def test_inputs_and_outputs_that_the_application_manages_are_left_alone(jobs: Jobs) -> None:
    job = jobs.processed("managed")
    assert job["ExitMessage"] == "code input output run.py"
    assert jobs.keys("made/own") == []
    assert [given["AppManaged"] for given in job["ProcessingInputs"]] == [False, True]


def test_an_isolated_container_has_no_credentials(jobs: Jobs) -> None:
    jobs.processed("apart")
    told = "\n".join(jobs.lines("apart", PROCESSING))
    assert "PROCESSING_JOB_NAME=apart" in told
    assert "AWS_REGION=us-east-1" in told
    assert "CREDENTIALS" not in told
    assert "AWS_ENDPOINT_URL" not in told


def test_continuous_outputs_appear_while_the_job_runs(jobs: Jobs) -> None:
    late = jobs.outputs(late="late")["Outputs"]
    live = jobs.outputs("Continuous", live="live")["Outputs"]
    jobs.process("continuous", CONTINUOUS, ProcessingOutputConfig={"Outputs": [*live, *late]})
    jobs.wait_for_line("continuous", "written", PROCESSING)
    until(lambda: jobs.keys("made/live/") == ["first"], "the first file")
    assert jobs.keys("made/late/") == []
    job = jobs.processing("continuous")
    assert job["ProcessingJobStatus"] == "InProgress"
    task = jobs.task(job)
    (jobs.platform.data / "stage" / task.name / "processing/live/go").touch()
    jobs.processed("continuous")
    assert jobs.keys("made/live/") == ["first", "go", "second"]
    assert jobs.get("made/live/first") == b"changed"
    assert jobs.keys("made/late/") == ["end"]
