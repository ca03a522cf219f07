"""JSON documents of the json and rest-json protocols, by shape.

A reader turns what orjson read into a value of the shape and raises MalformedError in AWS's words; a writer turns a value
into what orjson writes. Neither knows of HTTP.
"""

from collections.abc import Callable
from typing import Any

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagebrush.kernel.wire.scalars import (
    MalformedError,
    decode_base64,
    encode_base64,
    float_text,
    identity,
    in_range,
    instant,
    read_float,
    timestamp_writer,
)
from sagebrush.kernel.wire.shapes import Compiler, is_sparse

Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]

_KINDS = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE", bool: "BOOLEAN_VALUE"}
_CONTAINERS = {
    dict: "Start of structure or map found where not expected.",
    list: "Start of list found where not expected",
}


def load(body: bytes) -> Any:
    """Return the document of a JSON body. Raises MalformedError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedError("The request body is not well-formed JSON") from error


def reader(shape: Shape, compiler: Compiler[Reader]) -> Reader:
    """Return what reads a value of `shape`."""
    return _READERS[shape.type_name](shape, compiler)


def writer(shape: Shape, compiler: Compiler[Writer]) -> Writer:
    """Return what writes a value of `shape`."""
    return _WRITERS[shape.type_name](shape, compiler)


def structure_reader(members: dict[str, Shape], compiler: Compiler[Reader]) -> Reader:
    """Return what reads an object with these members; members it does not know, and nulls, are left out."""
    known = {each.serialization.get("name", name): (name, compiler(each)) for name, each in members.items()}

    def read(value: Any) -> Any:
        if value.__class__ is not dict:
            raise _unfit(value, "a Structure")
        found = {}
        for wire_name, item in value.items():
            if item is not None and (member := known.get(wire_name)):
                found[member[0]] = member[1](item)
        return found

    return read


def structure_writer(members: dict[str, Shape], compiler: Compiler[Writer]) -> Writer:
    """Return what writes a dict with these members; members it does not know, and None, are left out."""
    known = {name: (each.serialization.get("name", name), compiler(each)) for name, each in members.items()}

    def write(value: Any) -> Any:
        found = {}
        for name, item in value.items():
            if item is not None and (member := known.get(name)):
                found[member[0]] = item if member[1] is identity else member[1](item)
        return found

    return write


def _read_structure(shape: StructureShape, compiler: Compiler[Reader]) -> Reader:
    return identity if shape.is_document_type else structure_reader(shape.members, compiler)


def _write_structure(shape: StructureShape, compiler: Compiler[Writer]) -> Writer:
    return identity if shape.is_document_type else structure_writer(shape.members, compiler)


def _read_list(shape: ListShape, compiler: Compiler[Reader]) -> Reader:
    element = compiler(shape.member)

    def read(value: Any) -> Any:
        if value.__class__ is not list:
            raise _unfit(value, "a List")
        return [None if item is None else element(item) for item in value]

    return read


def _write_list(shape: ListShape, compiler: Compiler[Writer]) -> Writer:
    element = compiler(shape.member)
    if is_sparse(shape):
        return lambda value: [None if item is None else element(item) for item in value]
    return lambda value: [element(item) for item in value if item is not None]


def _read_map(shape: MapShape, compiler: Compiler[Reader]) -> Reader:
    element = compiler(shape.value)

    def read(value: Any) -> Any:
        if value.__class__ is not dict:
            raise _unfit(value, "a Map")
        return {key: None if item is None else element(item) for key, item in value.items()}

    return read


def _write_map(shape: MapShape, compiler: Compiler[Writer]) -> Writer:
    element = compiler(shape.value)
    if is_sparse(shape):
        return lambda value: {str(key): None if item is None else element(item) for key, item in value.items()}
    return lambda value: {str(key): element(item) for key, item in value.items() if item is not None}


def _read_string(shape: Shape, _: Compiler[Reader]) -> Reader:
    return identity if "jsonvalue" in shape.serialization else _text


def _text(value: Any) -> Any:
    if value.__class__ is not str:
        raise _unfit(value, "a String")
    return value


def _boolean(value: Any) -> Any:
    if value.__class__ is not bool:
        raise _unfit(value, "a Boolean")
    return value


def _read_integer(shape: Shape, _: Compiler[Reader]) -> Reader:
    name, article = shape.type_name, "an Integer" if shape.type_name == "integer" else "a Long"

    def read(value: Any) -> Any:
        if value.__class__ is int:
            return in_range(value, name)
        if value.__class__ is float and value.is_integer():
            return in_range(int(value), name)
        raise _unfit(value, article)

    return read


def _read_float(shape: Shape, _: Compiler[Reader]) -> Reader:
    article = f"a {shape.type_name.capitalize()}"

    def read(value: Any) -> Any:
        if value.__class__ is float or value.__class__ is int:
            return float(value)
        if value in ("NaN", "Infinity", "-Infinity"):
            return read_float(value)
        raise _unfit(value, article)

    return read


def _timestamp(value: Any) -> Any:
    if value.__class__ not in (float, int, str):
        raise _unfit(value, "a Timestamp")
    return instant(value)


def _blob(value: Any) -> Any:
    if value.__class__ is not str:
        raise _unfit(value, "a Blob")
    return decode_base64(value)


def _write_float(value: float) -> float | str:
    return value if value - value == 0 else float_text(value)


def _unfit(value: Any, wanted: str) -> MalformedError:
    container = _CONTAINERS.get(value.__class__)
    return MalformedError(container or f"{_KINDS.get(value.__class__, 'NULL_VALUE')} can not be converted to {wanted}")


_READERS: dict[str, Callable[[Any, Compiler[Reader]], Reader]] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "string": _read_string,
    "character": _read_string,
    "boolean": lambda _, __: _boolean,
    "integer": _read_integer,
    "long": _read_integer,
    "float": _read_float,
    "double": _read_float,
    "timestamp": lambda _, __: _timestamp,
    "blob": lambda _, __: _blob,
}
_WRITERS: dict[str, Callable[[Any, Compiler[Writer]], Writer]] = {
    "structure": _write_structure,
    "list": _write_list,
    "map": _write_map,
    "string": lambda _, __: identity,
    "character": lambda _, __: identity,
    "boolean": lambda _, __: identity,
    "integer": lambda _, __: identity,
    "long": lambda _, __: identity,
    "float": lambda _, __: _write_float,
    "double": lambda _, __: _write_float,
    "timestamp": lambda shape, _: timestamp_writer(shape, "unixtimestamp"),
    "blob": lambda _, __: encode_base64,
}
