"""The stores of log lines and metrics keep their contract on SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.signals.logs import LogStore
from sagebrush.kernel.signals.metrics import MetricStore
from sagebrush.kernel.state import lines, points
from sagebrush.kernel.state.sqlite import Database
from sagebrush.testing.signals import LogStoreConformance, MetricStoreConformance


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "signals.db", lines.SCHEMA + points.SCHEMA)
    yield opened
    opened.close()


class TestLogStore(LogStoreConformance):
    @pytest.fixture
    def store(self, database: Database, clock: MovableClock) -> LogStore:
        return LogStore(database, clock)


class TestMetricStore(MetricStoreConformance):
    @pytest.fixture
    def store(self, database: Database, clock: MovableClock) -> MetricStore:
        return MetricStore(database, clock)
