"""What the REST protocols keep outside the body: labels of the path, query parameters, headers and the status.

Source: "HTTP bindings" (Smithy). Headers travel as latin-1; a text beyond ASCII is UTF-8 inside that, as S3 has it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagebrush.kernel.wire.http import Request
from sagebrush.kernel.wire.scalars import (
    FromText,
    MalformedError,
    ToText,
    decode_base64,
    encode_base64,
    read_json_text,
    text_reader,
    text_writer,
)

Labels = Mapping[str, str]
Binding = Callable[[Labels, Request, dict[str, Any]], None]

_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)')
_CONTROLS = re.compile("[\x00-\x1f\x7f]")
_SIGNATURE = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
              "X-Amz-Signature", "X-Amz-Security-Token")  # fmt: skip


@lru_cache(maxsize=1024)
def query_values(query: str) -> Mapping[str, list[str]]:
    """Return the parameters of a raw query, decoded, each with all its values. Raises MalformedError."""
    if not query:
        return {}
    try:
        return parse_qs(query, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise MalformedError("The query string is malformed", "query") from error


def request_bindings(shape: StructureShape, literals: str) -> list[Binding]:
    """Return what takes a structure's members out of a request, but for the body.

    `literals` is the query of the operation's URI template: its parameters belong to no member.
    """
    fixed = frozenset({*_SIGNATURE, *parse_qs(literals, keep_blank_values=True)})
    return [
        _BINDINGS[each.serialization["location"]](name, each, fixed)
        for name, each in shape.members.items()
        if "location" in each.serialization
    ]


def _wire(shape: Shape, name: str) -> str:
    found: str = shape.serialization.get("name", name)
    return found


def _argument(read: FromText, name: str, value: str) -> Any:
    try:
        return read(value)
    except MalformedError as error:
        raise MalformedError(str(error), name, value) from error


def _label(name: str, shape: Shape, _: frozenset[str]) -> Binding:
    label, read = _wire(shape, name), text_reader(shape)

    def bind(labels: Labels, _: Request, params: dict[str, Any]) -> None:
        if label in labels:
            params[name] = _argument(read, label, labels[label])

    return bind


def _query(name: str, shape: Shape, fixed: frozenset[str]) -> Binding:
    if isinstance(shape, MapShape):
        return _query_map(name, shape, fixed)
    key = _wire(shape, name)
    many = isinstance(shape, ListShape)
    read = text_reader(shape.member if isinstance(shape, ListShape) else shape)

    def bind(_: Labels, request: Request, params: dict[str, Any]) -> None:
        values = query_values(request.query).get(key)
        if values:
            params[name] = (
                [_argument(read, key, value) for value in values] if many else _argument(read, key, values[0])
            )

    return bind


def _query_map(name: str, shape: MapShape, fixed: frozenset[str]) -> Binding:
    """Bind a map of query parameters: to a server, all of them are in it, those that have a member of their own too."""
    many = isinstance(shape.value, ListShape)

    def bind(_: Labels, request: Request, params: dict[str, Any]) -> None:
        rest = {key: values for key, values in query_values(request.query).items() if key not in fixed}
        if rest:
            params[name] = rest if many else {key: values[0] for key, values in rest.items()}

    return bind


def _header(name: str, shape: Shape, _: frozenset[str]) -> Binding:
    header, read = _wire(shape, name).lower(), _header_reader(shape)

    def bind(_: Labels, request: Request, params: dict[str, Any]) -> None:
        if header in request.headers:
            value = _utf8(",".join(request.headers.all(header)))
            params[name] = _argument(read, header, value)

    return bind


def _header_reader(shape: Shape) -> FromText:
    if isinstance(shape, ListShape):
        read, stamps = text_reader(shape.member), shape.member.type_name == "timestamp"
        return lambda text: [read(item) for item in (_dates(text) if stamps else _items(text))]
    if "jsonvalue" in shape.serialization:
        return lambda text: read_json_text(decode_base64(text))
    return text_reader(shape)


def _items(text: str) -> Iterator[str]:
    """Yield the elements of a header's list; quoted ones may hold commas."""
    position = 0
    while position < len(text):
        found = _ITEM.match(text, position)
        assert found is not None  # the pattern's second half takes anything up to a comma
        if found[1] is not None:
            yield re.sub(r"\\(.)", r"\1", found[1])
        else:
            yield found[2].strip()
        position = found.end()


def _dates(text: str) -> Iterator[str]:
    """Yield the elements of a header's list of timestamps; an RFC 822 date holds a comma itself."""
    parts = [part.strip() for part in text.split(",")]
    while parts:
        first = parts.pop(0)
        yield f"{first}, {parts.pop(0)}" if first.isalpha() and parts else first


def _prefixed_headers(name: str, shape: Shape, _: frozenset[str]) -> Binding:
    prefix = shape.serialization.get("name", "").lower()

    def bind(_: Labels, request: Request, params: dict[str, Any]) -> None:
        found: dict[str, str] = {}
        for header, value in request.headers:
            if header.startswith(prefix):
                key, text = header[len(prefix) :], _utf8(value)
                found[key] = f"{found[key]},{text}" if key in found else text
        if found:
            params[name] = found

    return bind


_BINDINGS: dict[str, Callable[[str, Shape, frozenset[str]], Binding]] = {
    "uri": _label,
    "querystring": _query,
    "header": _header,
    "headers": _prefixed_headers,
}


def _utf8(value: str) -> str:
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


HeaderWriter = Callable[[Any, list[tuple[str, str]]], None]


def response_headers(shape: StructureShape) -> dict[str, HeaderWriter]:
    """Return, by member, what appends a member that travels as a header, or as several."""
    return {
        name: (_write_prefixed if each.serialization["location"] == "headers" else _write_header)(name, each)
        for name, each in shape.members.items()
        if each.serialization.get("location") in ("header", "headers")
    }


def _write_header(name: str, shape: Shape) -> HeaderWriter:
    header, text = _wire(shape, name), _header_text(shape)
    return lambda value, headers: headers.append((header, header_value(text(value))))


def _write_prefixed(_: str, shape: Shape) -> HeaderWriter:
    prefix = shape.serialization.get("name", "")

    def write(value: Mapping[str, str], headers: list[tuple[str, str]]) -> None:
        headers.extend((header_value(f"{prefix}{key}"), header_value(str(each))) for key, each in value.items())

    return write


def _header_text(shape: Shape) -> ToText:
    if isinstance(shape, ListShape):
        text = text_writer(shape.member, "rfc822")
        return lambda value: ", ".join([_quoted(text(each), shape.member) for each in value if each is not None])
    if "jsonvalue" in shape.serialization:
        return lambda value: encode_base64(orjson.dumps(value))
    return text_writer(shape, "rfc822")


def _quoted(text: str, shape: Shape) -> str:
    if shape.type_name == "timestamp" or not ('"' in text or "," in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def header_value(text: str) -> str:
    """Return a text as a header can hold it: control characters, which could end the header, become spaces."""
    return _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode("latin-1")
