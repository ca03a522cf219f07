"""XML documents of the rest-xml and query protocols, by shape.

A reader takes an element and raises MalformedError; a writer appends the text of an element to a list. Lists and maps are
read from the elements themselves, so that flattened ones (no element around them) and wrapped ones look the same.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagebrush.kernel.wire.models import name_of
from sagebrush.kernel.wire.scalars import MalformedError, text_reader, text_writer
from sagebrush.kernel.wire.shapes import MAX_DEPTH, Compiler, wire_name

Reader = Callable[[Any], Any]
Writer = Callable[[Any, str, list[str]], None]

_ESCAPED = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_IN_QUOTES = {'"': "&quot;", "\n": "&#10;", "\t": "&#9;"}
_DEFAULT_TIMESTAMPS = {"s3": "iso8601-milliseconds"}
_MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"


class _Guard(TreeBuilder):
    """Builds a document, but none that defines entities or nests without end."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[Any, Any], /) -> Element:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise MalformedError(_MALFORMED)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)

    def doctype(self, *_: object) -> None:
        raise MalformedError(_MALFORMED)


def load(body: bytes, root: str | None = None, *, guarded: bool = True) -> Element:
    """Return the document of an XML body in UTF-8, whose root must be named `root` where that is given.

    A document type, with which entities come, is refused as malformed. `guarded=False` is faster and for bodies that
    say `<!DOCTYPE` nowhere and whose shape does not nest in itself.
    """
    if b"\0" in body:
        raise MalformedError(
            _MALFORMED
        )  # UTF-16, which expat reads whatever encoding it is told, and which hides the word
    parser = XMLParser(target=_Guard() if guarded or b"<!DOCTYPE" in body else None, encoding="utf-8")  # noqa: S314
    try:
        parser.feed(body)
        document: Element = parser.close()
    except (ParseError, ValueError) as error:
        raise MalformedError(_MALFORMED) from error
    if root is not None and local_name(document.tag) != root:
        raise MalformedError(_MALFORMED)
    return document


def local_name(tag: str) -> str:
    """Return a tag without its namespace: `{http://…}Key` is `Key`."""
    return tag.rpartition("}")[2]


def escape(text: str) -> str:
    """Return a text as XML can hold it; characters that XML 1.0 has no way to write become U+FFFD."""
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text) if _ESCAPED.search(text) else text


def quote(text: str) -> str:
    """Return a text as the quoted value of an attribute."""
    return f'"{"".join(_IN_QUOTES.get(each, each) for each in escape(text))}"'


def namespace(shape: Shape) -> str:
    """Return the namespace declaration that a shape's element carries, or nothing."""
    declared = shape.serialization.get("xmlNamespace")
    if not declared:
        return ""
    uri, prefix = (declared, "") if isinstance(declared, str) else (declared["uri"], declared.get("prefix", ""))
    return f" xmlns{prefix and ':'}{prefix}={quote(uri)}"


def reader(shape: Shape, compiler: Compiler[Reader]) -> Reader:
    """Return what reads a value of `shape` from its element."""
    return _READERS.get(shape.type_name, _read_scalar)(shape, compiler)


def writer(shape: Shape, compiler: Compiler[Writer]) -> Writer:
    """Return what writes a value of `shape` as an element."""
    return _WRITERS.get(shape.type_name, _write_scalar)(shape, compiler)


def structure_reader(members: dict[str, Shape], compiler: Compiler[Reader]) -> Reader:
    """Return what reads an element with these members; elements it does not know are left out."""
    once: dict[str, tuple[str, Reader]] = {}
    repeated: dict[str, tuple[str, Reader]] = {}
    attributes: dict[str, tuple[str, Reader]] = {}
    for name, each in members.items():
        tag = each.serialization.get("name", name)
        if each.serialization.get("xmlAttribute"):
            attributes[tag.rpartition(":")[2]] = (name, text_reader(each))
        elif each.serialization.get("flattened"):
            # A request may name the elements after the member or after the list's own element: clients differ.
            repeated[tag] = repeated[wire_name(each, name)] = (name, compiler(each))
        else:
            once[tag] = (name, compiler(each))

    def read(element: Element) -> dict[str, Any]:
        found: dict[str, Any] = {}
        gathered: dict[str, list[Element]] = {}
        for child in element:
            tag = local_name(child.tag)
            if member := once.get(tag):
                found[member[0]] = member[1](child)
            elif tag in repeated:
                gathered.setdefault(tag, []).append(child)
        for tag, children in gathered.items():
            name, reader = repeated[tag]
            found[name] = reader(children)
        if attributes:
            for key, value in element.attrib.items():
                if member := attributes.get(local_name(key)):
                    found[member[0]] = member[1](value)
        return found

    return read


def structure_writer(members: dict[str, Shape], compiler: Compiler[Writer], opening: str = "") -> Writer:
    """Return what writes an element with these members; `opening` is what else its start tag says."""
    known: dict[str, tuple[str, Writer]] = {}
    attributes: dict[str, tuple[str, Callable[[Any], str]]] = {}
    for name, each in members.items():
        if each.serialization.get("xmlAttribute"):
            attributes[name] = (each.serialization.get("name", name), text_writer(each, "iso8601"))
        else:
            known[name] = (wire_name(each, name), compiler(each))

    def write(value: Any, tag: str, out: list[str]) -> None:
        out.append(f"<{tag}{opening}")
        out.extend(
            f" {attribute}={quote(text(value[name]))}"
            for name, (attribute, text) in attributes.items()
            if value.get(name) is not None
        )
        out.append(">")
        for name, item in value.items():
            if item is not None and (member := known.get(name)):
                member[1](item, member[0], out)
        out.append(f"</{tag}>")

    return write


def _read_list(shape: ListShape, compiler: Compiler[Reader]) -> Reader:
    element = compiler(shape.member)
    return lambda children: [element(child) for child in children]


def _write_list(shape: ListShape, compiler: Compiler[Writer]) -> Writer:
    element = compiler(shape.member)
    inner_tag = shape.member.serialization.get("name", "member")
    opening = namespace(shape)

    def write_flat(value: Iterable[Any], tag: str, out: list[str]) -> None:
        for item in value:
            if item is not None:
                element(item, tag, out)

    def write(value: Iterable[Any], tag: str, out: list[str]) -> None:
        out.append(f"<{tag}{opening}>")
        write_flat(value, inner_tag, out)
        out.append(f"</{tag}>")

    return write_flat if shape.serialization.get("flattened") else write


def _read_map(shape: MapShape, compiler: Compiler[Reader]) -> Reader:
    read_key, read_value = compiler(shape.key), compiler(shape.value)
    key_tag = shape.key.serialization.get("name", "key")
    value_tag = shape.value.serialization.get("name", "value")

    def read(entries: Iterable[Element]) -> dict[str, Any]:
        found = {}
        for entry in entries:
            parts = {local_name(part.tag): part for part in entry}
            if key_tag not in parts or value_tag not in parts:
                raise MalformedError(_MALFORMED)
            found[read_key(parts[key_tag])] = read_value(parts[value_tag])
        return found

    return read


def _write_map(shape: MapShape, compiler: Compiler[Writer]) -> Writer:
    write_key, write_value = compiler(shape.key), compiler(shape.value)
    key_tag = shape.key.serialization.get("name", "key")
    value_tag = shape.value.serialization.get("name", "value")
    opening = namespace(shape)

    def write_flat(value: dict[str, Any], tag: str, out: list[str]) -> None:
        for key, item in value.items():
            if item is not None:
                out.append(f"<{tag}>")
                write_key(key, key_tag, out)
                write_value(item, value_tag, out)
                out.append(f"</{tag}>")

    def write(value: dict[str, Any], tag: str, out: list[str]) -> None:
        out.append(f"<{tag}{opening}>")
        write_flat(value, "entry", out)
        out.append(f"</{tag}>")

    return write_flat if shape.serialization.get("flattened") else write


def _read_scalar(shape: Shape, _: Compiler[Reader]) -> Reader:
    read = text_reader(shape)
    return lambda element: read(element.text or "")


def _write_scalar(shape: Shape, compiler: Compiler[Writer]) -> Writer:
    timestamps = _DEFAULT_TIMESTAMPS.get(name_of(compiler.model), "iso8601")
    text, opening = text_writer(shape, timestamps), namespace(shape)

    def write(value: Any, tag: str, out: list[str]) -> None:
        out.append(f"<{tag}{opening}>{escape(text(value))}</{tag}>")

    return write


def _write_structure(shape: StructureShape, compiler: Compiler[Writer]) -> Writer:
    return structure_writer(shape.members, compiler, namespace(shape))


_READERS: dict[str, Callable[[Any, Compiler[Reader]], Reader]] = {
    "structure": lambda shape, compiler: structure_reader(shape.members, compiler),
    "list": _read_list,
    "map": _read_map,
}
_WRITERS: dict[str, Callable[[Any, Compiler[Writer]], Writer]] = {
    "structure": _write_structure,
    "list": _write_list,
    "map": _write_map,
}
