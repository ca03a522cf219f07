"""Metrics of hot paths: added up in memory, written a moment later on a thread."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import NamedTuple

from sagebrush.kernel.base.clock import Clock
from sagebrush.kernel.signals.metrics import Datum, MetricStore, Sample

_PERIOD = 60
_DELAY = 1.0
"""Seconds between a call and its metrics being on disk: what a kill of this process may lose of them."""


class Source(NamedTuple):
    """What metrics are about: whose they are, and CloudWatch's namespace and dimensions."""

    account: str
    region: str
    namespace: str
    dimensions: tuple[tuple[str, str], ...]


class _Series(NamedTuple):
    source: Source
    metric: str
    unit: str
    minute: int


class Tally:
    """How often each value of each metric was seen, by the minute. Counts on the event loop, writes on a thread."""

    def __init__(self, metrics: MetricStore, clock: Clock, threads: Executor) -> None:
        self._metrics = metrics
        self._clock = clock
        self._threads = threads
        self._seen: dict[_Series, dict[float, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, source: Source, values: Mapping[str, float], units: Mapping[str, str]) -> None:
        """Count one call's metrics; `units` has those that are not "None"."""
        if not self._seen:
            asyncio.get_running_loop().call_later(_DELAY, self._flush)
        minute = int(self._clock.now()) // _PERIOD * _PERIOD
        for metric, value in values.items():
            self._seen[_Series(source, metric, units.get(metric, "None"), minute)][value] += 1

    def _flush(self) -> None:
        seen = dict(self._seen)
        self._seen.clear()
        asyncio.get_running_loop().run_in_executor(self._threads, self._write, seen)

    def _write(self, seen: Mapping[_Series, Mapping[float, int]]) -> None:
        data: dict[tuple[str, str, str], list[Datum]] = defaultdict(list)
        for series, values in seen.items():
            samples = tuple(Sample.of(value, count) for value, count in values.items())
            source = series.source
            data[source.account, source.region, source.namespace].append(
                Datum(series.metric, samples, dict(source.dimensions), time=series.minute, unit=series.unit)
            )
        for (account, region, namespace), datums in data.items():
            self._metrics.put(account, region, namespace, datums)
