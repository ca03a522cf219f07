"""From tasks' log files into CloudWatch Logs, line by line, each once, whatever happens to this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.compute.base import TaskSpec

_BLOCK = 1 << 20

Line = tuple[int, str]


class LogSink(Protocol):
    """What the pump needs of a log store; `signals.logs.LogStore` is one."""

    def append(
        self,
        account: str,
        region: str,
        group: str,
        stream: str,
        events: Sequence[Line],
        *,
        mark: int | None = None,
    ) -> None:
        """Add (epoch ms, message) pairs and note the writer's own place, both or neither."""
        ...

    def mark(self, account: str, region: str, group: str, stream: str) -> int:
        """Return the place that the writer noted last; 0 at first."""
        ...


class Pump:
    """Moves what tasks have written since the last time. Not for two threads at once."""

    def __init__(self, sink: LogSink) -> None:
        self._sink = sink
        self._marks: dict[str, int] = {}

    def move(self, log: Path, spec: TaskSpec) -> None:
        """Move all whole lines of a task's log that were not moved yet."""
        if spec.log_group is None or spec.log_stream is None or not log.exists():
            return
        owner = Arn.parse(spec.owner)
        stream = (owner.account, owner.region, spec.log_group, spec.log_stream)
        mark = self._marks[spec.id] if spec.id in self._marks else self._sink.mark(*stream)
        for lines, end in _blocks(log, mark):
            self._sink.append(*stream, lines, mark=end)
            mark = end
        self._marks[spec.id] = mark

    def forget(self, id: str) -> None:  # noqa: A002
        """Drop what is remembered of a task that has ended."""
        self._marks.pop(id, None)


def _blocks(log: Path, mark: int) -> Iterator[tuple[list[Line], int]]:
    """Yield (lines, place after them) of a log from a place on, in blocks of bounded size."""
    with log.open("rb") as source:
        source.seek(mark)
        while whole := source.readlines(_BLOCK):
            if not whole[-1].endswith(b"\n"):
                whole.pop()  # the runner is writing it
            if not whole:
                return
            mark += sum(map(len, whole))
            yield [line for line in map(_line, whole) if line[1]], mark
            source.seek(mark)


def _line(raw: bytes) -> Line:
    """Take a line apart. A TAB becomes `#011`, as CloudWatch's agent writes it and AWS's metric patterns expect it."""
    stamp, _, text = raw.rstrip(b"\r\n").partition(b" ")
    return int(stamp), text.decode("utf-8", "replace").replace("\t", "#011")
