"""Objects to records, records to payloads: SplitType, BatchStrategy and MaxPayloadInMB of a transform job."""

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from _kit import recordio

_TFRECORD = struct.Struct("<QI")


@dataclass(frozen=True, slots=True)
class Piece:
    """One record: `raw` as it lies in the object, with its line end or frame; `content` without."""

    raw: bytes
    content: bytes


def pieces(source: BinaryIO, split_type: str, limit: int | None) -> Iterator[Piece]:
    """Yield an object's records; the whole object is one where `split_type` is None. Blank lines are no records.

    Raises ValueError where a record is larger than `limit` bytes or the object is not of its format.
    """
    return _SPLITTERS[split_type](source, limit)


def payloads(records: Iterable[Piece], *, single: bool, limit: int | None) -> Iterator[list[Piece]]:
    """Yield the records of each request: one, or as many as `limit` bytes hold."""
    batch: list[Piece] = []
    size = 0
    for record in records:
        if batch and (single or (limit is not None and size + len(record.raw) > limit)):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.raw)
    if batch:
        yield batch


def _whole(source: BinaryIO, limit: int | None) -> Iterator[Piece]:
    data = source.read() if limit is None else source.read(limit + 1)
    _check(data, limit)
    if data:
        yield Piece(data, data)


def _lines(source: BinaryIO, limit: int | None) -> Iterator[Piece]:
    most = -1 if limit is None else limit + 1  # so that a file without line ends is not read to its end
    while raw := source.readline(most):
        _check(raw, limit)
        if content := raw.rstrip(b"\r\n"):
            yield Piece(raw, content)


def _recordio(source: BinaryIO, limit: int | None) -> Iterator[Piece]:
    for content in recordio.records(source):
        raw = recordio.frame(content)
        _check(raw, limit)
        yield Piece(raw, content)


def _tfrecord(source: BinaryIO, limit: int | None) -> Iterator[Piece]:
    """Yield the records of a TFRecord file: length, its checksum, data, its checksum."""
    while head := source.read(_TFRECORD.size):
        length = _TFRECORD.unpack(head)[0] if len(head) == _TFRECORD.size else 0
        if limit is not None and length > limit:
            raise ValueError(_too_large(limit))
        rest = source.read(length + 4)
        if len(head) + len(rest) < _TFRECORD.size + length + 4:
            raise ValueError("truncated TFRecord: a record is cut off")
        _check(head + rest, limit)
        yield Piece(head + rest, rest[:length])


def _check(data: bytes, limit: int | None) -> None:
    if limit is not None and len(data) > limit:
        raise ValueError(_too_large(limit))


def _too_large(limit: int) -> str:
    return f"Too much data for max payload size: a record is larger than {limit} bytes (MaxPayloadInMB)"


_SPLITTERS: dict[str, Callable[[BinaryIO, int | None], Iterator[Piece]]] = {
    "None": _whole,
    "Line": _lines,
    "RecordIO": _recordio,
    "TFRecord": _tfrecord,
}
