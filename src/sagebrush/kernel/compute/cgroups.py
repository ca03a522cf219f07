"""Control groups: a hard limit of memory for all processes of a task together.

Version 2 or version 1, wherever this process may make one: as root, or inside what systemd delegates to a user.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Group:
    """A task's control group; `counts` is the file that counts the kernel's kills for memory."""

    folder: Path
    counts: Path


def create(name: str, memory: int) -> Group | None:
    """Make a control group that may use so many bytes; None where this machine does not let us."""
    for parent in _parents_v2():
        _enable(parent)
        folder = _made(parent / name, "memory.max")
        if folder and _set(folder / "memory.max", memory):
            _set(folder / "memory.swap.max", 0)
            return Group(folder, folder / "memory.events")
    for parent in _parents_v1():
        folder = _made(parent / name, "memory.limit_in_bytes")
        if folder and _set(folder / "memory.limit_in_bytes", memory):
            _set(folder / "memory.memsw.limit_in_bytes", memory)
            return Group(folder, folder / "memory.oom_control")
    return None


def remove(folder: Path, patience: float = 0.0) -> None:
    """Remove a control group that has no process any more; wait so many seconds for those that are dying in it."""
    give_up = time.monotonic() + patience
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() >= give_up:
                return  # an empty group costs next to nothing
            time.sleep(0.01)


def _own() -> dict[str, str]:
    """Return this process's control group by controller; version 2's is under ""."""
    lines = Path("/proc/self/cgroup").read_text("ascii").splitlines()
    return {name: path for _, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")}


def _parents_v2() -> list[Path]:
    """Return where a group of version 2 may be made: beside our own, since groups with processes have no children."""
    own = _own().get("")
    if own is None or not (_ROOT / "cgroup.controllers").exists():
        return []
    here = _ROOT / own.lstrip("/")
    return [here.parent, here] if here != _ROOT else [_ROOT]


def _parents_v1() -> list[Path]:
    own = _own().get("memory")
    mounted = _ROOT / "memory"
    if own is None or not mounted.is_dir():
        return []
    here = mounted / own.lstrip("/")
    return [here if here.is_dir() else mounted]


def _enable(parent: Path) -> None:
    try:
        (parent / "cgroup.subtree_control").write_text("+memory", "ascii")
    except OSError:
        return  # not ours to change; it may be enabled already


def _made(folder: Path, control: str) -> Path | None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    if os.access(folder / control, os.W_OK):
        return folder
    remove(folder)
    return None


def _set(control: Path, value: int) -> bool:
    try:
        control.write_text(str(value), "ascii")
    except OSError:
        return False
    return True
