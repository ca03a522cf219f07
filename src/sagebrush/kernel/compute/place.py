"""A task's directory: what is known of the task, from its files alone.

`task.json` is the specification, `root/` the container's /opt/ml, `fs/` its root; `options` and `plan.json` are written at
its start; `lock`, `phase`, `log`, `stop` and `exit.json` are the runner's (see there).
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import orjson

from sagebrush.kernel.base import files
from sagebrush.kernel.compute.base import Exit, Limits, Link, Pack, Phase, Stage, TaskSpec, Unpack

_TAIL = 64 * 1024
_PHASES = get_args(Phase)


@dataclass(frozen=True)
class Place:
    """The directory of one task."""

    folder: Path

    @property
    def id(self) -> str:
        """The task's id."""
        return self.folder.name

    @property
    def root(self) -> Path:
        """What the container sees as /opt/ml."""
        return self.folder / "root"

    @cached_property
    def _told(self) -> tuple[float, TaskSpec]:
        told = orjson.loads((self.folder / "task.json").read_bytes())
        return told["created"], _spec(told["spec"])

    @property
    def created(self) -> float:
        """When the task was asked for, in epoch seconds."""
        return self._told[0]

    @property
    def spec(self) -> TaskSpec:
        """What was asked for."""
        return self._told[1]

    def phase(self) -> tuple[Phase | None, float | None]:
        """Return the phase that the runner entered last, and when the command started; None where it did not."""
        try:
            lines = (self.folder / "phase").read_text("ascii").splitlines()
        except FileNotFoundError:
            return None, None
        entered = {name: float(moment) for name, moment in (line.split() for line in lines)}
        return next((name for name in reversed(_PHASES) if name in entered), None), entered.get("Running")

    def exit(self) -> Exit | None:
        """Return how the task ended, or None while it has not."""
        try:
            return Exit(**orjson.loads((self.folder / "exit.json").read_bytes()))
        except FileNotFoundError:
            return None

    def stopping(self) -> bool:
        """Tell whether somebody wants the task to end."""
        return (self.folder / "stop").exists()

    def wish_stop(self, grace: float) -> None:
        """Note that the task is to end; the first wish stands."""
        if not self.stopping():
            files.write(self.folder / "stop", f"{grace:.3f}".encode())

    def end(self, stage: Stage, reason: str, code: int = 1) -> None:
        """Write the end of a task that has no runner, unless it has one or has ended."""
        with self._unowned() as alone:
            if alone and self.exit() is None:
                number = code - 128 if code > 128 else None
                end = Exit(code, number, reason[:1024], self.phase()[1], time.time(), stage)
                files.write(self.folder / "exit.json", orjson.dumps(end))

    def runner(self) -> int | None:
        """Return the process id of the runner that lives, or None."""
        while True:
            with self._unowned() as alone:
                if alone:
                    return None
            if (written := (self.folder / "lock").read_bytes()).isdigit():
                return int(written)
            time.sleep(0.001)  # it holds the lock and is about to write its number

    @contextmanager
    def _unowned(self) -> Iterator[bool]:
        """Hold the runner's lock, if nobody else does; tell whether that is so."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(lock)

    def tail(self, lines: int) -> str:
        """Return the last lines of the log, without their times."""
        try:
            with (self.folder / "log").open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(0, size - _TAIL))
                held = log.read().splitlines()
        except FileNotFoundError:
            return ""
        return b"\n".join(line.partition(b" ")[2] for line in held[-lines:]).decode("utf-8", "replace")

    @classmethod
    def make(cls, folder: Path, spec: TaskSpec) -> "Place":
        """Make the directory of a task, whole or not at all; the one that is there, where somebody was faster."""
        draft = folder.with_name(f".new-{folder.name}-{os.urandom(4).hex()}")
        (draft / "root").mkdir(parents=True)
        draft.chmod(0o700)
        told = {"created": time.time(), "spec": asdict(spec)}
        files.write(draft / "task.json", orjson.dumps(told, default=str))
        try:
            draft.rename(folder)
        except OSError:
            if not (folder / "task.json").exists():
                raise
        return cls(folder)


def _spec(told: dict[str, object]) -> TaskSpec:
    """Return the specification that a task.json holds."""
    read = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    limits, links, unpack, pack = (told[name] for name in ("limits", "links", "unpack", "pack"))
    assert isinstance(limits, dict) and isinstance(links, list) and isinstance(unpack, list) and isinstance(pack, list)  # noqa: PT018
    read["limits"] = Limits(**limits)
    read["links"] = tuple(Link(Path(link["source"]), link["target"], link["read_only"]) for link in links)
    read["unpack"] = tuple(Unpack(**each) for each in unpack)
    read["pack"] = tuple(Pack(each["folder"], Path(each["archive"]), each["empty"]) for each in pack)
    return TaskSpec(**read)  # type: ignore[arg-type]
