"""The index of S3's keys: buckets, and objects in the order of their keys' UTF-8 bytes.

A row says which blob of the object store holds an object's bytes. What no row points to any more is in the trash from
the same commit on, so that it is not lost track of.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import orjson

from sagebrush.kernel.state import trash, uploads
from sagebrush.kernel.state.sqlite import Database
from sagebrush.kernel.state.uploads import MissingBucketError
from sagebrush.kernel.state.walk import walk

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, created INTEGER NOT NULL, tags TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL REFERENCES buckets, key TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    modified INTEGER NOT NULL, blob TEXT NOT NULL, storage_class TEXT NOT NULL, algorithm TEXT NOT NULL,
    checksum TEXT NOT NULL, checksum_type TEXT NOT NULL, tags TEXT NOT NULL, headers TEXT NOT NULL,
    upload TEXT NOT NULL, part_count INTEGER NOT NULL, parts TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS objects_key ON objects (bucket, key);
{uploads.SCHEMA}
{trash.SCHEMA}
"""


class Bucket(NamedTuple):
    """A bucket; `created` in epoch seconds, `tags` as JSON."""

    name: str
    account: str
    region: str
    created: int
    tags: str = ""


class Entry(NamedTuple):
    """An object as the index has it: `modified` in epoch seconds, `etag` without quotes, `tags` and `headers` as JSON.

    `upload` is the multipart upload that made it, or empty; such an object has `part_count` parts.
    """

    bucket: str
    key: str
    size: int
    etag: str
    modified: int
    blob: str
    storage_class: str
    algorithm: str
    checksum: str
    checksum_type: str
    tags: str
    headers: str
    upload: str = ""
    part_count: int = 0


class PartOf(NamedTuple):
    """A part of an object that a multipart upload made: number, size in bytes, checksum in base64 or empty."""

    number: int
    size: int
    checksum: str


class NotEmptyError(Exception):
    """The bucket still has objects."""


Check = Callable[[Entry | None], None]
"""Looks, within the transaction, at what a key holds before it is changed; raises to have nothing changed."""

_ENTRY = ", ".join(Entry._fields)
_STORED = (*Entry._fields, "parts")
_PUT = (
    f"INSERT INTO objects ({', '.join(_STORED)}) VALUES ({', '.join('?' * len(_STORED))})"
    f" ON CONFLICT (bucket, key) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _STORED[2:])}"
)
_GET = f"SELECT {_ENTRY} FROM objects WHERE bucket = ? AND key = ?"
_FROM = f"SELECT {_ENTRY} FROM objects WHERE bucket = ? AND key >= ? ORDER BY key"
_LIVE = """
SELECT blob FROM objects WHERE blob IN (SELECT value FROM json_each(:blobs)) UNION
SELECT blob FROM parts WHERE blob IN (SELECT value FROM json_each(:blobs))
"""


class KeyIndex:
    """Buckets and objects. Methods that drop or replace a row return the blobs to discard after the commit."""

    def __init__(self, db: Database) -> None:
        """Take a database that has SCHEMA."""
        self._db = db
        self.trash = trash.Trash(db)
        self.uploads = uploads.UploadIndex(db, self.trash)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make the changes inside one commit."""
        with self._db.write():
            yield

    # Buckets

    def create_bucket(self, bucket: Bucket) -> bool:
        """Add a bucket; False where the name is taken."""
        with self._db.write() as connection:
            return connection.execute("INSERT OR IGNORE INTO buckets VALUES (?, ?, ?, ?, ?)", bucket).rowcount == 1

    def bucket(self, name: str) -> Bucket | None:
        """Return a bucket by its name."""
        with self._db.own() as connection:
            row = connection.execute("SELECT * FROM buckets WHERE name = ?", (name,)).fetchone()
            return row and Bucket._make(row)

    def buckets(self, account: str, after: str = "") -> Iterator[Bucket]:
        """Yield an account's buckets in the order of their names."""
        with self._db.read() as connection:
            query = "SELECT * FROM buckets WHERE account = ? AND name > ? ORDER BY name"
            yield from map(Bucket._make, connection.execute(query, (account, after)))

    def tag_bucket(self, name: str, tags: str) -> None:
        """Replace a bucket's tags."""
        with self._db.write() as connection:
            connection.execute("UPDATE buckets SET tags = ? WHERE name = ?", (tags, name))

    def delete_bucket(self, name: str) -> list[str]:
        """Remove a bucket without objects, and the uploads under way in it. Raises NotEmptyError."""
        with self._db.write() as connection:
            if connection.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (name,)).fetchone():
                raise NotEmptyError(name)
            blobs = self.uploads.remove_all(name)
            connection.execute("DELETE FROM buckets WHERE name = ?", (name,))
            return blobs

    # Objects

    def get(self, bucket: str, key: str) -> Entry | None:
        """Return an object by its key."""
        with self._db.own() as connection:
            row = connection.execute(_GET, (bucket, key)).fetchone()
            return row and Entry._make(row)

    def parts(self, entry: Entry) -> list[PartOf]:
        """Return an object's parts in order; none where no multipart upload made it."""
        with self._db.read() as connection:
            query = "SELECT parts FROM objects WHERE bucket = ? AND key = ? AND blob = ?"
            row = connection.execute(query, (entry.bucket, entry.key, entry.blob)).fetchone()
            return [PartOf(*part) for part in orjson.loads(row["parts"])] if row else []

    def put(self, entry: Entry, check: Check, parts: Collection[PartOf] = ()) -> list[str]:
        """Have a key hold `entry`, and end the upload that made it. Raises MissingBucketError and what `check` does."""
        with self._db.write() as connection:
            old = self.get(entry.bucket, entry.key)
            check(old)
            try:
                connection.execute(_PUT, (*entry, orjson.dumps(parts, default=list).decode()))
            except sqlite3.IntegrityError:
                raise MissingBucketError(entry.bucket) from None
            freed = self.uploads.remove(entry.upload) if entry.upload else []
            return freed + self._drop(connection, old)

    def tag(self, bucket: str, key: str, tags: str) -> bool:
        """Replace an object's tags; False where the key holds nothing."""
        with self._db.write() as connection:
            change = "UPDATE objects SET tags = ? WHERE bucket = ? AND key = ?"
            return connection.execute(change, (tags, bucket, key)).rowcount == 1

    def delete(self, bucket: str, key: str, check: Check) -> list[str]:
        """Have a key hold nothing. Raises what `check` does."""
        with self._db.write() as connection:
            old = self.get(bucket, key)
            check(old)
            connection.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
            return self._drop(connection, old)

    def scan(self, bucket: str, prefix: str, delimiter: str, start: str) -> Iterator[Entry | str]:
        """Yield objects in key order, and common prefixes; see `walk`."""
        with self._db.read() as connection:
            yield from walk(
                lambda key: map(Entry._make, connection.execute(_FROM, (bucket, key))), prefix, delimiter, start
            )

    def live(self, blobs: Collection[str]) -> set[str]:
        """Return those of `blobs` that a row points to. Reads the whole index."""
        with self._db.read() as connection:
            given = {"blobs": orjson.dumps(list(blobs)).decode()}
            return {row["blob"] for row in connection.execute(_LIVE, given)}

    def _drop(self, connection: sqlite3.Connection, old: Entry | None) -> list[str]:
        if old is None:
            return []
        self.trash.add(connection, [old.blob])
        return [old.blob]


__all__ = ["SCHEMA", "Bucket", "Check", "Entry", "KeyIndex", "MissingBucketError", "NotEmptyError", "PartOf"]
