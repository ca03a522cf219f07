"""Script mode: what the user's training script sees, and what becomes of its end."""

import io
import json
import signal
import tarfile
from pathlib import Path

import pytest
from tests.images.contract import Container, line_from

from _kit.environment import arguments
from _kit.script import last_words

TELL = """
import json, os, sys
told = {"argv": sys.argv, "environ": {k: v for k, v in os.environ.items() if k.startswith(("SM_", "SAGEMAKER_"))}}
open(os.path.join(os.environ["SM_MODEL_DIR"], "told.json"), "w").write(json.dumps(told))
"""


@pytest.fixture
def job(base: Path) -> Container:
    """A scikit-learn training job; script mode alone needs no library of the image."""
    container = Container("sklearn", base)
    (base / "model").mkdir()
    return container


def test_hyperparameters_become_arguments_as_awss_toolkit_writes_them() -> None:
    given = {"n": 3, "alpha": 0.5, "flag": True, "none": None, "names": {"b": 2, "a": 1}, "list": [1, "x"]}
    assert arguments(given) == [
        *("--alpha", "0.5", "--flag", "True", "--list", "[1, 'x']", "-n", "3", "--names", "a=1,b=2", "--none", "")
    ]


def test_a_script_sees_its_job_in_arguments_and_environment(job: Container) -> None:
    job.write("code/train.py", TELL)
    job.configure(
        {"sagemaker_program": '"train.py"', "sagemaker_job_name": '"j1"', "epochs": 3, "n": 1, "name": "plain text"},
        train="text/csv",
        test=None,
    )
    job.train()
    told = json.loads(job.read("model/told.json"))
    assert told["argv"] == ["train.py", "--epochs", "3", "-n", "1", "--name", "plain text"]
    environ = told["environ"]
    assert environ["SM_CHANNELS"] == '["test","train"]'
    assert environ["SM_CHANNEL_TRAIN"] == str(job.base / "input/data/train")
    assert json.loads(environ["SM_HPS"]) == {"epochs": 3, "n": 1, "name": "plain text"}
    assert environ["SM_HP_EPOCHS"] == "3"
    assert environ["SM_HP_NAME"] == "plain text"
    assert environ["SM_HOSTS"] == '["algo-1"]'
    assert environ["SM_CURRENT_HOST"] == "algo-1"
    assert environ["SM_CURRENT_INSTANCE_TYPE"] == "ml.m5.xlarge"
    assert environ["SM_CURRENT_INSTANCE_GROUP"] == "homogeneousCluster"
    assert environ["SM_USER_ENTRY_POINT"] == "train.py"
    assert environ["SM_MODULE_NAME"] == "train"
    assert environ["SM_OUTPUT_DATA_DIR"] == str(job.base / "output/data")
    assert environ["SM_NETWORK_INTERFACE_NAME"] == "eth0"
    assert json.loads(environ["SM_TRAINING_ENV"])["job_name"] is None
    assert json.loads(environ["SM_USER_ARGS"]) == told["argv"][1:]
    assert environ["SAGEMAKER_JOB_NAME"] == "j1"
    wanted = "NUM_CPUS NUM_GPUS NUM_NEURONS LOG_LEVEL INPUT_DIR INPUT_CONFIG_DIR OUTPUT_DIR OUTPUT_INTERMEDIATE_DIR"
    wanted += " RESOURCE_CONFIG INPUT_DATA_CONFIG FRAMEWORK_PARAMS MODULE_DIR IS_HETERO INSTANCE_GROUPS"
    wanted += " INSTANCE_GROUPS_DICT CURRENT_INSTANCE_GROUP_HOSTS FRAMEWORK_MODULE"
    assert {f"SM_{name}" for name in wanted.split()} <= set(environ)
    assert (job.base / "output/success").exists()


def test_an_archive_is_unpacked_and_its_modules_import_each_other(job: Container) -> None:
    source = job.base / "sourcedir.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        for name, text in (("train.py", "import helper; print(helper.WORD)"), ("helper.py", "WORD = 'from helper'")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    job.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": str(source)})
    assert "from helper" in job.train().output


def test_an_archive_that_leads_outside_is_refused(job: Container) -> None:
    source = job.base / "sourcedir.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    job.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": str(source)})
    assert "outside" in job.failure()
    assert not (job.base / "outside").exists()


def test_code_that_the_platform_unpacked_is_used_as_it_is(job: Container) -> None:
    job.write("code/train.py", "print('unpacked already')")
    job.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://bucket/sourcedir.tar.gz"})
    assert "unpacked already" in job.train().output


def test_a_script_that_raises_leaves_its_last_words_in_awss_form(job: Container) -> None:
    job.write(
        "code/train.py", "import sys\nprint('x' * 5000, file=sys.stderr)\nraise ValueError('no such column: age')\n"
    )
    job.configure({"sagemaker_program": "train.py", "depth": 5})
    failure = job.failure()
    assert failure.startswith('ExecuteUserScriptError:\nExitCode 1\nErrorMessage "Traceback (most recent call last):')
    assert 'ValueError: no such column: age"\nCommand "' in failure
    assert failure.endswith('train.py --depth 5"')
    assert len(failure) < 900
    assert not (job.base / "output/success").exists()


def test_an_exit_code_of_the_script_is_told_and_the_container_leaves_with_1(job: Container) -> None:
    job.write("code/train.py", "raise SystemExit(3)")
    job.configure({"sagemaker_program": "train.py"})
    assert job.run("train").code == 1
    assert "ExitCode 3\n" in job.read("output/failure")


def test_a_failure_file_of_the_scripts_own_is_kept(job: Container) -> None:
    job.write("code/train.py", f"open({str(job.base / 'output/failure')!r}, 'w').write('mine'); raise SystemExit(1)")
    job.configure({"sagemaker_program": "train.py"})
    assert job.failure() == "mine"


def test_a_script_that_is_not_there_is_named(job: Container) -> None:
    job.write("code/other.py", "")
    job.configure({"sagemaker_program": "train.py"})
    assert job.failure() == "ClientError: sagemaker_program train.py is not in the submitted code: other.py"


def test_code_in_s3_that_was_not_unpacked_is_named(job: Container) -> None:
    job.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://bucket/code.tar.gz"})
    assert "s3://bucket/code.tar.gz was not unpacked" in job.failure()


def test_a_job_without_a_script_says_what_is_missing(job: Container) -> None:
    job.configure({})
    assert "sagemaker_program is missing" in job.failure()


def test_requirements_that_cannot_be_had_fail_in_pips_words(job: Container) -> None:
    job.write("code/requirements.txt", "./missing-1.0-py3-none-any.whl\n")
    job.write("code/train.py", "")
    job.configure({"sagemaker_program": "train.py"})
    failure = job.failure()
    assert failure.startswith("InstallRequirementsError:\nExitCode 1\n")
    assert "-m pip install -r requirements.txt" in failure


def test_a_shell_script_is_run_with_its_arguments(job: Container) -> None:
    job.write("code/train.sh", '#!/bin/sh\necho "got $1 $2"\n')
    job.configure({"sagemaker_program": "train.sh", "epochs": 2})
    assert "got --epochs 2" in job.train().output


def test_a_stopped_script_ends_by_itself_and_keeps_its_model(job: Container) -> None:
    job.write(
        "code/train.py",
        "import signal, sys, os\n"
        "def stop(*_):\n"
        "    open(os.environ['SM_MODEL_DIR'] + '/saved', 'w').write('half'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('ready')\n"
        "signal.pause()\n",
    )
    job.configure({"sagemaker_program": "train.py"})
    process = job.popen("train")
    line_from(process, "ready")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert job.read("model/saved") == "half"


def test_a_stopped_script_that_does_not_care_leaves_no_failure_file(job: Container) -> None:
    job.write("code/train.py", "import signal; print('ready'); signal.pause()")
    job.configure({"sagemaker_program": "train.py"})
    process = job.popen("train")
    line_from(process, "ready")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert not (job.base / "output/failure").exists()


def test_output_is_passed_on_line_by_line_while_the_script_runs(job: Container) -> None:
    job.write("code/train.py", "import signal; print('first line'); signal.pause()")
    job.configure({"sagemaker_program": "train.py"})
    process = job.popen("train")
    assert line_from(process, "first line") == "first line\n"
    process.terminate()
    process.communicate(timeout=60)


def test_last_words_are_whole_lines_that_fit() -> None:
    text = "\n".join(f"line {number} {'x' * 60}" for number in range(100))
    told = last_words(text)
    assert len(told) <= 700
    assert told.startswith("line ")
    assert told.endswith(text.splitlines()[-1])
