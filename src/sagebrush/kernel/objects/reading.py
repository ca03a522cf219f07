"""A blob on its way out: to an HTTP client chunk by chunk, or to a job as a file."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from sagebrush.kernel.objects.base import Blob, ObjectStore

CHUNK = 1 << 20


class Reading:
    """The bytes from `start` to `end` of a blob, to be consumed once, in one of four ways.

    `async for` on the event loop, which only ever reads there what needs no waiting; `for` or `read()` on a thread;
    `save(path)` for a private copy; `link(path)` for the blob's own bytes, at no cost of their size.
    """

    def __init__(self, store: ObjectStore, blob: Blob, start: int = 0, end: int | None = None) -> None:
        """Open the blob, so that it can be read whatever happens to its key. Raises MissingBlobError."""
        self._store = store
        self._blob = blob
        self._start = start
        self._end = blob.size if end is None else end
        self._reader = store.open(blob.id)

    def __len__(self) -> int:
        return self._end - self._start

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for offset, length in self._chunks():
                yield await self._next(offset, length)
        finally:
            self._reader.close()

    def __iter__(self) -> Iterator[bytes]:
        try:
            for offset, length in self._chunks():
                yield self._whole(offset, length)
        finally:
            self._reader.close()

    def read(self) -> bytes:
        """Return all bytes."""
        return b"".join(self)

    async def drain(self) -> bytes:
        """Return all bytes, without making the event loop wait."""
        return b"".join([chunk async for chunk in self])

    def save(self, path: Path) -> None:
        """Write a private, writable copy to `path`, which is replaced."""
        path.unlink(missing_ok=True)
        with path.open("xb", buffering=0) as target:
            for chunk in self:
                target.write(chunk)

    def link(self, path: Path) -> bool:
        """Make the whole blob appear at `path` without a copy; False where that is impossible, or this is a range.

        The file must not be written to: it is the object. Raises FileExistsError.
        """
        if len(self) != self._blob.size or not self._store.link(self._blob.id, path):
            return False
        self._reader.close()
        return True

    def _chunks(self) -> Iterator[tuple[int, int]]:
        for offset in range(self._start, self._end, CHUNK):
            yield offset, min(CHUNK, self._end - offset)

    async def _next(self, offset: int, length: int) -> bytes:
        if self._reader.ready(offset, length):
            return self._whole(offset, length)
        return await asyncio.get_running_loop().run_in_executor(None, self._whole, offset, length)

    def _whole(self, offset: int, length: int) -> bytes:
        data = self._reader.read(offset, length)
        if len(data) != length:
            message = f"blob {self._blob.id} is shorter than the {self._blob.size} bytes that its row says"
            raise OSError(message)
        return data
