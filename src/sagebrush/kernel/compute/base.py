"""The port of compute: what a task is, and what anything that runs tasks promises."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Phase = Literal["Queued", "Preparing", "Running", "Packing", "Exited"]
Stage = Literal["stop", "image", "unpack", "start", "run", "pack", "lost"]

ML = "/opt/ml"
"""Where a container sees its job's directory."""


@dataclass(frozen=True, slots=True)
class Link:
    """A file or folder of this machine that the container sees without a copy.

    `target` is a path below /opt/ml (`input/data/train`), or an absolute one. Links are bound in their order, so that a
    later one may lie inside an earlier one. What is hard-linked from elsewhere must be linked `read_only`: a container
    that may write would change the original.
    """

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Unpack:
    """A tar (plain, gzip, bzip2, xz) or zip archive, unpacked before the start; both paths as `Link.target`."""

    archive: str
    folder: str


@dataclass(frozen=True, slots=True)
class Pack:
    """A folder of the container, packed after its end into a tar.gz of this machine, contents at the archive's root.

    A folder that is missing or empty makes no archive, or an empty one where `empty` is set.
    """

    folder: str
    archive: Path
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of this machine a task may use: cores, and bytes of memory."""

    cpus: int
    memory: int


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What to run. `command` is an argv; a first word that names an entry of the image stands for that entry's argv.

    `owner` is the ARN that is woken when the task changes. Its account and region are those of the log stream, where
    `log_group` and `log_stream` are given. `folders` are made, empty, below /opt/ml. `id` ([a-z0-9-]+) is unique for ever.
    """

    id: str
    owner: str
    image: str
    command: tuple[str, ...]
    limits: Limits
    environment: Mapping[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    unpack: tuple[Unpack, ...] = ()
    pack: tuple[Pack, ...] = ()
    folders: tuple[str, ...] = ()
    network: bool = True
    serves: bool = False
    log_group: str | None = None
    log_stream: str | None = None
    host: str = "algo-1"
    hosts: tuple[str, ...] = ("algo-1",)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a task ended. Times are real epoch seconds; `started` is None where the command never ran.

    `code` is what a container runtime reports: the command's own, 128 + n where signal n ended it, 127 where there is
    no such command. `stage` says how far the task came: `run` where the command ended by itself or was stopped; `stop`
    where it was stopped before it began; `lost` where its supervisor vanished; otherwise the step that failed, with
    a sentence about it in `reason`.
    """

    code: int
    signal: int | None
    reason: str
    started: float | None
    ended: float
    stage: Stage


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it is now.

    `root` is what the container sees as /opt/ml. A container may leave links there that lead anywhere: read with
    `outputs.read` and `outputs.files`, which do not follow them out. `socket` is where a serving container answers
    HTTP. `message` says what the task waits for. `started` is when the command began, in real epoch seconds. `exit` is
    there once all that the task wrote is in its log stream.
    """

    id: str
    owner: str
    phase: Phase
    exit: Exit | None
    root: Path
    socket: Path | None
    message: str = ""
    started: float | None = None


class Compute(Protocol):
    """Runs tasks. A task outlives the process that asked for it, and its end is never lost.

    Every method may be repeated at any time, by any process over the same directory, one process at a time.
    """

    def ensure(self, id: str, spec: Callable[[], TaskSpec]) -> Task:  # noqa: A002  (AWS's word for it)
        """Return the task of that id; where there is none, queue or start what `spec` returns.

        A task that returned from here runs to its end exactly once, whatever happens to this process. Raises
        ValueError where the specification asks for an image that does not exist.
        """
        ...

    def find(self, id: str) -> Task | None:  # noqa: A002
        """Return the task of that id, or None."""
        ...

    def stop(self, id: str, grace: float = 120.0) -> None:  # noqa: A002
        """Have a task end: SIGTERM, `grace` seconds, SIGKILL. Its folders are still packed.

        A queued task ends at once. An unknown or ended one is left as it is; a second stop changes nothing.
        """
        ...

    def discard(self, id: str) -> None:  # noqa: A002
        """Remove everything of a task that has ended; one that has not is killed first."""
        ...

    def tail(self, id: str, lines: int = 20) -> str:  # noqa: A002
        """Return the last lines of a task's output; "" where there is no such task."""
        ...
