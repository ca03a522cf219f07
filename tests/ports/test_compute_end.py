"""A task has ended when all that it wrote is in its log stream, and not before."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.conftest import until
from tests.ports.test_compute import images  # noqa: F401  the fixture

from sagebrush.kernel.compute.images import Images
from sagebrush.kernel.compute.local import LocalCompute
from sagebrush.kernel.compute.sandbox import choose
from sagebrush.testing.bench import Bench, Lines


class SlowLines(Lines):
    """A log store that takes its time over the last lines."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()
        self.go = threading.Event()

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
        if any("last" in text for _, text in events):
            self.ended.set()
            assert self.go.wait(60)
        super().append(account, region, group, stream, events, mark=mark)


@pytest.fixture
def slow() -> SlowLines:
    return SlowLines()


@pytest.fixture
def bench(tmp_path: Path, images: Images, slow: SlowLines) -> Iterator[Bench]:  # noqa: F811
    made: list[LocalCompute] = []

    def make(lines: object, changed: object) -> LocalCompute:
        made.append(LocalCompute(tmp_path / "tasks", images, choose("auto"), lines, changed))  # type: ignore[arg-type]
        return made[-1]

    yield Bench(tmp_path, make, lines=slow)
    slow.go.set()
    for task in made[0].all():
        made[0].discard(task.id)
    made[0].close()


def test_an_end_is_told_after_the_last_line(bench: Bench, slow: SlowLines, tmp_path: Path) -> None:
    bench.start("talks", ("/bin/sh", "-c", "echo first; echo last"))
    assert slow.ended.wait(60)
    until((tmp_path / "tasks/talks/exit.json").exists, "the runner's note of the end")
    task = bench.task("talks")
    assert task.exit is None
    assert task.phase != "Exited"
    slow.go.set()
    assert bench.end("talks").code == 0
    assert bench.said("talks") == ["first", "last"]
    started = bench.task("talks").started
    assert started is not None
    assert started == pytest.approx(bench.end("talks").started, abs=0.01)
