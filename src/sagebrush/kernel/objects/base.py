"""The bytes behind S3: the port."""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Blob(NamedTuple):
    """Immutable bytes: an id that names no other blob, ever, and a size in bytes."""

    id: str
    size: int


class MissingBlobError(Exception):
    """There is no blob of this id: never was, or it was discarded."""


class Draft(Protocol):
    """A blob being written, by one thread at a time. Nobody sees it before it is finished."""

    def write(self, chunks: Sequence[bytes]) -> None:
        """Append the chunks."""
        ...

    def finish(self) -> Blob:
        """Make it a blob. The draft is used up."""
        ...

    def abort(self) -> None:
        """Leave nothing behind. Safe to repeat, and without effect once finished."""
        ...


class Reader(Protocol):
    """An open blob. It can be read to its end even if the blob is discarded meanwhile."""

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end. Safe from any thread."""
        ...

    def ready(self, offset: int, length: int) -> bool:
        """Tell whether `read` of the same range would most likely answer without waiting for a device."""
        ...

    def close(self) -> None:
        """Let go. Safe to repeat; also happens when the reader is garbage."""
        ...


class ObjectStore(Protocol):
    """Blobs: immutable, named by the store, not by the user. Keys and metadata are the key index's affair.

    **Order of writes.** A row of the index must never point to missing bytes, and bytes without a row must not stay
    for ever. So: first the blob is finished; then its row is committed; then it is kept, and whatever the row pointed
    to before is discarded. A blob that is finished and not kept can be read like any other, but the next start drops
    it unless the index says, through `recover`, that it is in use.

    **Durability.** A finished blob survives `kill -9`. It need not survive a power cut.

    **Costs.** No method holds a blob in memory. All may wait for a device, so none is called on the event loop but
    `Reader.read` where `Reader.ready` said yes.
    """

    def begin(self) -> Draft:
        """Start a blob."""
        ...

    def open(self, blob: str) -> Reader:
        """Open a blob. Raises MissingBlobError."""
        ...

    def adopt(self, path: Path) -> Blob:
        """Take over a regular file, which is gone from `path` afterwards; without a copy where the store can."""
        ...

    def copy(self, blob: str) -> Blob:
        """Return another blob of the same bytes; without a copy where the store can. Raises MissingBlobError."""
        ...

    def join(self, parts: Sequence[Blob]) -> Blob:
        """Return a blob of all parts' bytes in this order.

        The parts stay until they are discarded, but the store may build on the first one's bytes in place: a part
        may be joined again, by one caller at a time, but must be nobody else's. Of each part exactly `size` bytes
        count. Raises MissingBlobError.
        """
        ...

    def link(self, blob: str, path: Path) -> bool:
        """Make the blob's own bytes appear as a file at `path`, at no cost of their size; False where impossible.

        The file is read-only and must stay so: it *is* the blob. Raises FileExistsError and MissingBlobError.
        """
        ...

    def keep(self, blobs: Iterable[str]) -> None:
        """Note that rows point to these blobs now. Safe to repeat."""
        ...

    def discard(self, blobs: Iterable[str]) -> None:
        """Remove blobs; those that are gone already are skipped. Readers that have one open go on."""
        ...

    def recover(self, live: Callable[[Collection[str]], Collection[str]]) -> None:
        """At the start, before anything else: drop drafts, and those blobs not kept that `live` does not return."""
        ...
