"""A bench on which a compute is tried: see `testing.compute`."""

import io
import tarfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sagebrush.kernel.compute.base import Compute, Exit, Limits, Task, TaskSpec
from sagebrush.kernel.compute.limits import GIB

T = TypeVar("T")

OWNER = "arn:aws:sagemaker:us-east-1:123456789012:training-job/job"
GROUP = "/aws/sagemaker/TrainingJobs"
PATIENCE = 60.0

SMALL = Limits(1, GIB)


@dataclass
class Lines:
    """A log store in memory: what the pump needs of one."""

    held: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def append(
        self,
        account: str,
        region: str,
        group: str,
        stream: str,
        events: Sequence[tuple[int, str]],
        *,
        mark: int | None = None,
    ) -> None:
        """Keep the lines."""
        assert (account, region, group) == ("123456789012", "us-east-1", GROUP)
        with self.changed:
            self.held.setdefault(stream, []).extend(events)
            self.marks[stream] = mark or 0
            self.changed.notify_all()

    def mark(self, account: str, region: str, group: str, stream: str) -> int:
        """Return the mark."""
        assert (account, region, group) == ("123456789012", "us-east-1", GROUP)
        return self.marks.get(stream, 0)


@dataclass
class Bench:
    """A compute on trial: `make` opens one over the bench's folder, with a log store and a callback."""

    folder: Path
    make: Callable[[Lines, Callable[[str], None]], Compute]
    lines: Lines = field(default_factory=Lines)
    woken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self.compute = self.make(self.lines, self._note)

    def _note(self, owner: str) -> None:
        with self._changed:
            self.woken.append(owner)
            self._changed.notify_all()

    def until(self, look: Callable[[], T | None]) -> T:
        """Return what `look` gives, once it gives something; it is asked again whenever a task changes."""
        give_up = time.monotonic() + PATIENCE
        with self._changed:
            while not (found := look()):
                assert self._changed.wait(max(0.0, give_up - time.monotonic())), "nothing changed any more"
        return found

    def start(self, id: str, command: Sequence[str], **more: Any) -> Task:  # noqa: A002
        """Have a task run."""
        limits = more.pop("limits", SMALL)
        spec = TaskSpec(id, OWNER, "plain", tuple(command), limits, log_group=GROUP, log_stream=id, **more)
        return self.compute.ensure(id, lambda: spec)

    def end(self, id: str) -> Exit:  # noqa: A002
        """Return how a task ended, when it has."""
        return self.until(lambda: self.task(id).exit)

    def run(self, id: str, command: Sequence[str], **more: Any) -> Exit:  # noqa: A002
        """Run a task to its end."""
        self.start(id, command, **more)
        return self.end(id)

    def python(self, id: str, source: str, **more: Any) -> Exit:  # noqa: A002
        """Run a Python script to its end."""
        return self.run(id, ("python", "-c", source), **more)

    def task(self, id: str) -> Task:  # noqa: A002
        """Return a task that must be there."""
        task = self.compute.find(id)
        assert task is not None
        return task

    def said(self, id: str) -> list[str]:  # noqa: A002
        """Return the lines of a task that the log store has by now."""
        return [text for _, text in self.lines.held.get(id, ())]

    def hear(self, id: str, word: str) -> None:  # noqa: A002
        """Wait until a task has printed a line."""
        with self.lines.changed:
            heard = self.lines.changed.wait_for(lambda: word in self.said(id), PATIENCE)
        assert heard, f"{word!r} never came, but {self.said(id)}"


def archive(path: Path, members: Mapping[str, bytes | str]) -> Path:
    """Write a tar.gz: names to contents; a text is the target of a symbolic link."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path
