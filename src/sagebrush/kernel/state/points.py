"""Metrics and their data points, as SQL.

A point row holds `samples` observations at one second, in one unit, whose smallest is `minimum`, whose largest is
`maximum` and whose sum is `total`. Where the two are equal the row is a raw value that occurred `samples` times; a
statistic set that a client computed has them apart. Rows that agree in all but number are added up on arrival: nothing
that any statistic needs is lost by it.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

SCHEMA = """
CREATE TABLE IF NOT EXISTS metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, region TEXT NOT NULL, namespace TEXT NOT NULL,
    name TEXT NOT NULL, dimensions TEXT NOT NULL, seen REAL NOT NULL,
    UNIQUE (account, region, namespace, name, dimensions)
) STRICT;
CREATE TABLE IF NOT EXISTS points (
    metric INTEGER NOT NULL, time INTEGER NOT NULL, unit TEXT NOT NULL, minimum REAL NOT NULL, maximum REAL NOT NULL,
    samples REAL NOT NULL, total REAL NOT NULL,
    PRIMARY KEY (metric, time, unit, minimum, maximum)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metric_marks (
    writer TEXT PRIMARY KEY, time INTEGER NOT NULL, ordinal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


class Sample(NamedTuple):
    """Observations put at once: one value, a value that occurred `samples` times, or a statistic set."""

    minimum: float
    maximum: float
    samples: float
    total: float

    @classmethod
    def of(cls, value: float, count: float = 1.0) -> "Sample":
        """Return `value`, observed `count` times."""
        return cls(value, value, count, value * count)


class Metric(NamedTuple):
    """A metric: its namespace, name and exact set of dimensions are its identity within account and region."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]


class Span(NamedTuple):
    """The time from `start` up to, not including, `end` (epoch seconds), in periods counted from `start` (seconds)."""

    start: int
    end: int
    period: int


class Bucket(NamedTuple):
    """All observations of one unit in the period that starts at `time` (epoch seconds)."""

    time: int
    unit: str
    minimum: float
    maximum: float
    samples: float
    total: float
    raw: bool
    """Every observation is known by itself, as percentiles need it."""


def _key(metric: Metric) -> tuple[str, str, str, str, str]:
    *names, dimensions = metric
    account, region, namespace, name = names
    return account, region, namespace, name, orjson.dumps(dict(dimensions), option=orjson.OPT_SORT_KEYS).decode()


def touch(db: sqlite3.Connection, metric: Metric, now: float) -> int:
    """Return the id of a metric that reports now, making it where it is new."""
    row = db.execute(
        "INSERT INTO metrics (account, region, namespace, name, dimensions, seen) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET seen = max(seen, excluded.seen) RETURNING id",
        (*_key(metric), now),
    ).fetchone()
    found: int = row[0]
    return found


def find(db: sqlite3.Connection, metric: Metric) -> int | None:
    """Return the id of a metric, or None."""
    row = db.execute(
        "SELECT id FROM metrics WHERE account = ? AND region = ? AND namespace = ? AND name = ? AND dimensions = ?",
        _key(metric),
    ).fetchone()
    return row[0] if row else None


def metrics(
    db: sqlite3.Connection,
    account: str,
    region: str,
    *,
    namespace: str = "",
    name: str = "",
    dimensions: Sequence[tuple[str, str | None]] = (),
    since: float = 0.0,
    after: tuple[str, str, str] = ("", "", ""),
    limit: int = 500,
) -> list[tuple[Metric, tuple[str, str, str]]]:
    """Return metrics, and the keyset position of each, by namespace, name and dimensions.

    Empty filters let everything pass. A dimension filter is a name, with a value or None for any.
    """
    where, values = ["account = ?", "region = ?", "seen >= ?"], [account, region, since]
    for column, wanted in (("namespace", namespace), ("name", name)):
        if wanted:
            where.append(f"{column} = ?")
            values.append(wanted)
    for key, value in dimensions:
        where.append(
            "EXISTS (SELECT 1 FROM json_each(dimensions) AS d WHERE d.key = ? AND d.value = coalesce(?, d.value))"
        )
        values += [key, value]
    rows = db.execute(
        f"SELECT namespace, name, dimensions FROM metrics WHERE {' AND '.join(where)}"
        " AND (namespace, name, dimensions) > (?, ?, ?) ORDER BY namespace, name, dimensions LIMIT ?",
        (*values, *after, limit),
    )
    return [
        (Metric(account, region, space, title, orjson.loads(text)), (space, title, text)) for space, title, text in rows
    ]


def add(db: sqlite3.Connection, number: int, time: int, unit: str, samples: Iterable[Sample]) -> None:
    """Add observations at `time` (epoch seconds) to the metric with id `number`."""
    db.executemany(
        "INSERT INTO points (metric, time, unit, minimum, maximum, samples, total) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET samples = samples + excluded.samples, total = total + excluded.total",
        [(number, time, unit, *sample) for sample in samples],
    )


def mark(db: sqlite3.Connection, writer: str) -> tuple[int, int]:
    """Return the place that a writer noted last; (0, 0) at first."""
    row = db.execute("SELECT time, ordinal FROM metric_marks WHERE writer = ?", (writer,)).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def set_mark(db: sqlite3.Connection, writer: str, place: tuple[int, int]) -> None:
    """Note a writer's place."""
    db.execute("INSERT OR REPLACE INTO metric_marks (writer, time, ordinal) VALUES (?, ?, ?)", (writer, *place))


_PERIOD = "? + (time - ?) / ? * ? AS period"
_WITHIN = "FROM points WHERE metric = ? AND time >= ? AND time < ? AND unit = coalesce(?, unit)"


def _values(number: int, span: Span, unit: str | None) -> tuple[int | str | None, ...]:
    return span.start, span.start, span.period, span.period, number, span.start, span.end, unit


def buckets(db: sqlite3.Connection, number: int, span: Span, unit: str | None = None) -> list[Bucket]:
    """Return the periods of a span that hold observations of the metric with id `number`, an entry for each unit."""
    rows = db.execute(
        f"SELECT {_PERIOD}, unit, min(minimum), max(maximum), sum(samples), sum(total), min(minimum = maximum)"
        f" {_WITHIN} GROUP BY period, unit ORDER BY period, unit",
        _values(number, span, unit),
    )
    return [Bucket(time, of, low, high, samples, total, bool(raw)) for time, of, low, high, samples, total, raw in rows]


def values(
    db: sqlite3.Connection, number: int, span: Span, unit: str | None = None
) -> dict[tuple[int, str], list[tuple[float, float]]]:
    """Return the raw values of each (period, unit) as ascending (value, count) pairs."""
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    rows = db.execute(
        f"SELECT {_PERIOD}, unit, minimum, sum(samples) {_WITHIN} AND minimum = maximum"
        " GROUP BY period, unit, minimum ORDER BY period, unit, minimum",
        _values(number, span, unit),
    )
    for period, of, value, count in rows:
        found.setdefault((period, of), []).append((value, count))
    return found


def expire(db: sqlite3.Connection, before: int) -> None:
    """Delete the points before a time (epoch seconds), and the metrics and writers that have reported nothing since."""
    db.execute("DELETE FROM points WHERE metric IN (SELECT id FROM metrics) AND time < ?", (before,))
    db.execute("DELETE FROM metrics WHERE seen < ?", (before,))
    db.execute("DELETE FROM metric_marks WHERE time < ?", (before * 1000,))
