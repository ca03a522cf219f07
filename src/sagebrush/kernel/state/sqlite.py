"""One SQLite file: many readers, one writer at a time."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA foreign_keys = ON;
PRAGMA busy_timeout = 10000;
PRAGMA cache_size = -8000;
PRAGMA temp_store = MEMORY;
"""


class Database:
    """A database file in WAL mode.

    A committed write is in the operating system's hands, so it survives `kill -9` of this process at any moment. A
    power cut may lose the last moments, as `synchronous = NORMAL` allows; it never tears a transaction.

    Readers are connections of their own, one per thread, and never wait for the writer.
    """

    def __init__(self, path: Path, schema: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._local = threading.local()
        self._lock = threading.RLock()
        self._owner = 0
        self._after: list[Callable[[], None]] = []
        self._readers: list[sqlite3.Connection] = []
        self._writer = self._connect()
        path.chmod(0o600)
        self._writer.executescript(schema)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.row_factory = sqlite3.Row
        connection.executescript(_PRAGMAS)
        return connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's reading connection; each statement sees the last commit."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            with self._lock:
                self._readers.append(connection)
        yield connection

    @contextmanager
    def own(self) -> Iterator[sqlite3.Connection]:
        """Give the writing connection to a thread inside `write`, so that it sees its own changes; else a reader."""
        if self._owner == threading.get_ident():
            yield self._writer
        else:
            with self.read() as connection:
                yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the writing connection inside a transaction: committed at the end, rolled back on an exception.

        A nested `write` of the same thread joins the outer transaction.
        """
        with self._lock:
            if self._writer.in_transaction:
                yield self._writer
                return
            self._writer.execute("BEGIN IMMEDIATE")
            self._owner = threading.get_ident()
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                self._after.clear()
                raise
            else:
                self._writer.execute("COMMIT")
            finally:
                self._owner = 0
            after, self._after = self._after, []
        for step in after:
            step()

    def after(self, step: Callable[[], None]) -> None:
        """Do `step` once the transaction of this thread is committed; never, if it is rolled back."""
        self._after.append(step)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for connection in (*self._readers, self._writer):
                connection.close()
            self._readers.clear()
