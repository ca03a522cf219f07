"""A writer of metrics that is cut off goes on where it was."""

import sqlite3
from pathlib import Path

import pytest

from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.signals.metrics import KEPT, Datum, Metric, MetricStore, Sample, Span
from sagebrush.kernel.state import points
from sagebrush.kernel.state.sqlite import Database

PLACE = ("123456789012", "us-east-1")


@pytest.fixture
def store(tmp_path: Path) -> MetricStore:
    return MetricStore(Database(tmp_path / "signals.db", points.SCHEMA), MovableClock(-1_000_000.0))


def test_a_mark_is_stored_with_the_data_or_not_at_all(store: MetricStore) -> None:
    now = int(store._clock.now())
    place = (now * 1000, 2)
    assert store.mark("job/stream") == (0, 0)
    store.put(*PLACE, "n", [Datum.of("m", 1.0)], mark=("job/stream", place))
    assert store.mark("job/stream") == place
    assert store.mark("another") == (0, 0)
    broken = [Datum.of("m", 1.0), Datum("m", [Sample(1.0, 1.0, 1.0, float("nan"))])]  # the database takes no NaN
    with pytest.raises(sqlite3.IntegrityError):
        store.put(*PLACE, "n", broken, mark=("job/stream", (now * 1000, 3)))
    assert store.mark("job/stream") == place
    found = store.statistics(Metric(*PLACE, "n", "m", {}), Span(now - 3600, now + 3600, 7200))
    assert [point.bucket.samples for point in found] == [1.0]


def test_marks_are_forgotten_with_the_data(store: MetricStore) -> None:
    clock = store._clock
    assert isinstance(clock, MovableClock)
    store.put(*PLACE, "n", [Datum.of("m", 1.0)], mark=("job/stream", (int(clock.now() * 1000), 1)))
    clock.advance(KEPT + 2 * 86_400)
    store.put(*PLACE, "n", [Datum.of("other", 1.0)])
    assert store.mark("job/stream") == (0, 0)
