"""Python environments of images: made with uv on first use, cached, shared by every task, written to by none."""

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uv

from sagebrush.kernel.compute.pip_settings import PipSettings

Progress = Callable[[str, float], None]
"""Told what the build does now and how far it is, from 0 to 1."""

_PIP = "pip==25.3"

_MILESTONES = {"Resolved": 0.1, "Prepared": 0.6, "Installed": 0.65, "Bytecode": 1.0}
_TOLD = 15


class BuildError(Exception):
    """An image's environment could not be built; the message holds what uv said last."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A built environment. `python` is the base interpreter that it stands on, with links resolved."""

    folder: Path
    python: Path
    version: str

    @classmethod
    def read(cls, folder: Path) -> "Environment":
        """Return the environment in a folder. Raises OSError where there is none or its interpreter is gone."""
        lines = (folder / "pyvenv.cfg").read_text("utf-8").splitlines()
        settings = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
        version = ".".join(settings["version_info"].split(".")[:2])
        return cls(folder, (folder / "bin/python").resolve(strict=True), version)

    @property
    def packages(self) -> Path:
        """Where its packages lie."""
        return self.folder / f"lib/python{self.version}/site-packages"


def interpreter(version: str) -> str:
    """Return what uv is asked for: the interpreter that runs this process, where it is of that version (`3.11`)."""
    major, minor, micro = sys.version_info[:3]
    base = Path(sys.base_prefix) / "bin" / f"python{major}.{minor}"
    return str(base) if f"{major}.{minor}.{micro}.".startswith(f"{version}.") and base.exists() else version


def pip_itself() -> str:
    """Return the requirement of the pip that every environment has, so that a job can install its own requirements.

    The one that this interpreter brings along, where it brings one: so a plain environment needs no network.
    """
    folders = (sysconfig.get_config_var("WHEEL_PKG_DIR"), f"{sysconfig.get_path('stdlib')}/ensurepip/_bundled")
    bundled = [wheel for folder in folders if folder for wheel in sorted(Path(folder).glob("pip-*.whl"))]
    return str(bundled[-1]) if bundled else _PIP


def build(target: Path, python: str, requirements: tuple[str, ...], pip: PipSettings, progress: Progress) -> None:
    """Make an environment at `target`, unless it is there; builders of one target wait for each other.

    It is built beside its place and renamed when it is whole. Raises BuildError.
    """
    with _only_builder(target):
        if target.exists():
            return
        draft = target.with_name(f".{target.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            progress("Making the environment", 0.0)
            tool = [uv.find_uv_bin(), "--no-config", "--color", "never", "--no-progress"]
            _run([*tool, "venv", "--relocatable", "--python", python, str(draft)], pip, progress)
            install = ["pip", "install", "--python", str(draft / "bin/python"), "--compile-bytecode"]
            _run([*tool, *install, *pip.uv_arguments(), pip_itself(), *requirements], pip, progress)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _only_builder(target: Path) -> Iterator[None]:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target.with_name(f".{target.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _run(command: list[str], pip: PipSettings, progress: Progress) -> None:
    """Run uv, telling its milestones as they come. Raises BuildError with its last lines."""
    environment = {**os.environ, **pip.uv_environment()}
    environment.pop("VIRTUAL_ENV", None)
    done, told = 0.0, deque[str](maxlen=_TOLD)
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.strip()
            told.append(text)
            done = _MILESTONES.get(text.partition(" ")[0], done)
            progress(text, done)
    if process.returncode:
        raise BuildError("\n".join(told) or f"uv exited with {process.returncode}")


__all__ = ["BuildError", "Environment", "Progress", "build", "interpreter"]
