"""Blobs that no row points to any more, until they are known to be gone."""

import sqlite3
import threading
from collections.abc import Collection, Iterable

from sagebrush.kernel.state.sqlite import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS trash (blob TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;"


class Trash:
    """Filled in the transaction that drops the row; emptied, in passing, by a later one."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._gone: list[str] = []

    def add(self, connection: sqlite3.Connection, blobs: Collection[str]) -> None:
        """Note, within a write, what is to be discarded once it is committed."""
        with self._lock:
            gone, self._gone = self._gone, []
        connection.executemany("DELETE FROM trash WHERE blob = ?", ((blob,) for blob in gone))
        connection.executemany("INSERT INTO trash (blob) VALUES (?)", ((blob,) for blob in blobs))

    def discarded(self, blobs: Iterable[str]) -> None:
        """Note that blobs are gone. If that is forgotten in a crash, they are discarded once more."""
        with self._lock:
            self._gone.extend(blobs)

    def left(self) -> list[str]:
        """Return what a former process may not have discarded."""
        with self._db.read() as connection:
            return [row["blob"] for row in connection.execute("SELECT blob FROM trash")]
