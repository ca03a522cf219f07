"""Starting a task: its container's files, its sandbox's options, its runner's plan, and the runner itself."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import orjson

import sagebrush
from sagebrush.kernel.base import files
from sagebrush.kernel.compute import cgroups, sandbox
from sagebrush.kernel.compute.build import Environment
from sagebrush.kernel.compute.images import Image
from sagebrush.kernel.compute.pip_settings import PipSettings
from sagebrush.kernel.compute.place import Place

_COMMAND = """\
command -v "$1" >/dev/null || { echo "exec: \\"$1\\": executable file not found in \\$PATH" >&2; exit 127; }
exec "$@"
"""
_RUN = "import sys; sys.path.append(sys.argv[1]); from sagebrush.kernel.compute.runner import main; main(sys.argv[2])"
_NICE = 5
"""Jobs yield to what answers requests: endpoints and the server."""


def interpreter() -> str:
    """Return the base interpreter of this process: it starts without a look at any site-packages."""
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(base) if base.exists() else sys.executable


def prepare(
    place: Place,
    image: Image,
    environment: Environment,
    backend: sandbox.Backend,
    pip: PipSettings,
    cores: tuple[int, ...],
) -> None:
    """Write all that the runner of a task needs. Safe to repeat until there is a runner. Raises OSError."""
    spec = place.spec
    sandbox.lay_out(place.folder, spec, environment)
    described = sandbox.options(place.folder, spec, image, environment, pip)
    if any("\0" in each for each in described):  # it separates options: a value must not pass for several
        raise OSError(errno.EINVAL, "a variable or a path holds the character NUL")
    files.write(place.folder / "options", "\0".join(described).encode() + b"\0")
    group = cgroups.create(f"sagebrush-{spec.id}", spec.limits.memory)
    plan = {
        "program": backend.program,
        "options": "options",
        "flags": [] if spec.network else ["--unshare-net"],
        "command": ["/bin/sh", "-c", _COMMAND, "sh", *image.command(spec.command)],
        "tool": [str(environment.python), "-I", "-S", sandbox.ARCHIVES],
        "unpack": [[sandbox.below_ml(each.archive), sandbox.below_ml(each.folder)] for each in spec.unpack],
        "pack": [[sandbox.below_ml(each.folder), str(each.archive), each.empty] for each in spec.pack],
        "cores": cores,
        "nice": 0 if spec.serves else _NICE,
        "memory": spec.limits.memory,
        "cgroups": [str(group.folder)] if group else [],
        "oom": str(group.counts) if group else None,
    }
    files.write(place.folder / "plan.json", orjson.dumps(plan))


def run(place: Place) -> int:
    """Start the runner of a task, as a process of nobody's, and return its process id."""
    source = str(Path(sagebrush.__file__).parents[1])
    with (place.folder / "runner.err").open("wb") as complaints:
        process = subprocess.Popen(
            [interpreter(), "-I", "-S", "-c", _RUN, source, str(place.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            env={},
            start_new_session=True,
        )
    process.returncode = 0  # the watch reaps it, by its pidfd; this object must not
    return process.pid


def cores(place: Place) -> tuple[int, ...]:
    """Return the cores that a started task runs on."""
    return tuple(orjson.loads((place.folder / "plan.json").read_bytes())["cores"])


def clear(place: Place, patience: float = 0.0) -> None:
    """Remove what a task has outside of its directory, within so many seconds."""
    try:
        plan = orjson.loads((place.folder / "plan.json").read_bytes())
    except FileNotFoundError:
        return  # it never started, or it has been discarded meanwhile
    for folder in plan["cgroups"]:
        cgroups.remove(Path(folder), patience)


def remove(folder: Path) -> None:
    """Remove a task's directory, with the folders that its container has locked against their owner."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for place, names, _ in os.walk(folder):
            for name in names:
                Path(place, name).chmod(0o700, follow_symlinks=False)
        shutil.rmtree(folder, ignore_errors=True)
