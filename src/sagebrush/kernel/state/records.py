"""The store of records, their tags and the outbox of events."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from sagebrush.kernel.state.record import Event, Page, Published, Query, Record, Where
from sagebrush.kernel.state.sqlite import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    arn TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, status TEXT NOT NULL,
    created REAL NOT NULL, modified REAL NOT NULL, due REAL, version INTEGER NOT NULL,
    body TEXT NOT NULL, private TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS records_name ON records (kind, account, region, name COLLATE NOCASE);
CREATE INDEX IF NOT EXISTS records_created ON records (kind, account, region, created, seq);
CREATE INDEX IF NOT EXISTS records_modified ON records (kind, account, region, modified, seq);
CREATE INDEX IF NOT EXISTS records_status ON records (kind, account, region, status, created, seq);
CREATE INDEX IF NOT EXISTS records_due ON records (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_owner ON records (owner) WHERE owner <> '';
CREATE TABLE IF NOT EXISTS tags (
    arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
    source TEXT NOT NULL, detail_type TEXT NOT NULL, resources TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_time ON outbox (time);
"""

_COLUMNS = "kind, account, region, name, arn, owner, status, created, modified, due, version, body, private"
_SORTABLE = {"created", "modified", "name", "status"}
_TESTS = {"=": "{0} = ?", "<": "{0} < ?", ">": "{0} > ?", "contains": "instr(lower({0}), lower(?)) > 0"}


class AlreadyExistsError(Exception):
    """A record of this kind and name, or with this ARN, is there."""


class StaleError(Exception):
    """The record has changed, or gone, since it was read."""


def dumps(value: Any) -> str:
    """Return JSON as records keep it: times as epoch seconds."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Mapping):
        return dict(value)
    message = f"cannot keep a {type(value).__name__}"
    raise TypeError(message)


class Records:
    """Records of every kind. Each method is one transaction; an event given with a change commits with it."""

    def __init__(self, database: Database, on_change: Callable[[Record], None] = lambda _: None) -> None:
        self._db = database
        self.on_change = on_change

    def create(self, record: Record, tags: Mapping[str, str] | None = None, events: Iterable[Event] = ()) -> Record:
        """Store a new record. Raises AlreadyExistsError where its name (whatever its case) or ARN is taken."""
        record = replace(record, version=1)
        with self._db.write() as db:
            try:
                db.execute(f"INSERT INTO records ({_COLUMNS}) VALUES (?{', ?' * 12})", _row(record))
            except sqlite3.IntegrityError as error:
                raise AlreadyExistsError(record.arn) from error
            self._tag(db, record.arn, tags or {})
            self._publish(db, record, events)
            self._db.after(partial(self.on_change, record))
        return record

    def save(self, record: Record, events: Iterable[Event] = ()) -> Record:
        """Replace the stored record. Raises StaleError unless the stored version is the one that was read."""
        new = replace(record, version=record.version + 1)
        with self._db.write() as db:
            done = db.execute(
                "UPDATE records SET status = ?, modified = ?, due = ?, version = ?, body = ?, private = ?, owner = ?"
                " WHERE arn = ? AND version = ?",
                (
                    new.status, new.modified, new.due, new.version, dumps(new.body), dumps(new.private), new.owner,
                    new.arn, record.version,
                ),
            )  # fmt: skip
            if done.rowcount != 1:
                raise StaleError(record.arn)
            self._publish(db, new, events)
            self._db.after(partial(self.on_change, new))
        return new

    def change(self, record: Record, step: Callable[[Record], Record], events: Iterable[Event] = ()) -> Record:
        """Apply `step` to the newest version of a record and save it, whoever else changes it meanwhile.

        Raises StaleError where the record is gone.
        """
        with self._db.write():
            current = self.by_arn(record.arn)
            if current is None:
                raise StaleError(record.arn)
            return self.save(step(current), events)

    def delete(self, record: Record, events: Iterable[Event] = ()) -> None:
        """Remove a record and its tags; one that is gone already is fine."""
        with self._db.write() as db:
            db.execute("DELETE FROM records WHERE arn = ?", (record.arn,))
            db.execute("DELETE FROM tags WHERE arn = ?", (record.arn,))
            self._publish(db, record, events)

    def get(self, kind: str, account: str, region: str, name: str) -> Record | None:
        """Return the record of that name, whatever its case, or None."""
        return self._one(
            "kind = ? AND account = ? AND region = ? AND name = ? COLLATE NOCASE", (kind, account, region, name)
        )

    def by_arn(self, arn: str) -> Record | None:
        """Return the record with that ARN, or None."""
        return self._one("arn = ?", (arn,))

    def _one(self, where: str, values: tuple[Any, ...]) -> Record | None:
        with self._db.own() as db:
            row = db.execute(f"SELECT {_COLUMNS} FROM records WHERE {where}", values).fetchone()
        return _record(row) if row else None

    def find(self, query: Query) -> Page:
        """Return one page of the records that `query` asks for."""
        sort, way = _column(query.sort), ("DESC", "<") if query.descending else ("ASC", ">")
        where = ["kind = ?", "account = ?", "region = ?"]
        values: list[Any] = [query.kind, query.account, query.region]
        for condition in query.where:
            where.append(_TESTS[condition.test].format(_column(condition.field)))
            values.append(condition.value)
        if query.after is not None:
            where.append(f"({sort}, seq) {way[1]} (?, ?)")
            values.extend(query.after)
        sql = (
            f"SELECT {_COLUMNS}, seq, {sort} AS position FROM records WHERE {' AND '.join(where)}"
            f" ORDER BY {sort} {way[0]}, seq {way[0]} LIMIT ?"
        )
        with self._db.own() as db:
            rows = db.execute(sql, (*values, query.limit + 1)).fetchall()
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        return Page([_record(row) for row in rows], (rows[-1]["position"], rows[-1]["seq"]) if more else None)

    def owned(self, owner: str) -> list[Record]:
        """Return the records that belong to `owner`, oldest first."""
        with self._db.own() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM records WHERE owner = ? ORDER BY seq", (owner,)).fetchall()
        return [_record(row) for row in rows]

    def due(self, now: float, limit: int = 100) -> list[str]:
        """Return the ARNs of records to be driven by `now`, the longest waiting first."""
        with self._db.own() as db:
            rows = db.execute("SELECT arn FROM records WHERE due <= ? ORDER BY due LIMIT ?", (now, limit)).fetchall()
        return [row["arn"] for row in rows]

    def next_due(self, beside: Collection[str] = ()) -> float | None:
        """Return the clock time at which the next record is to be driven, those in `beside` left out; or None."""
        with self._db.own() as db:
            rows = db.execute("SELECT arn, due FROM records WHERE due IS NOT NULL ORDER BY due")
            return next((row["due"] for row in rows if row["arn"] not in beside), None)

    def tags(self, arn: str) -> dict[str, str]:
        """Return a resource's tags, by key."""
        with self._db.own() as db:
            rows = db.execute("SELECT key, value FROM tags WHERE arn = ? ORDER BY key", (arn,)).fetchall()
        return {row["key"]: row["value"] for row in rows}

    def tag(self, arn: str, tags: Mapping[str, str], *, limit: int = 50) -> dict[str, str]:
        """Add or overwrite tags and return them all. Raises ValueError where there would be more than `limit`."""
        with self._db.write() as db:
            self._tag(db, arn, tags)
            held = self.tags(arn)
            if len(held) > limit:
                message = f"more than {limit} tags on {arn}"
                raise ValueError(message)
            return held

    def untag(self, arn: str, keys: Iterable[str]) -> None:
        """Remove tags; keys that are not there are fine."""
        with self._db.write() as db:
            db.executemany("DELETE FROM tags WHERE arn = ? AND key = ?", [(arn, key) for key in keys])

    def events(self, after: int = 0, limit: int = 100) -> list[Published]:
        """Return the events of the outbox after a position, oldest first."""
        with self._db.own() as db:
            rows = db.execute("SELECT * FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)).fetchall()
        return [_published(row) for row in rows]

    def forget_events(self, before: float) -> None:
        """Drop the events published before clock time `before`."""
        with self._db.write() as db:
            db.execute("DELETE FROM outbox WHERE time < ?", (before,))

    @staticmethod
    def _tag(db: sqlite3.Connection, arn: str, tags: Mapping[str, str]) -> None:
        db.executemany(
            "INSERT INTO tags (arn, key, value) VALUES (?, ?, ?)"
            " ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value",
            [(arn, key, value) for key, value in tags.items()],
        )

    @staticmethod
    def _publish(db: sqlite3.Connection, record: Record, events: Iterable[Event]) -> None:
        db.executemany(
            "INSERT INTO outbox (time, account, region, source, detail_type, resources, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    record.modified, record.account, record.region, event.source, event.detail_type,
                    dumps(list(event.resources)), dumps(event.detail),
                )
                for event in events
            ],
        )  # fmt: skip


def _row(record: Record) -> tuple[Any, ...]:
    return (
        record.kind, record.account, record.region, record.name, record.arn, record.owner, record.status,
        record.created, record.modified, record.due, record.version, dumps(record.body), dumps(record.private),
    )  # fmt: skip


def _record(row: sqlite3.Row) -> Record:
    return Record(
        kind=row["kind"], account=row["account"], region=row["region"], name=row["name"], arn=row["arn"],
        owner=row["owner"], status=row["status"], created=row["created"], modified=row["modified"], due=row["due"],
        version=row["version"], body=orjson.loads(row["body"]), private=orjson.loads(row["private"]),
    )  # fmt: skip


def _published(row: sqlite3.Row) -> Published:
    resources, detail = orjson.loads(row["resources"]), orjson.loads(row["detail"])
    event = Event(row["source"], row["detail_type"], detail, tuple(resources))
    return Published(row["seq"], row["time"], row["account"], row["region"], event)


def _column(name: str) -> str:
    if name in _SORTABLE:
        return name
    if name.startswith("$.") and name[2:].replace(".", "").isalnum():
        return f"coalesce(json_extract(body, '{name}'), '')"
    message = f"no such field of a record: {name!r}"
    raise ValueError(message)


__all__ = ["SCHEMA", "AlreadyExistsError", "Published", "Records", "StaleError", "Where", "dumps"]
