"""Script mode: the user's code, its requirements, and its run.

What AWS's training toolkit does: unpack `sagemaker_submit_directory` to /opt/ml/code, `pip install -r
requirements.txt`, run `sagemaker_program` with the hyperparameters as arguments and SM_* in the environment.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from _kit.environment import Training
from _kit.errors import ClientError, CommandError, ExecuteUserScriptError, InstallModuleError, InstallRequirementsError
from _kit.log import logger

_log = logger("sagemaker-training-toolkit")
_TOLD = 700  # SageMaker keeps about 900 characters of a failure file: the user's last lines and the command must fit
_TRACEBACK = "Traceback (most recent call last):"


def train(job: Training) -> None:
    """Run the user's script to its end. Raises CommandError, ClientError."""
    assert job.program is not None
    code = job.paths.code
    obtain(job.submit_directory, code)
    os.environ.update(job.variables)
    os.environ.update(PYTHONUNBUFFERED="1", PYTHONPATH=os.pathsep.join([str(code), *_own("PYTHONPATH")]))
    command = _command(code, job.program, job.arguments)
    _log.info("Invoking user script\n\nInvoking script with the following command:\n\n%s\n", shlex.join(command))
    run(command, code, ExecuteUserScriptError)


def obtain(source: str | None, code: Path) -> None:
    """Fill the code folder from a folder, an archive or a file, unless something is in it already.

    What lies in S3 is fetched and unpacked by the platform before the container starts. Raises ClientError.
    """
    code.mkdir(parents=True, exist_ok=True)
    if source is None or any(code.iterdir()):
        return
    origin = Path(source.removeprefix("file://"))
    if source.startswith("s3://") or not origin.exists():
        raise ClientError(f"{source} was not unpacked to {code}: there is no such object, or it is an empty archive")
    if origin.is_dir():
        shutil.copytree(origin, code, dirs_exist_ok=True)
    elif tarfile.is_tarfile(origin):
        with tarfile.open(origin) as archive:
            archive.extractall(code, filter="data")
    else:
        shutil.copy2(origin, code)


def install_requirements(code: Path) -> None:
    """Install the folder's requirements.txt, where it has one; relative paths in it start at the folder."""
    if (code / "requirements.txt").exists():
        _log.info("Installing dependencies from requirements.txt")
        run([sys.executable, "-m", "pip", "install", "-r", "requirements.txt"], code, InstallRequirementsError)


def run(command: Sequence[str], folder: Path, failure: type[CommandError]) -> None:
    """Run a command in a folder, its output going where ours goes. Raises `failure` with its last words on stderr.

    SIGTERM is passed on: a job that is stopped ends as its script decides, and what it saved is kept.
    """
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, bufsize=0)
    assert process.stderr is not None
    last = deque[bytes](maxlen=40)
    reader = Thread(target=_pass_on, args=(process.stderr, last), daemon=True)
    reader.start()
    stopped = []

    def stop(*_: object) -> None:
        stopped.append(True)
        process.terminate()

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGTERM, previous)
    reader.join(1.0)  # a grandchild may hold stderr open for ever
    code = code if code >= 0 else 128 - code
    if code and stopped:
        sys.exit(code)
    if code:
        raise failure(command, code, last_words(b"".join(last).decode("utf-8", "replace")))


def last_words(text: str) -> str:
    """Return the end of what a failed command wrote to stderr: from its traceback on, whole lines, at most 700 long."""
    text = text.rstrip()
    if _TRACEBACK in text:
        text = text[text.rindex(_TRACEBACK) :]
    if len(text) <= _TOLD:
        return text
    tail = text[-_TOLD:]
    return tail[tail.find("\n") + 1 :]


def _pass_on(source: BinaryIO, last: deque[bytes]) -> None:
    for line in source:
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
        last.append(line)


def _command(code: Path, program: str, arguments: list[str]) -> list[str]:
    """Return the argv of the user's entry point: a shell script, a package with setup.py, or a Python script."""
    if program.endswith(".py") and (code / "setup.py").exists():
        install = [sys.executable, "-m", "pip", "install", "."]
        more = ["-r", "requirements.txt"] if (code / "requirements.txt").exists() else []
        run([*install, *more], code, InstallModuleError)
        return [sys.executable, "-m", program.removesuffix(".py"), *arguments]
    if not (code / program).is_file():
        raise ClientError(f"sagemaker_program {program} is not in the submitted code: {_listing(code)}")
    if program.endswith(".py"):
        install_requirements(code)
        return [sys.executable, program, *arguments]
    (code / program).chmod(0o755)
    return ["/bin/sh", "-c", f"./{shlex.quote(program)} {shlex.join(arguments)}"]


def _listing(code: Path) -> str:
    return ", ".join(sorted(path.name for path in code.iterdir())[:20]) or "(nothing)"


def _own(name: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    return [environ[name]] if environ.get(name) else []
