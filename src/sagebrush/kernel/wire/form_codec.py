"""Forms of the query protocol, by shape: `Tags.member.1.Key=a&Tags.member.1.Value=b`.

A form is read into a tree of its dotted names; a leaf is a text, a branch a dict. Readers raise MalformedError.
Source: "AWS Query protocol" (Smithy).
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagebrush.kernel.wire.scalars import MalformedError, text_reader
from sagebrush.kernel.wire.shapes import MAX_DEPTH, Compiler, wire_name

Node = str | dict[str, Any]
Reader = Callable[[Any], Any]


def fields(body: bytes, query: str = "") -> dict[str, str]:
    """Return the fields of a form and of a URL's query, by name. Raises MalformedError."""
    try:
        text = body.decode() if body else ""
        pairs = [
            *parse_qsl(query, keep_blank_values=True, errors="strict"),
            *parse_qsl(text, keep_blank_values=True, errors="strict"),
        ]
    except ValueError as error:
        raise MalformedError("The request body is not a well-formed form") from error
    return dict(pairs)


def tree(given: dict[str, str]) -> dict[str, Any]:
    """Return the fields of a form as a tree. Raises MalformedError where a name is both a leaf and a branch."""
    root: dict[str, Any] = {}
    for name, value in given.items():
        *branches, leaf = name.split(".")
        if len(branches) > MAX_DEPTH:
            raise MalformedError("The form is nested too deeply")
        place = root
        for branch in branches:
            below = place.setdefault(branch, {})
            if not isinstance(below, dict):
                raise MalformedError(f"Unexpected field {name[:100]}")
            place = below
        if isinstance(place.get(leaf), dict):
            raise MalformedError(f"Unexpected field {name[:100]}")
        place[leaf] = value
    return root


def reader(shape: Shape, compiler: Compiler[Reader]) -> Reader:
    """Return what reads a value of `shape` from a node of the tree."""
    return _READERS.get(shape.type_name, _read_scalar)(shape, compiler)


def _read_structure(shape: StructureShape, compiler: Compiler[Reader]) -> Reader:
    known: dict[str, tuple[str, Reader]] = {}
    for name, each in shape.members.items():
        # Clients name the elements of a flattened list after the member or after the list's own element.
        known[each.serialization.get("name", name)] = known[wire_name(each, name)] = (name, compiler(each))

    def read(node: Node) -> dict[str, Any]:
        return {known[name][0]: known[name][1](below) for name, below in _branch(node).items() if name in known}

    return read


def _read_list(shape: ListShape, compiler: Compiler[Reader]) -> Reader:
    element = compiler(shape.member)
    wrapper = "" if shape.serialization.get("flattened") else shape.member.serialization.get("name", "member")

    def read(node: Node) -> list[Any]:
        if node == "":
            return []
        below = _branch(_branch(node).get(wrapper, {})) if wrapper else _branch(node)
        return [element(item) for item in _in_order(below)]

    return read


def _read_map(shape: MapShape, compiler: Compiler[Reader]) -> Reader:
    read_key, read_value = compiler(shape.key), compiler(shape.value)
    key_field = shape.key.serialization.get("name", "key")
    value_field = shape.value.serialization.get("name", "value")
    wrapper = "" if shape.serialization.get("flattened") else "entry"

    def read(node: Node) -> dict[str, Any]:
        if node == "":
            return {}
        found = {}
        for entry in _in_order(_branch(_branch(node).get(wrapper, {})) if wrapper else _branch(node)):
            parts = _branch(entry)
            if key_field not in parts or value_field not in parts:
                raise MalformedError("A map's entry must have a key and a value")
            found[read_key(parts[key_field])] = read_value(parts[value_field])
        return found

    return read


def _read_scalar(shape: Shape, _: Compiler[Reader]) -> Reader:
    read = text_reader(shape)

    def read_leaf(node: Node) -> Any:
        if isinstance(node, dict):
            raise MalformedError("Start of structure or map found where not expected.")
        return read(node)

    return read_leaf


def _branch(node: Node) -> dict[str, Any]:
    if isinstance(node, dict):
        return node
    raise MalformedError("A value was found where a structure, list or map was expected")


def _in_order(below: dict[str, Any]) -> list[Any]:
    """Return the elements of a list, which are numbered from 1, in the order of their numbers."""
    if not all(number.isascii() and number.isdigit() and len(number) < 10 for number in below):
        raise MalformedError("The elements of a list must be numbered")
    return [below[number] for number in sorted(below, key=int)]


_READERS: dict[str, Callable[[Any, Compiler[Reader]], Reader]] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
}
