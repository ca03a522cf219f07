"""A body on its way in: received, digested and written, and dropped unless all of it was as promised.

A body is what an HTTP request streams, or what an in-process caller gives as `Body`: bytes, an async iterator of
bytes, the `Path` of a file to copy, or a `Handover` of a file that the store may take over.

A small body costs one visit to a thread, together with its commit. Of a large one, a batch is digested and written on
two threads while the event loop receives the next; a client that is faster than the disk waits.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from sagebrush.kernel.objects.base import Blob, Draft, ObjectStore
from sagebrush.kernel.wire.http import Request
from sagebrush.services.s3.checksums import DEFAULT, Digests, Promise, encoded
from sagebrush.services.s3.errors import refusal

BATCH = 1 << 20
LIMIT = 5 * 2**30
"""The most bytes that one PUT takes."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A finished file that its owner gives away: the store may move it instead of copying it."""

    path: Path


Body = bytes | AsyncIterator[bytes] | Path | Handover | None


class Received(NamedTuple):
    """A body that is a blob now: its MD5 in hexadecimal, its checksums in base64."""

    blob: Blob
    etag: str
    checksums: Mapping[str, str]


class _Trailing(Protocol):
    trailers: Mapping[str, str]


class Incoming:
    """One body. `take` it on the event loop, then `seal` it on a thread; on leaving, nothing unsealed stays."""

    def __init__(self, store: ObjectStore, promise: Promise, algorithm: str = "") -> None:
        """Digest with what was promised and with `algorithm`, which is by default the same."""
        self.promise = promise
        self.algorithm = algorithm or promise.algorithm or DEFAULT
        self._store = store
        self._algorithms = {self.algorithm, promise.algorithm or self.algorithm}
        self._digests = Digests(self._algorithms)
        self._draft: Draft | None = None
        self._rest: list[bytes] = []
        self._file: Path | Handover | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._draft is not None:
            self._draft.abort()

    async def take(self, body: Body) -> None:
        """Receive a body to its end. Raises AwsError, and whatever ends the stream early."""
        if isinstance(body, Path | Handover):
            self._file = body
        elif isinstance(body, AsyncIterator):
            await self._receive(body)
            if self.promise.trailing:
                self.promise.trailer(_trailers(body))
        elif body:
            self._rest = [bytes(body)]

    async def _receive(self, stream: AsyncIterator[bytes]) -> None:
        work: asyncio.Future[object] | None = None
        total = held = 0
        try:
            async for chunk in stream:
                self._rest.append(chunk)
                held += len(chunk)
                if held < BATCH:
                    continue
                total += held
                if total > LIMIT:
                    raise too_large(total)
                if work is not None:
                    await work
                work = self._start(self._rest)
                self._rest, held = [], 0
        finally:
            if work is not None:  # a thread that writes must not be left alone with a draft that is given up
                await asyncio.wait([work])
        if work is not None:
            await work

    def _start(self, batch: Sequence[bytes]) -> "asyncio.Future[object]":
        loop = asyncio.get_running_loop()
        return asyncio.gather(
            loop.run_in_executor(None, self._digests.update_etag, batch),
            loop.run_in_executor(None, self._write, batch),
        )

    def _write(self, batch: Sequence[bytes]) -> None:
        self._digests.update_checksums(batch)
        if self._draft is None:
            self._draft = self._store.begin()
        self._draft.write(batch)

    def seal(self) -> Received:
        """Digest and write what is left, check it against what was promised, and make it a blob. Raises AwsError."""
        if isinstance(self._file, Handover):
            for batch in _batches(self._file.path):
                self._digests.update_etag(batch)
                self._digests.update_checksums(batch)
        else:
            for batch in _batches(self._file) if self._file else [self._rest]:
                self._digests.update_etag(batch)
                self._write(batch)
        self.promise.check(self._digests)
        blob = self._finish()
        checksums = {name: encoded(self._digests.digest(name)) for name in self._algorithms}
        return Received(blob, self._digests.md5.hex(), checksums)

    def _finish(self) -> Blob:
        if isinstance(self._file, Handover):
            return self._store.adopt(self._file.path)
        if self._draft is None:
            self._draft = self._store.begin()
        return self._draft.finish()


def promise(request: Request | None, params: Mapping[str, object]) -> Promise:
    """Return what the client promised about a body. Raises AwsError where a body may not even begin."""
    if request is None:
        return Promise(params)
    encoding = request.headers.get("x-amz-decoded-content-length") or request.headers.get("content-length")
    if not encoding.isdecimal():
        raise refusal("MissingContentLength")
    if int(encoding) > LIMIT:
        raise too_large(int(encoding))
    announced = [name.strip().lower() for name in request.headers.get("x-amz-trailer").split(",")]
    found = Promise(params, announced)
    if "x-amz-sdk-checksum-algorithm" in request.headers and not found.algorithm:
        text = (
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers"
            " were found."
        )
        raise refusal("InvalidRequest", text)
    return found


def too_large(size: int) -> Exception:
    """Return the refusal of a body of `size` bytes or more."""
    return refusal("EntityTooLarge", ProposedSize=size, MaxSizeAllowed=LIMIT)


def _trailers(body: object) -> Mapping[str, str]:
    found: Mapping[str, str] = getattr(body, "trailers", {})
    return found


def _batches(path: Path) -> Iterator[list[bytes]]:
    with path.open("rb", buffering=0) as source:
        while chunk := source.read(BATCH):
            yield [chunk]
