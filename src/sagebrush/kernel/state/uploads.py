"""The index of multipart uploads that are under way, and of their parts."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sagebrush.kernel.state.sqlite import Database
from sagebrush.kernel.state.trash import Trash
from sagebrush.kernel.state.walk import walk

SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL REFERENCES buckets ON DELETE CASCADE, key TEXT NOT NULL,
    initiated INTEGER NOT NULL, initiator TEXT NOT NULL, storage_class TEXT NOT NULL, algorithm TEXT NOT NULL,
    checksum_type TEXT NOT NULL, tags TEXT NOT NULL, headers TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_key ON uploads (bucket, key, id);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL REFERENCES uploads ON DELETE CASCADE, number INTEGER NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified INTEGER NOT NULL, blob TEXT NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
"""


class Upload(NamedTuple):
    """A multipart upload. Ids sort by the time of their making. `algorithm` is empty where the client named none."""

    id: str
    bucket: str
    key: str
    initiated: int
    initiator: str
    storage_class: str
    algorithm: str
    checksum_type: str
    tags: str
    headers: str


class MissingBucketError(Exception):
    """There is no such bucket any more."""


class Part(NamedTuple):
    """An uploaded part: `etag` its MD5 in hex, `checksum` base64 in the upload's algorithm, or empty."""

    number: int
    size: int
    etag: str
    modified: int
    blob: str
    checksum: str


class MissingUploadError(Exception):
    """There is no such upload: never was, or it was completed or aborted."""


class CompletingError(Exception):
    """The upload is being completed right now."""


_UPLOAD = ", ".join(Upload._fields)
_PART = ", ".join(Part._fields)


class UploadIndex:
    """Uploads and parts. Methods that drop parts return the blobs to discard after the commit."""

    def __init__(self, db: Database, trash: Trash) -> None:
        self._db = db
        self._trash = trash
        self._completing: set[str] = set()
        self._ended = threading.Condition()

    def create(self, upload: Upload) -> None:
        """Begin an upload. Raises MissingBucketError."""
        try:
            with self._db.write() as connection:
                connection.execute(f"INSERT INTO uploads ({_UPLOAD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", upload)
        except sqlite3.IntegrityError as error:
            raise MissingBucketError(upload.bucket) from error

    def get(self, upload: str) -> Upload | None:
        """Return an upload by its id."""
        with self._db.own() as connection:
            row = connection.execute(f"SELECT {_UPLOAD} FROM uploads WHERE id = ?", (upload,)).fetchone()
            return row and Upload._make(row)

    def put_part(self, upload: str, part: Part) -> list[str]:
        """Add or replace a part. Raises MissingUploadError and CompletingError."""
        with self._db.write() as connection:
            self._open(upload)
            where = (upload, part.number)
            old = connection.execute("SELECT blob FROM parts WHERE upload = ? AND number = ?", where).fetchall()
            connection.execute(
                f"INSERT OR REPLACE INTO parts (upload, {_PART}) VALUES (?, ?, ?, ?, ?, ?, ?)", (upload, *part)
            )
            return self._drop(connection, old)

    def parts(self, upload: str, after: int = 0) -> Iterator[Part]:
        """Yield the parts with a number above `after`, in order."""
        with self._db.own() as connection:
            query = f"SELECT {_PART} FROM parts WHERE upload = ? AND number > ? ORDER BY number"
            yield from map(Part._make, connection.execute(query, (upload, after)))

    def scan(self, bucket: str, prefix: str, delimiter: str, start: str) -> Iterator[Upload | str]:
        """Yield uploads by key, then by age, and common prefixes; see `walk`."""
        query = f"SELECT {_UPLOAD} FROM uploads WHERE bucket = ? AND key >= ? ORDER BY key, id"
        with self._db.read() as connection:
            yield from walk(
                lambda key: map(Upload._make, connection.execute(query, (bucket, key))), prefix, delimiter, start
            )

    @contextmanager
    def completing(self, upload: str) -> Iterator[None]:
        """Keep the parts of an upload as they are; wait while another thread does. Raises MissingUploadError.

        The note is in memory alone, so that a crash lets go of it.
        """
        with self._ended:
            self._ended.wait_for(lambda: upload not in self._completing)
            with self._db.write():
                self._open(upload)
                self._completing.add(upload)
        try:
            yield
        finally:
            with self._ended:
                self._completing.discard(upload)
                self._ended.notify_all()

    def abort(self, upload: str) -> list[str]:
        """Drop an upload and its parts. Raises MissingUploadError and CompletingError."""
        with self._db.write():
            self._open(upload)
            return self.remove(upload)

    def remove(self, upload: str) -> list[str]:
        """Drop an upload and its parts, within the write that completes it."""
        with self._db.write() as connection:
            blobs = connection.execute("SELECT blob FROM parts WHERE upload = ?", (upload,)).fetchall()
            connection.execute("DELETE FROM uploads WHERE id = ?", (upload,))
            return self._drop(connection, blobs)

    def remove_all(self, bucket: str) -> list[str]:
        """Drop every upload of a bucket, within the write that deletes it."""
        with self._db.write() as connection:
            inside = "SELECT id FROM uploads WHERE bucket = ?"
            blobs = connection.execute(f"SELECT blob FROM parts WHERE upload IN ({inside})", (bucket,)).fetchall()
            connection.execute("DELETE FROM uploads WHERE bucket = ?", (bucket,))
            return self._drop(connection, blobs)

    def _open(self, upload: str) -> None:
        if upload in self._completing:
            raise CompletingError(upload)
        if self.get(upload) is None:
            raise MissingUploadError(upload)

    def _drop(self, connection: sqlite3.Connection, rows: list[sqlite3.Row]) -> list[str]:
        blobs = [row["blob"] for row in rows]
        if blobs:
            self._trash.add(connection, blobs)
        return blobs
