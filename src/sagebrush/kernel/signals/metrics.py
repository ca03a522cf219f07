"""CloudWatch's metric store."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sagebrush.kernel.base.clock import Clock
from sagebrush.kernel.signals.statistics import BASIC, Extended, Values, compute, parse
from sagebrush.kernel.state import points
from sagebrush.kernel.state.lines import Position
from sagebrush.kernel.state.points import Bucket, Metric, Sample, Span
from sagebrush.kernel.state.sqlite import Database

HOUR, DAY = 3600, 86_400
KEPT = 455 * DAY
"""How long points are kept, in seconds."""

_FINENESS = ((63 * DAY, HOUR), (15 * DAY, 300), (3 * HOUR, 60))
"""From which age on (seconds) data is shown only in multiples of which period (seconds)."""


@dataclass(frozen=True, slots=True)
class Datum:
    """What one metric reports at one time (epoch seconds; None is now), in one unit.

    `resolution` is the fineness in seconds, 1 or 60, to which the time is rounded down.
    """

    name: str
    samples: Sequence[Sample]
    dimensions: Mapping[str, str] = field(default_factory=dict)
    time: float | None = None
    unit: str = "None"
    resolution: int = 60

    @classmethod
    def of(
        cls,
        name: str,
        value: float,
        dimensions: Mapping[str, str] | None = None,
        *,
        time: float | None = None,
        unit: str = "None",
    ) -> "Datum":
        """Return one observation."""
        return cls(name, (Sample.of(value),), dimensions or {}, time, unit)


@dataclass(frozen=True, slots=True)
class Datapoint:
    """The observations of one unit in one period, which starts at `time` (epoch seconds)."""

    bucket: Bucket
    values: Values = ()

    @property
    def time(self) -> int:
        """When the period starts."""
        return self.bucket.time

    @property
    def unit(self) -> str:
        """AWS's name of the unit."""
        return self.bucket.unit

    def statistic(self, name: str) -> float | None:
        """Return a statistic by AWS's name (`Average`, `p99`, `TM(2%:98%)`).

        None where it has no value: an extended one needs raw values, none of them negative, as CloudWatch does.
        Raises ValueError for a name that is none.
        """
        if name in BASIC:
            return _BASIC[name](self.bucket)
        extended = parse(name)
        if extended is None:
            message = f"no such statistic: {name!r}"
            raise ValueError(message)
        return self._extended(extended)

    def _extended(self, statistic: Extended) -> float | None:
        if not self.bucket.raw or self.bucket.minimum < 0 or not self.values:
            return None
        return compute(statistic, self.values)


_BASIC: dict[str, Callable[[Bucket], float]] = {
    "SampleCount": lambda bucket: bucket.samples,
    "Average": lambda bucket: bucket.total / bucket.samples,
    "Sum": lambda bucket: bucket.total,
    "Minimum": lambda bucket: bucket.minimum,
    "Maximum": lambda bucket: bucket.maximum,
}


def is_statistic(name: str) -> bool:
    """Whether AWS has a statistic of that name."""
    return name in BASIC or parse(name) is not None


class MetricStore:
    """Metrics by account, region, namespace, name and exact set of dimensions. Every method is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock
        self._next_sweep = 0.0
        self._sweeping = threading.Lock()

    def put(
        self,
        account: str,
        region: str,
        namespace: str,
        data: Sequence[Datum],
        *,
        mark: tuple[str, Position] | None = None,
    ) -> None:
        """Record data, all or nothing.

        `mark` is a writer's name and its own place after these data (that of a log line, say). It is stored in the same
        transaction, so that a writer that was cut off goes on from `mark()` and counts nothing twice.
        """
        now = self._clock.now()
        with self._db.write() as db:
            if mark is not None:
                points.set_mark(db, *mark)
            for datum in data:
                metric = Metric(account, region, namespace, datum.name, datum.dimensions)
                number = points.touch(db, metric, now)
                time = int(now if datum.time is None else datum.time)
                points.add(db, number, time - time % datum.resolution, datum.unit, datum.samples)
        self._sweep(now)

    def mark(self, writer: str) -> Position:
        """Return the place that a writer noted last; (0, 0) where there is none."""
        with self._db.read() as db:
            return points.mark(db, writer)

    def statistics(
        self, metric: Metric, span: Span, *, unit: str | None = None, extended: bool = False
    ) -> Sequence[Datapoint]:
        """Return the periods of a span that have data, oldest first, one entry per unit.

        `extended` loads the raw values that percentiles and their kin need.
        """
        with self._db.read() as db:
            number = points.find(db, metric)
            if number is None:
                return []
            found = points.buckets(db, number, span, unit)
            values = points.values(db, number, span, unit) if extended else {}
        return [Datapoint(bucket, values.get((bucket.time, bucket.unit), ())) for bucket in found]

    def span(self, start: float, end: float, period: int) -> Span:
        """Return the span that GetMetricStatistics and GetMetricData look at when asked for these times.

        The start is rounded down: to the period below a minute, else by its age. What is too old to be shown in so
        fine a period is left out.
        """
        now = self._clock.now()
        step = period if period < 60 else next((step for age, step in _FINENESS[:2] if now - start > age), 60)
        first = int(start // step) * step
        for age, fineness in _FINENESS:
            if period % fineness:
                first += max(0, math.ceil((now - age - first) / period)) * period
        return Span(first, math.ceil(end), period)

    def list(
        self,
        account: str,
        region: str,
        *,
        namespace: str = "",
        name: str = "",
        dimensions: Sequence[tuple[str, str | None]] = (),
        active: float = 14 * DAY,
        after: tuple[str, str, str] = ("", "", ""),
        limit: int = 500,
    ) -> Sequence[tuple[Metric, tuple[str, str, str]]]:
        """Return the metrics that reported in the last `active` seconds, each with its position in the listing.

        Empty filters let everything pass. A dimension filter is a name, with a value or None for any.
        """
        with self._db.read() as db:
            return points.metrics(
                db, account, region, namespace=namespace, name=name, dimensions=dimensions,
                since=self._clock.now() - active, after=after, limit=limit,
            )  # fmt: skip

    def _sweep(self, now: float) -> None:
        with self._sweeping:
            if now < self._next_sweep:
                return
            self._next_sweep = now + DAY
        with self._db.write() as db:
            points.expire(db, int(now) - KEPT)


__all__ = ["Datapoint", "Datum", "Metric", "MetricStore", "Sample", "Span", "is_statistic"]
