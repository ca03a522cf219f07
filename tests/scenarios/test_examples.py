"""The examples, run unchanged by the real SDKs against a real server, as a user runs them: `sagebrush run -- …`."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import REPO, Platform

EXAMPLES = REPO / "examples"
SHORT_SLEEPS = {"PYTHONPATH": str(Path(__file__).parent / "shim")}
TRUSTED = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEMAKER_"))}

pytestmark = pytest.mark.slow


def environment(name: str) -> Path:
    """Return the programs of an SDK's environment; a test without it is skipped by name."""
    programs = REPO / ".envs" / name / "bin"
    if not programs.exists():
        pytest.skip(f"the environment {name} is not there: make envs")
    return programs


def run(data: Path, where: Path, *command: object, **variables: str) -> str:
    """Run a command through `sagebrush run` in a directory of its own and return what it printed; it must succeed."""
    given = [f"{name}={value}" for name, value in (SHORT_SLEEPS | variables).items()]
    argv = [sys.executable, "-m", "sagebrush.cli.main", "run", "--data", data, "--", "env", *given, *command]
    done = subprocess.run(
        [str(word) for word in argv], cwd=where, env=TRUSTED, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def told(name: str, output: str) -> str:
    """Return what a script printed after a word of its own; an SDK may have drawn progress before it."""
    found = re.search(rf"(?:^|[!╯.]){name} (.*)$", output, re.MULTILINE)
    assert found, output[-3000:]
    return found.group(1)


@pytest.fixture
def data(platform: Platform) -> Iterator[Path]:
    """The data directory of a running platform."""
    yield platform.data
    assert platform.process is not None
    assert platform.process.poll() is None, platform.log()[-3000:]


def test_sdk_2_trains_deploys_and_transforms_with_the_built_in_xgboost(data: Path, tmp_path: Path) -> None:
    output = run(data, tmp_path, environment("v2") / "python", EXAMPLES / "v2_xgboost.py")
    assert float(told("auc", output)) > 0.97
    assert "validation:auc" in told("metrics", output)
    assert int(told("transformed", output)) == 86
    assert told("left", output) == "[]"
    assert re.search(r"\[39\].*validation-auc", output), "the training log was not streamed to the user"


def test_sdk_2_processes_trains_and_deploys_a_scikit_learn_script(data: Path, tmp_path: Path) -> None:
    output = run(data, tmp_path, environment("v2") / "python", EXAMPLES / "v2_sklearn.py")
    assert "split 569 rows into 426 and 143" in output
    assert "test:auc" in told("metrics", output)
    assert float(told("auc", output)) > 0.97


def test_sdk_3_trains_and_deploys_a_script(data: Path, tmp_path: Path) -> None:
    output = run(data, tmp_path, environment("v3") / "python", EXAMPLES / "v3_trainer.py")
    assert told("status", output) == "Completed"
    assert float(told("auc", output)) > 0.97


def test_plain_boto3_does_the_whole_main_job(data: Path, tmp_path: Path) -> None:
    output = run(data, tmp_path, environment("awscli") / "python", EXAMPLES / "boto3_main_job.py")
    steps = ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert told("training", output) == f"Completed {steps}"
    assert told("artefact", output) == "['xgboost-model']"
    assert float(told("accuracy", output).split()[0]) > 0.9
    assert int(told("transformed", output)) == 600
    assert told("log lines", output) == "True"
    assert told("cleaned", output) == "True"


def test_the_aws_cli_does_the_whole_main_job(data: Path, tmp_path: Path) -> None:
    path = f"{environment('awscli')}:{os.environ['PATH']}"
    output = run(data, tmp_path, "bash", EXAMPLES / "awscli.sh", PATH=path)
    assert told("objects", output) == "3"
    assert told("training", output) == "Completed"
    assert told("artefact", output) == "xgboost-model"
    high, low = (float(score) for score in told("answer", output).strip(",").split(","))
    assert high > 0.5 > low
    assert told("buckets left:", output) == "0"


def test_the_demo_reaches_its_metric_and_leaves_nothing_behind(data: Path, tmp_path: Path, platform: Platform) -> None:
    output = run(data, tmp_path, environment("v2") / "python", EXAMPLES / "demo.py")
    reached = re.search(r"AUC (0\.\d+|1\.0+) in", output)
    assert reached, output
    assert float(reached.group(1)) > 0.98
    names = [endpoint["EndpointName"] for endpoint in platform.client("sagemaker").list_endpoints()["Endpoints"]]
    assert not [name for name in names if name.startswith("breast-cancer")]
