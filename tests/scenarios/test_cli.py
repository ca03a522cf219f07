"""The command line as a newcomer meets it: each test runs the real `sagebrush` command."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.conftest import REPO, Platform, until

CALLER = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
OUTER = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEBRUSH_"))}


def sagebrush(*words: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    argv = [sys.executable, "-m", "sagebrush.cli.main", *map(str, words)]
    return subprocess.run(argv, env=OUTER | variables, capture_output=True, text=True, timeout=120, check=False)


def started(*words: object, **variables: str) -> "subprocess.Popen[str]":
    """Start the command and leave it running."""
    argv = [sys.executable, "-m", "sagebrush.cli.main", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, env=OUTER | variables, stdout=pipe, stderr=pipe, stdin=pipe, text=True)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory whose platform, if a test leaves one, is stopped."""
    yield tmp_path / "data"
    if (tmp_path / "data" / "server.json").exists():
        assert sagebrush("down", "--data", tmp_path / "data").returncode == 0


def detached(data: Path, *flags: object) -> str:
    """Start a platform in the background and return its URL."""
    done = sagebrush("up", "--data", data, "--port", 0, "--detach", *flags)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"ready http://127\.0\.0\.1:\d+\n", done.stdout)
    return done.stdout.split()[1]


def test_help_and_env_load_neither_the_service_models_nor_the_server() -> None:
    look = "import sys, sagebrush.cli.{}; sys.exit(bool({{'botocore', 'uvicorn', 'boto3'}} & set(sys.modules)))"
    for module in ("main", "env", "run", "status"):
        assert subprocess.run([sys.executable, "-c", look.format(module)], check=False).returncode == 0, module


def test_help_names_every_command_and_every_command_has_help() -> None:
    names = re.findall(r"^  ([a-z]+)  +\S", sagebrush("--help").stdout.split("Commands:")[1], re.MULTILINE)
    assert {"up", "down", "status", "env", "run", "demo", "images", "explain"} <= set(names)
    for name in names:
        assert "Usage: " in sagebrush(name, "--help").stdout, name


def test_up_answers_once_it_says_ready_and_ctrl_c_stops_it_cleanly(data: Path) -> None:
    with started("up", "--data", data, "--port", 0) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:")
        with urllib.request.urlopen(line.split()[1] + "/_sagebrush/health") as answer:
            assert json.load(answer)["status"] == "ready"
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=60)
    assert server.returncode == 0, errors
    assert "Traceback" not in errors
    assert not (data / "server.json").exists()


def test_a_second_platform_on_the_same_data_is_refused_with_what_to_do(data: Path) -> None:
    url = detached(data)
    for flags in ((), ("--detach",)):
        second = sagebrush("up", "--data", data, "--port", 0, *flags)
        assert second.returncode == 1
        assert url in second.stderr
        assert "sagebrush down" in second.stderr
        assert "Traceback" not in second.stderr


def test_a_port_in_use_is_named_with_what_to_do(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = sagebrush("up", "--data", data, "--port", port)
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [(("--account", "12"), "12 digits"), (("--port", "x"), "number"), (("--data", "/proc/nowhere"), "--data")],
)
def test_a_wrong_setting_is_named(data: Path, flags: tuple[str, str], complaint: str) -> None:
    done = sagebrush("up", "--data", data, "--port", 0, *flags)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_status_and_down_tell_the_truth(data: Path) -> None:
    assert sagebrush("status", "--data", data).returncode == 3
    url = detached(data)
    shown = sagebrush("status", "--data", data)
    assert shown.returncode == 0
    assert url in shown.stdout
    assert json.loads(sagebrush("status", "--data", data, "--json").stdout)["status"] == "ready"
    assert sagebrush("down", "--data", data).stdout == "stopped\n"
    assert not (data / "server.json").exists()
    assert sagebrush("status", "--data", data).returncode == 3
    assert sagebrush("down", "--data", data).returncode == 0


def test_a_killed_platform_is_seen_as_stopped_and_can_be_started_again(data: Path) -> None:
    detached(data)
    os.kill(json.loads((data / "server.json").read_bytes())["pid"], signal.SIGKILL)
    until(lambda: sagebrush("status", "--data", data).returncode == 3, "the end of the platform")
    detached(data)


def test_env_gives_a_client_all_that_it_needs(data: Path) -> None:
    assert "sagebrush up" in sagebrush("env", "--data", data).stderr
    url = detached(data, "--account", "210987654321", "--region", "eu-central-1")
    told: dict[str, Any] = json.loads(sagebrush("env", "--data", data, "--json").stdout)
    assert told["AWS_ENDPOINT_URL"] == url
    assert told["AWS_REGION"] == told["AWS_DEFAULT_REGION"] == "eu-central-1"
    identity = boto3.client(
        "sts",
        endpoint_url=url,
        region_name=told["AWS_REGION"],
        aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
    ).get_caller_identity()
    assert identity["Account"] == "210987654321"
    assert told["SAGEMAKER_ROLE_ARN"].startswith("arn:aws:iam::210987654321:role/")


def test_the_shell_can_evaluate_env(data: Path) -> None:
    url = detached(data)
    lines = sagebrush("env", "--data", data).stdout
    script = f'{lines}\necho "$AWS_ENDPOINT_URL $AWS_PROFILE"'
    done = subprocess.run(["sh", "-euc", script.replace(" $AWS_PROFILE", "${AWS_PROFILE-}")], env={"AWS_PROFILE": "x"},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == url


def test_given_root_keys_are_the_ones_that_work(data: Path) -> None:
    detached(data, "--access-key", "AKIAMINE000000000000", "--secret-key", "mine")
    told = json.loads(sagebrush("env", "--data", data, "--json").stdout)
    assert (told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"]) == ("AKIAMINE000000000000", "mine")
    done = sagebrush("run", "--data", data, "--", sys.executable, "-c", CALLER)
    assert done.stdout.startswith("arn:aws:sts::123456789012:assumed-role/"), done.stderr


def test_run_uses_the_platform_that_is_up_and_passes_the_exit_status_on(platform: Platform) -> None:
    show = "import os; print(os.environ['AWS_ACCESS_KEY_ID'])"
    done = sagebrush("run", "--data", platform.data, "--", sys.executable, "-c", show)
    assert done.stdout.strip() == platform.keys["aws_access_key_id"]
    assert sagebrush("run", "--data", platform.data, "--", "sh", "-c", "exit 7").returncode == 7
    assert sagebrush("run", "--data", platform.data, "--", "sh", "-c", "kill -TERM $$").returncode == 143
    missing = sagebrush("run", "--data", platform.data, "--", "no-such-command")
    assert (missing.returncode, "no-such-command" in missing.stderr) == (127, True)


def test_run_ignores_another_aws_set_up_of_the_user(platform: Platform) -> None:
    other = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "stale", "AWS_REGION": "eu-west-1"}
    code = CALLER + "; print(boto3.client('sts').meta.region_name)"
    done = sagebrush("run", "--data", platform.data, "--", sys.executable, "-c", code, **other)
    arn, region = done.stdout.split()
    assert arn.startswith("arn:aws:sts::123456789012:assumed-role/")
    assert region == "eu-west-1"


def test_a_hard_coded_aws_address_reaches_the_platform_through_the_door(platform: Platform) -> None:
    code = "import boto3; print(boto3.client('sts', endpoint_url='https://sts.us-east-1.amazonaws.com').get_caller_identity()['Arn'])"
    done = sagebrush("run", "--data", platform.data, "--", sys.executable, "-c", code)
    assert done.stdout.startswith("arn:aws:sts::123456789012:assumed-role/"), done.stderr


def test_run_starts_a_platform_of_its_own_and_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    show = f"{CALLER}; import os; print(os.environ['SAGEMAKER_ADMIN_CONFIG_OVERRIDE'])"
    done = sagebrush("run", "--data", data, "--", sys.executable, "-c", show, TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    arn, config = done.stdout.split()
    assert arn.startswith("arn:aws:sts::")
    assert Path(config).parent.parent == tmp_path
    assert not Path(config).parent.exists()
    assert not data.exists()


def test_a_signal_reaches_the_command_and_its_private_platform_ends(data: Path, tmp_path: Path) -> None:
    code = "import os, signal; print(os.environ['SAGEMAKER_ADMIN_CONFIG_OVERRIDE'], flush=True); signal.pause()"
    with started("run", "--data", data, "--", sys.executable, "-c", code, TMPDIR=str(tmp_path)) as command:
        assert command.stdout is not None
        own = Path(command.stdout.readline().strip()).parent
        server = os.pidfd_open(json.loads((own / "server.json").read_bytes())["pid"])
        command.send_signal(signal.SIGTERM)
        assert command.wait(60) == 143
    assert select.select([server], [], [], 60)[0]
    os.close(server)
    assert not own.exists()


def test_a_private_platform_ends_even_when_its_command_is_killed(data: Path, tmp_path: Path) -> None:
    code = "import os, signal; print(os.environ['SAGEMAKER_ADMIN_CONFIG_OVERRIDE'], flush=True); signal.alarm(60); signal.pause()"
    with started("run", "--data", data, "--", sys.executable, "-c", code, TMPDIR=str(tmp_path)) as command:
        assert command.stdout is not None
        own = Path(command.stdout.readline().strip()).parent
        server = os.pidfd_open(json.loads((own / "server.json").read_bytes())["pid"])
        command.kill()
        assert select.select([server], [], [], 60)[0]
    os.close(server)


@pytest.mark.slow
def test_tasks_outlive_the_platform_until_they_are_told_to_stop(data: Path) -> None:
    detached(data)
    told = json.loads(sagebrush("env", "--data", data, "--json").stdout)
    request = {
        "ProcessingJobName": "sleeper",
        "RoleArn": told["SAGEMAKER_ROLE_ARN"],
        "AppSpecification": {
            "ImageUri": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
            "ContainerEntrypoint": ["sleep", "600"],
        },
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
    }
    boto3.client(
        "sagemaker",
        endpoint_url=told["AWS_ENDPOINT_URL"],
        region_name=told["AWS_REGION"],
        aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
    ).create_processing_job(**request)

    def tasks() -> list[str]:
        return list(json.loads(sagebrush("status", "--data", data, "--json").stdout)["tasks"])

    until(tasks, "the task")
    assert sagebrush("down", "--data", data).returncode == 0
    assert len(tasks()) == 1
    detached(data)
    assert len(tasks()) == 1
    assert "tasks ended: 1" in sagebrush("down", "--data", data, "--stop-tasks").stdout
    assert tasks() == []


def test_explain_names_the_function_the_rule_or_the_refusal() -> None:
    rule = sagebrush("explain", "sagemaker", "CreateTrainingJob").stdout
    assert "src/sagebrush/kernel/grammar/resource.py:" in rule
    assert "src/sagebrush/services/sagemaker/training.py:" in rule
    function = sagebrush("explain", "sagemaker", "stop-training-job").stdout
    place = re.search(r"(\S+\.py):(\d+)", function)
    assert place, function
    lines = (REPO / place.group(1)).read_text().splitlines()[int(place.group(2)) - 1 :][:3]
    assert any("def stop_training_job" in line for line in lines), lines
    assert "501" in sagebrush("explain", "sagemaker", "CreateHubContentReference").stdout
    wrong = sagebrush("explain", "sagemaker", "CreateTrainingJbo")
    assert (wrong.returncode, "CreateTrainingJob" in wrong.stderr) == (1, True)


def test_images_are_listed_with_the_repositories_that_they_stand_for() -> None:
    listed = sagebrush("images", "list").stdout
    assert "sagemaker-xgboost" in listed
    assert "sagemaker-scikit-learn" in listed
    wrong = sagebrush("images", "build", "no-such-image")
    assert (wrong.returncode, "xgboost" in wrong.stderr) == (1, True)
