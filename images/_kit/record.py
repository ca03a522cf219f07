"""The `Record` message of Amazon's algorithms (package aialgs.data, proto2), read and written without protobuf.

    Record{ map<string,Value> features=1; map<string,Value> label=2; uid=3; metadata=4; configuration=5 }
    Value{ Float32Tensor=2 | Float64Tensor=3 | Int32Tensor=7 | Bytes=9 }
    tensor{ repeated values=1 [packed]; repeated uint64 keys=2 [packed]; repeated uint64 shape=3 [packed] }

Encoding: https://protobuf.dev/programming-guides/encoding/. Unknown fields are skipped, unpacked numbers are read too.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["float32", "float64", "int32"]

_TENSORS: dict[int, Kind] = {2: "float32", 3: "float64", 7: "int32"}
_NUMBERS: dict[Kind, int] = {kind: number for number, kind in _TENSORS.items()}
_TYPES: dict[Kind, str] = {"float32": "f", "float64": "d", "int32": "i"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

assert sys.byteorder == "little", "packed numbers are copied as they lie in memory"


@dataclass(frozen=True)
class Tensor:
    """Numbers; `keys` says which columns they stand in where the tensor is sparse, and `shape` how many there are."""

    kind: Kind
    values: "array[float] | array[int]"
    keys: "array[int]" = field(default_factory=lambda: array("Q"))
    shape: "array[int]" = field(default_factory=lambda: array("Q"))


@dataclass(frozen=True)
class Record:
    """One example: named tensors of features and of labels; training data has them under "values"."""

    features: Mapping[str, Tensor]
    label: Mapping[str, Tensor]


def tensor(
    values: Iterable[float], kind: Kind = "float32", keys: Iterable[int] = (), shape: Iterable[int] = ()
) -> Tensor:
    """Return a tensor of plain numbers."""
    return Tensor(kind, array(_TYPES[kind], values), array("Q", keys), array("Q", shape))


def decode(message: bytes) -> Record:
    """Read one Record. Raises ValueError where the bytes are no such message."""
    maps: dict[int, dict[str, Tensor]] = {1: {}, 2: {}}
    try:
        for number, content in _fields(memoryview(message)):
            if number in maps and isinstance(content, memoryview):
                name, value = _entry(content)
                if value is not None:
                    maps[number][name] = value
    except (IndexError, struct.error) as error:
        raise ValueError(f"not a Record: {error}") from error
    return Record(maps[1], maps[2])


def encode(record: Record) -> bytes:
    """Write one Record."""
    maps = ((1, record.features), (2, record.label))
    return b"".join(
        _tagged(number, _tagged(1, name.encode()) + _tagged(2, _tagged(_NUMBERS[value.kind], _packed(value))))
        for number, named in maps
        for name, value in named.items()
    )


def _entry(content: memoryview) -> tuple[str, Tensor | None]:
    """Read one entry of map<string, Value>."""
    name, value = "", None
    for number, part in _fields(content):
        if number == 1 and isinstance(part, memoryview):
            name = str(part, "utf-8")
        elif number == 2 and isinstance(part, memoryview):
            for which, inner in _fields(part):
                if which in _TENSORS and isinstance(inner, memoryview):
                    value = _tensor(_TENSORS[which], inner)
    return name, value


def _tensor(kind: Kind, content: memoryview) -> Tensor:
    read = tensor((), kind)
    for number, part in _fields(content):
        if number == 1:
            _extend(read.values, kind, part)
        elif number in (2, 3):
            target = read.keys if number == 2 else read.shape
            target.extend(_varints(part) if isinstance(part, memoryview) else (part,))
    return read


def _extend(values: "array[float] | array[int]", kind: Kind, part: "memoryview | int") -> None:
    if kind != "int32":
        assert isinstance(part, memoryview)
        if len(part) % values.itemsize:
            raise ValueError(f"not a Record: {len(part)} bytes of {kind}")
        values.frombytes(part)
        return
    words = _varints(part) if isinstance(part, memoryview) else (part,)
    values.extend((word & 0xFFFFFFFF ^ 0x80000000) - 0x80000000 for word in words)


def _fields(data: memoryview) -> "Iterator[tuple[int, memoryview | int]]":
    """Yield each field's number and content: an int for a varint, the raw bytes for everything else."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        wire = tag & 7
        if wire == _VARINT:
            number, place = _varint(data, place)
            yield tag >> 3, number
            continue
        if wire == _BYTES:
            length, place = _varint(data, place)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"not a Record: wire type {wire}")
        if place + length > len(data):
            raise ValueError("not a Record: it is cut off")
        yield tag >> 3, data[place : place + length]
        place += length


def _varints(data: memoryview) -> Iterator[int]:
    place = 0
    while place < len(data):
        number, place = _varint(data, place)
        yield number


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, place
        shift += 7
        if shift > 63:
            raise ValueError("not a Record: a number without end")


def _packed(value: Tensor) -> bytes:
    if value.kind == "int32":
        values = b"".join(_number(int(word) & 0xFFFFFFFFFFFFFFFF) for word in value.values)
    else:
        values = value.values.tobytes()
    parts = ((1, values), (2, b"".join(map(_number, value.keys))), (3, b"".join(map(_number, value.shape))))
    return b"".join(_tagged(number, part) for number, part in parts if part)


def _tagged(number: int, content: bytes) -> bytes:
    return _number(number << 3 | _BYTES) + _number(len(content)) + content


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
