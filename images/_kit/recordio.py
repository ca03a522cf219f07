"""RecordIO framing: magic, length, payload, zero padding to a multiple of four; little-endian (MXNet's format)."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

MAGIC = 0xCED7230A
_HEAD = struct.Struct("<II")
_LENGTH = (1 << 29) - 1  # the upper three bits say which part of a split record this is
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


def frame(payload: bytes) -> bytes:
    """Return one whole record's bytes."""
    return b"".join((_HEAD.pack(MAGIC, len(payload)), payload, bytes(-len(payload) % 4)))


def records(source: BinaryIO) -> Iterator[bytes]:
    """Yield the payload of each record; parts of a split record are put together with the magic between them.

    Raises ValueError where the stream is not RecordIO or ends within a record.
    """
    parts: list[bytes] = []
    for flag, payload in _frames(source):
        if (flag in (_WHOLE, _FIRST)) == bool(parts):
            raise ValueError("not RecordIO: the parts of a split record are out of order")
        parts.append(payload)
        if flag in (_WHOLE, _LAST):
            yield _HEAD.pack(MAGIC, 0)[:4].join(parts)
            parts.clear()
    if parts:
        raise ValueError("truncated RecordIO: the last record has no end")


def _frames(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    while head := source.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise ValueError("truncated RecordIO: a record's head is cut off")
        magic, word = _HEAD.unpack(head)
        if magic != MAGIC:
            raise ValueError(f"not RecordIO: {head[:4].hex()} where the magic number 0a23d7ce should be")
        length = word & _LENGTH
        payload = source.read(length + -length % 4)
        if len(payload) < length:
            raise ValueError("truncated RecordIO: a record is cut off")
        yield word >> 29, payload[:length]
