"""What users' scripts do in training jobs: the ways in which the SDKs run them, their metrics, their credentials."""

import json
from datetime import timedelta

import pytest
from tests.conftest import Platform
from tests.services.jobs_help import XGBOOST, Jobs, archive, channel

METRICS = """
print("epoch 1; loss: 0.5; acc\\t0.25", flush=True)
print("epoch 2; loss: 0.125; acc\\t0.75", flush=True)
print("loss: nothing; loss: nan")
print("the end", end="")
"""


FETCH = """
import datetime, hashlib, hmac, json, os, pathlib, urllib.error, urllib.parse, urllib.request
def credentials(token):
    request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={"Authorization": token})
    return json.load(urllib.request.urlopen(request))
def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
def call(service, method, path, given):
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    now = datetime.datetime.now(datetime.timezone.utc)
    day, stamp = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    region, empty = os.environ["AWS_REGION"], hashlib.sha256(b"").hexdigest()
    headers = {
        "host": urllib.parse.urlsplit(endpoint).netloc, "x-amz-content-sha256": empty, "x-amz-date": stamp,
        "x-amz-security-token": given["Token"],
    }
    names = ";".join(sorted(headers))
    canonical = [method, path, ""] + [f"{name}:{headers[name]}" for name in sorted(headers)] + ["", names, empty]
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256("\\n".join(canonical).encode()).hexdigest()
    key = ("AWS4" + given["SecretAccessKey"]).encode()
    for part in (day, region, service, "aws4_request"):
        key = sign(key, part)
    signature = sign(key, "\\n".join(["AWS4-HMAC-SHA256", stamp, scope, digest])).hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={given['AccessKeyId']}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return urllib.request.urlopen(urllib.request.Request(endpoint + path, method=method, headers=headers)).read()
given = credentials(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
try:
    credentials("a guess")
    refused = 0
except urllib.error.HTTPError as error:
    refused = error.code
told = {"names": sorted(given), "role": given["RoleArn"], "refused": refused,
        "object": call("s3", "GET", os.environ["WANTED"], given).decode()}
pathlib.Path("/opt/ml/model/told.json").write_text(json.dumps(told))
"""


ISOLATED = """
import json, os, pathlib, socket
def reaches(host, port):
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True
listener = socket.create_server(("127.0.0.1", 0))
told = {
    "platform": reaches("127.0.0.1", int(os.environ["PORT"])),
    "itself": reaches("algo-1", listener.getsockname()[1]),
    "interfaces": sorted(name for _, name in socket.if_nameindex()),
    "environ": dict(os.environ),
}
pathlib.Path("/opt/ml/model/told.json").write_text(json.dumps(told))
"""


DRIVER = """#!/bin/bash
set -e
echo "export SM_MODEL_DIR=/opt/ml/model" > /opt/ml/input/sm_training.env
source /opt/ml/input/sm_training.env
command -v pip3
cd /opt/ml/input/data/code
echo compiled > helper.cache
python3 train.py "$@" > "$SM_MODEL_DIR/said"
"""


SCRIPT = """
import argparse, json, os, pathlib
import helper
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--name")
told = {"args": vars(parser.parse_args()), "helper": helper.WORD, "channel": os.environ["SM_CHANNEL_TRAIN"],
        "cwd": os.getcwd()}
pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps(told))
"""


def start(jobs: Jobs) -> None:
    """Start the jobs of this module."""
    data = channel("train", jobs.put("data/a.csv", "1,2\n").removesuffix("a.csv"), ContentType="text/csv")
    jobs.train(
        "metrics", METRICS,
        MetricDefinitions=[
            {"Name": "loss", "Regex": "loss: ([0-9.]+)"}, {"Name": "accuracy", "Regex": "acc#011(.*)"},
            {"Name": "never", "Regex": "never (.*)"}, {"Name": "nan", "Regex": "loss: (nan|nothing)"},
        ],
    )  # fmt: skip
    jobs.train("fetch", FETCH, Environment={"WANTED": f"/{jobs.bucket}/data/a.csv"})
    port = jobs.platform.endpoint.rpartition(":")[2]
    jobs.train("isolated", ISOLATED, Environment={"PORT": port}, EnableNetworkIsolation=True)
    drive(jobs)
    source = jobs.put("source/sourcedir.tar.gz", archive({"train.py": SCRIPT, "helper.py": "WORD = 'mine'"}))
    submitted = {
        "sagemaker_program": '"train.py"', "sagemaker_submit_directory": json.dumps(source),
        "sagemaker_container_log_level": "20", "sagemaker_job_name": '"script-mode"', "sagemaker_region": '"us-east-1"',
        "epochs": "3", "name": '"a b"',
    }  # fmt: skip
    jobs.train("script-mode", InputDataConfig=[data], HyperParameters=submitted)
    rows = "".join(f"{number % 2},{number % 7},{number % 2 * 3}\n" for number in range(60))
    tables = {name: jobs.put(f"table/{name}/a.csv", rows).removesuffix("a.csv") for name in ("train", "validation")}
    jobs.train(
        "built-in", TrainingImage=XGBOOST,
        InputDataConfig=[channel(name, uri, ContentType="text/csv") for name, uri in tables.items()],
        HyperParameters={"num_round": "4", "objective": "binary:logistic", "eval_metric": "error"},
    )  # fmt: skip


def drive(jobs: Jobs) -> None:
    """Start a job as version 3 of the SDK does: plain files, and a shell script that runs them."""
    jobs.put("driver/code/train.py", "import helper_module\nprint(helper_module.WORD)")
    jobs.put("driver/code/helper_module.py", "WORD = 'helped'")
    jobs.put("driver/sm_drivers/sm_train.sh", DRIVER)
    at = "/opt/ml/input/data/sm_drivers/sm_train.sh"
    jobs.train(
        "driver", ContainerEntrypoint=["/bin/bash"], ContainerArguments=["-c", f"chmod +x {at} && {at}"],
        InputDataConfig=[channel(name, jobs.uri(f"driver/{name}/")) for name in ("code", "sm_drivers")],
    )  # fmt: skip


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    made = Jobs(platform, "scripts")
    start(made)
    return made


def test_metrics_are_the_last_values_that_the_log_tells(jobs: Jobs) -> None:
    job = jobs.trained("metrics")
    found = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert found == {"loss": 0.125, "accuracy": 0.75}
    assert jobs.lines("metrics") == [
        "epoch 1; loss: 0.5; acc#011" + "0.25",
        "epoch 2; loss: 0.125; acc#011" + "0.75",
        "loss: nothing; loss: nan",
        "the end",
    ]


def test_every_value_of_a_metric_is_in_cloudwatch_once(jobs: Jobs) -> None:
    job = jobs.trained("metrics")
    told = jobs.platform.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName="loss",
        Dimensions=[{"Name": "TrainingJobName", "Value": "metrics"}],
        StartTime=job["CreationTime"].replace(second=0, microsecond=0),
        EndTime=job["TrainingEndTime"] + timedelta(minutes=1),
        Period=3600,
        Statistics=["SampleCount", "Minimum", "Maximum"],
    )["Datapoints"]
    assert sum(point["SampleCount"] for point in told) == 2
    assert min(point["Minimum"] for point in told) == 0.125
    assert max(point["Maximum"] for point in told) == 0.5


def test_a_built_in_algorithms_metrics_need_no_definition(jobs: Jobs) -> None:
    job = jobs.trained("built-in")
    found = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert set(found) == {"train:error", "validation:error"}
    assert found["train:error"] == 0.0
    assert sum("#011train-error:" in line for line in jobs.lines("built-in")) == 4


def test_a_container_acts_as_the_jobs_role(jobs: Jobs) -> None:
    told = jobs.told("fetch")
    assert told["names"] == ["AccessKeyId", "AccountId", "Expiration", "RoleArn", "SecretAccessKey", "Token"]
    assert told["role"] == jobs.platform.role
    assert told["refused"] == 403
    assert told["object"] == "1,2\n"


def test_an_isolated_container_reaches_nothing_but_itself(jobs: Jobs) -> None:
    told = jobs.told("isolated")
    assert told["platform"] is False
    assert told["itself"] is True
    assert told["interfaces"] == ["lo"]
    assert not [name for name in told["environ"] if "CREDENTIALS" in name or "TOKEN" in name or "PROXY" in name.upper()]
    assert "AWS_ENDPOINT_URL" not in told["environ"]
    assert told["environ"]["AWS_REGION"] == "us-east-1"
    assert jobs.trained("isolated")["EnableNetworkIsolation"] is True


def test_sdk_3_drives_its_script_with_a_shell_and_writes_where_it_needs_to(jobs: Jobs) -> None:
    jobs.trained("driver")
    assert jobs.model("driver")["said"] == "helped\n"
    assert jobs.get("driver/sm_drivers/sm_train.sh").decode() == DRIVER
    assert jobs.keys("driver/code/") == ["helper_module.py", "train.py"]


def test_sdk_2_submits_a_source_directory(jobs: Jobs) -> None:
    assert jobs.told("script-mode") == {
        "args": {"epochs": 3, "name": "a b"},
        "helper": "mine",
        "channel": "/opt/ml/input/data/train",
        "cwd": "/opt/ml/code",
    }
