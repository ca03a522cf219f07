"""A body on its way in: received, digested and written, and dropped unless all of it was as promised.

A body is what an HTTP request streams, or what an in-process caller gives as `Body`: bytes, an async iterator of
bytes, the `Path` of a file to copy, or a `Handover` of a file that the store may take over.

A small body costs one visit to a thread, together with its commit. Of a large one, a batch is digested and written on
two threads while the event loop receives the next; a client that is faster than the disk waits.
"""

import asyncio
import re
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Self

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


Body = bytes | AsyncIterable[bytes] | Path | Handover | None


class Received(NamedTuple):
    """A body that is a blob now: its MD5 in hexadecimal, its checksums in base64."""

    blob: Blob
    etag: str
    checksums: Mapping[str, str]


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
        self._source: Iterable[bytes] = ()
        self._handover: Path | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._draft is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._draft.abort)

    async def take(self, body: Body) -> None:
        """Receive a body to its end. Raises AwsError, and whatever ends the stream early."""
        if isinstance(body, Handover):
            self._handover = body.path
        elif isinstance(body, Path):
            self.give(_chunks(body))
        elif isinstance(body, AsyncIterable):
            await self._receive(body)
            if self.promise.trailing:
                self.promise.trailer(_trailers(body))
        elif body:
            self._rest = [bytes(body)]

    def give(self, chunks: Iterable[bytes]) -> None:
        """Have `seal` read a body that is at hand."""
        self._source = chunks

    async def _receive(self, stream: AsyncIterable[bytes]) -> None:
        work: asyncio.Future[Any] | None = None
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
            work.result()

    def _start(self, batch: Sequence[bytes]) -> "asyncio.Future[Any]":
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
        if self._handover:
            for chunk in _chunks(self._handover):
                self._digests.update_etag([chunk])
                self._digests.update_checksums([chunk])
        else:
            for batch in chain([self._rest], ([chunk] for chunk in self._source)):
                self._digests.update_etag(batch)
                self._write(batch)
        self.promise.check(self._digests)
        blob = self._finish()
        checksums = {name: encoded(self._digests.digest(name)) for name in self._algorithms}
        return Received(blob, self._digests.md5.hex(), checksums)

    def _finish(self) -> Blob:
        if self._handover:
            return self._store.adopt(self._handover)
        assert self._draft is not None
        blob, self._draft = self._draft.finish(), None
        return blob


def promise(request: Request | None, params: Mapping[str, object]) -> Promise:
    """Return what the client promised about a body. Raises AwsError where a body may not even begin."""
    if request is None:
        return Promise(params)
    encoding = request.headers.get("x-amz-decoded-content-length") or request.headers.get("content-length")
    if re.fullmatch(r"[0-9]{1,18}", encoding) is None:
        raise refusal("MissingContentLength")
    if int(encoding) > LIMIT:
        raise too_large(int(encoding))
    announced = [name.strip().lower() for name in request.headers.get("x-amz-trailer").split(",")]
    found = Promise(params, announced)
    stated = request.headers.get("x-amz-sdk-checksum-algorithm")
    if stated and found.algorithm and stated.upper() != found.algorithm:
        raise refusal("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
    if stated and not found.algorithm:
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


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as source:
        while chunk := source.read(BATCH):
            yield chunk
