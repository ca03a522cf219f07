"""Log groups, their streams and their lines, as SQL.

Times are epoch milliseconds, as CloudWatch Logs has them. Every line of a group has an ordinal, counted from 1 in the
order of arrival, so that `(time, ordinal)` puts the lines of a stream, and of a whole group, into one lasting order. A
position in that order is a gap between lines: `(t, 0)` lies before everything that happened at `t`.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

SCHEMA = """
CREATE TABLE IF NOT EXISTS log_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    created INTEGER NOT NULL, retention INTEGER, class TEXT NOT NULL, kms_key TEXT NOT NULL,
    protected INTEGER NOT NULL, tags TEXT NOT NULL, lines INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, region, name)
) STRICT;
CREATE TABLE IF NOT EXISTS log_streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT, log_group INTEGER NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL,
    mark INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    first INTEGER, last INTEGER, ingested INTEGER,
    UNIQUE (log_group, name)
) STRICT;
CREATE TABLE IF NOT EXISTS log_lines (
    stream INTEGER NOT NULL, time INTEGER NOT NULL, ordinal INTEGER NOT NULL, ingested INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (stream, time, ordinal)
) STRICT, WITHOUT ROWID;
"""

DAY = 86_400_000
OVERHEAD = 26
"""Bytes that CloudWatch Logs counts for a line besides its message."""

_LAST_CHARACTER = chr(0x10FFFF)
_GROUP = (
    "SELECT account, region, name, created, retention, class, kms_key, protected, tags, id,"
    " (SELECT coalesce(sum(bytes), 0) FROM log_streams WHERE log_group = log_groups.id) FROM log_groups"
)
_STREAM = "SELECT id, name, created, mark, bytes, first, last, ingested FROM log_streams"

Position = tuple[int, int]


class Line(NamedTuple):
    """One log event: what happened (`message`) at `time`, known since `ingested`."""

    time: int
    ordinal: int
    ingested: int
    message: str


class Window(NamedTuple):
    """The lines strictly between two positions."""

    after: Position = (-1, 0)
    before: Position = (2**62, 0)


@dataclass(frozen=True, slots=True)
class Group:
    """A log group; `retention` in days, None for ever."""

    account: str
    region: str
    name: str
    created: int
    retention: int | None = None
    log_class: str = "STANDARD"
    kms_key: str = ""
    protected: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    id: int = 0
    bytes: int = 0


class Stream(NamedTuple):
    """A log stream; `first`, `last` and `ingested` are None until it has a line."""

    id: int
    name: str
    created: int
    mark: int
    bytes: int
    first: int | None
    last: int | None
    ingested: int | None


def _group(row: sqlite3.Row) -> Group:
    account, region, name, created, retention, log_class, kms_key, protected, tags, number, size = row
    return Group(
        account, region, name, created, retention, log_class, kms_key, bool(protected), orjson.loads(tags), number, size
    )


def group(db: sqlite3.Connection, account: str, region: str, name: str) -> Group | None:
    """Return the group of that name, or None."""
    row = db.execute(f"{_GROUP} WHERE account = ? AND region = ? AND name = ?", (account, region, name)).fetchone()
    return _group(row) if row else None


def groups(
    db: sqlite3.Connection, account: str, region: str, *, prefix: str, part: str, after: str, limit: int
) -> list[Group]:
    """Return groups by name, those after `after`, that start with `prefix` and contain `part`."""
    rows = db.execute(
        f"{_GROUP} WHERE account = ? AND region = ? AND name BETWEEN ? AND ? AND name > ? AND instr(name, ?) > 0"
        " ORDER BY name LIMIT ?",
        (account, region, prefix, prefix + _LAST_CHARACTER, after, part, limit),
    )
    return [_group(row) for row in rows]


def add_group(db: sqlite3.Connection, new: Group) -> bool:
    """Store a group (its id does not count); return False where the name is taken."""
    done = db.execute(
        "INSERT INTO log_groups (account, region, name, created, retention, class, kms_key, protected, tags)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            new.account, new.region, new.name, new.created, new.retention, new.log_class, new.kms_key, new.protected,
            orjson.dumps(dict(new.tags)).decode(),
        ),
    )  # fmt: skip
    return done.rowcount == 1


def change_group(
    db: sqlite3.Connection, group_id: int, *, retention: int | None, protected: bool, tags: Mapping[str, str]
) -> None:
    """Replace what of a group can change."""
    db.execute(
        "UPDATE log_groups SET retention = ?, protected = ?, tags = ? WHERE id = ?",
        (retention, protected, orjson.dumps(dict(tags)).decode(), group_id),
    )


def remove_group(db: sqlite3.Connection, group_id: int) -> None:
    """Delete a group with all its streams and lines."""
    db.execute("DELETE FROM log_lines WHERE stream IN (SELECT id FROM log_streams WHERE log_group = ?)", (group_id,))
    db.execute("DELETE FROM log_streams WHERE log_group = ?", (group_id,))
    db.execute("DELETE FROM log_groups WHERE id = ?", (group_id,))


def stream(db: sqlite3.Connection, group_id: int, name: str) -> Stream | None:
    """Return the stream of that name, or None."""
    row = db.execute(f"{_STREAM} WHERE log_group = ? AND name = ?", (group_id, name)).fetchone()
    return Stream(*row) if row else None


def streams(
    db: sqlite3.Connection,
    group_id: int,
    *,
    prefix: str = "",
    by_time: bool = False,
    descending: bool = False,
    after: tuple[str | int, int] | None = None,
    limit: int = -1,
) -> list[Stream]:
    """Return streams by name, or by the time of their last line, from the keyset position `after` (value, id) on."""
    column = "coalesce(last, 0)" if by_time else "name"
    way, beyond = ("DESC", "<") if descending else ("ASC", ">")
    where = "" if after is None else f" AND ({column}, id) {beyond} (?, ?)"
    rows = db.execute(
        f"{_STREAM} WHERE log_group = ? AND name BETWEEN ? AND ?{where} ORDER BY {column} {way}, id {way} LIMIT ?",
        (group_id, prefix, prefix + _LAST_CHARACTER, *(after or ()), limit),
    )
    return [Stream(*row) for row in rows]


def add_stream(db: sqlite3.Connection, group_id: int, name: str, now: int) -> bool:
    """Create a stream; return False where the name is taken."""
    done = db.execute(
        "INSERT INTO log_streams (log_group, name, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (group_id, name, now),
    )
    return done.rowcount == 1


def remove_stream(db: sqlite3.Connection, stream_id: int) -> None:
    """Delete a stream and its lines."""
    db.execute("DELETE FROM log_lines WHERE stream = ?", (stream_id,))
    db.execute("DELETE FROM log_streams WHERE id = ?", (stream_id,))


def append(
    db: sqlite3.Connection,
    group_id: int,
    stream_id: int,
    events: Sequence[tuple[int, str]],
    *,
    now: int,
    mark: int | None = None,
) -> None:
    """Add (time, message) pairs to a stream, and set its mark where one is given."""
    if mark is not None:
        db.execute("UPDATE log_streams SET mark = ? WHERE id = ?", (mark, stream_id))
    if not events:
        return
    (last,) = db.execute(
        "UPDATE log_groups SET lines = lines + ? WHERE id = ? RETURNING lines", (len(events), group_id)
    ).fetchone()
    ordinals = range(last - len(events) + 1, last + 1)
    db.executemany(
        "INSERT INTO log_lines (stream, time, ordinal, ingested, message) VALUES (?, ?, ?, ?, ?)",
        [(stream_id, time, ordinal, now, message) for ordinal, (time, message) in zip(ordinals, events, strict=True)],
    )
    times = [time for time, _ in events]
    size = sum(len(message.encode()) + OVERHEAD for _, message in events)
    db.execute(
        "UPDATE log_streams SET bytes = bytes + ?, first = min(coalesce(first, ?), ?), last = max(coalesce(last, ?), ?),"
        " ingested = ? WHERE id = ?",
        (size, min(times), min(times), max(times), max(times), now, stream_id),
    )


def lines(
    db: sqlite3.Connection, stream_id: int, window: Window, *, descending: bool = False, limit: int = -1
) -> Iterator[Line]:
    """Yield the lines of a stream within a window, in order, reading no further than is asked for."""
    way = "DESC" if descending else "ASC"
    cursor = db.execute(
        "SELECT time, ordinal, ingested, message FROM log_lines WHERE stream = ?"
        " AND (time, ordinal) > (?, ?) AND (time, ordinal) < (?, ?)"
        f" ORDER BY time {way}, ordinal {way} LIMIT ?",
        (stream_id, *window.after, *window.before, limit),
    )
    with closing(cursor):
        for row in cursor:
            yield Line(*row)


def expire(db: sqlite3.Connection, now: int) -> None:
    """Delete the lines that are older than their group's retention."""
    stale = db.execute(
        f"SELECT s.id, ? - g.retention * {DAY} FROM log_streams s JOIN log_groups g ON g.id = s.log_group"
        f" WHERE g.retention IS NOT NULL AND s.first < ? - g.retention * {DAY}",
        (now, now),
    ).fetchall()
    for stream_id, horizon in stale:
        (size,) = db.execute(
            f"SELECT coalesce(sum(length(CAST(message AS BLOB)) + {OVERHEAD}), 0) FROM log_lines"
            " WHERE stream = ? AND time < ?",
            (stream_id, horizon),
        ).fetchone()
        db.execute("DELETE FROM log_lines WHERE stream = ? AND time < ?", (stream_id, horizon))
        db.execute(
            "UPDATE log_streams SET bytes = bytes - ?, first = (SELECT min(time) FROM log_lines WHERE stream = ?)"
            " WHERE id = ?",
            (size, stream_id, stream_id),
        )
