"""A writer may be killed at any moment: what it was told is written is there, once, and it goes on where it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.signals.logs import LogStore, Window
from sagebrush.kernel.signals.metrics import Metric, MetricStore
from sagebrush.kernel.state import lines, points
from sagebrush.kernel.state.sqlite import Database

WRITER = """
import sys
from pathlib import Path
from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.signals.logs import LogStore
from sagebrush.kernel.signals.metrics import Datum, MetricStore
from sagebrush.kernel.state import lines, points
from sagebrush.kernel.state.sqlite import Database

database = Database(Path(sys.argv[1]), lines.SCHEMA + points.SCHEMA)
clock = MovableClock()
logs, metrics = LogStore(database, clock), MetricStore(database, clock)
place = ("123456789012", "us-east-1")
next = logs.mark(*place, "g", "s")
while True:
    now = int(clock.now() * 1000)
    logs.append(*place, "g", "s", [(now, str(n)) for n in range(next, next + 7)], mark=next + 7)
    metrics.put(*place, "n", [Datum.of("m", 1.0)] * 3)
    next += 7
    print(next, flush=True)
"""

PLACE = ("123456789012", "us-east-1")


@pytest.mark.parametrize("batches", [1, 40, 200])
def test_acknowledged_lines_survive_kill_and_none_comes_twice(tmp_path: Path, batches: int) -> None:
    path = tmp_path / "signals.db"
    acknowledged = puts = 0
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(batches):
                acknowledged = int(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
            rest = writer.stdout.read().split("\n")[:-1]
            acknowledged = int(rest[-1]) if rest else acknowledged
            puts += batches + len(rest)
    database = Database(path, lines.SCHEMA + points.SCHEMA)
    clock = MovableClock()
    store = LogStore(database, clock)
    kept = [int(line.message) for line in store.read(store.group(*PLACE, "g"), "s", Window(), limit=10**9)]
    assert kept == list(range(len(kept))), "each line once, in order"
    assert len(kept) >= acknowledged
    assert len(kept) == store.mark(*PLACE, "g", "s"), "lines and mark move together"
    now = clock.now()
    metrics = MetricStore(database, clock)
    found = metrics.statistics(Metric(*PLACE, "n", "m", {}), metrics.span(now - 3600, now + 3600, 7200))
    total = sum(point.statistic("SampleCount") or 0 for point in found)
    assert 3 * puts <= total <= 3 * (puts + 3), "all that was acknowledged, and at most the put under way at each kill"
    database.close()
