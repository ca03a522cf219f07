"""From a routed request to an operation's parameters: AWS's member names, blobs as bytes, timestamps as datetimes."""

from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.model import OperationModel, Shape

from sagebrush.kernel.wire import form_codec, json_codec, xml_codec
from sagebrush.kernel.wire.codes import malformed, not_spoken
from sagebrush.kernel.wire.http import Request
from sagebrush.kernel.wire.models import name_of
from sagebrush.kernel.wire.rest import Labels, request_bindings
from sagebrush.kernel.wire.route import Route
from sagebrush.kernel.wire.scalars import MalformedError
from sagebrush.kernel.wire.shapes import body_members, check_depth, compiler, is_bottomless, payload_of, structure

Parser = Callable[[Labels, Request], dict[str, Any]]
BodyReader = Callable[[bytes], Any]
BodyReaderOf = Callable[[OperationModel, Shape, dict[str, Shape] | None], BodyReader]
"""Makes what reads a body: a document of a shape, or of some of its members where they are given."""


def parse(route: Route, request: Request) -> dict[str, Any]:
    """Return the parameters of a request.

    Members that are absent or null are left out, members the model does not know are ignored. A body that streams comes
    as the async iterator `request.stream`. Raises AwsError, in the service's own code, for what cannot be read.
    """
    try:
        return _parser(route.operation, route.protocol)(route.labels, request)
    except MalformedError as error:
        raise malformed(route.operation, route.protocol, error) from error


@cache
def _parser(operation: OperationModel, protocol: str) -> Parser:
    make = _PARSERS.get(protocol)
    if make is None or operation.has_event_stream_input:
        raise not_spoken(operation, protocol)
    return make(operation)


def _json(operation: OperationModel) -> Parser:
    shape = structure(operation.input_shape)
    if shape is None:
        return lambda _labels, _request: {}
    read = _json_document(operation, shape, None)
    return lambda _labels, request: read(request.body) if request.body else {}


def _query(operation: OperationModel) -> Parser:
    shape = structure(operation.input_shape)
    if shape is None:
        return lambda _labels, _request: {}
    read = compiler(operation.service_model, form_codec.reader)(shape)
    return lambda _labels, request: read(form_codec.tree(form_codec.fields(request.body, request.query)))


def _rest(operation: OperationModel, body_reader: BodyReaderOf) -> Parser:
    """Return the parser of a REST protocol, whose documents `body_reader` reads."""
    shape = structure(operation.input_shape)
    if shape is None:
        return lambda _labels, _request: {}
    bindings = request_bindings(shape, operation.http["requestUri"].partition("?")[2])
    payload = payload_of(shape)
    read_body: Callable[[Request], dict[str, Any]] = _no_body
    if payload is not None:
        required = payload[0] in shape.required_members
        read_body = _payload(payload[0], payload[1], body_reader(operation, payload[1], None), required=required)
    elif members := body_members(shape):
        read_body = _document(body_reader(operation, shape, members))

    def parse_request(labels: Labels, request: Request) -> dict[str, Any]:
        params = read_body(request)
        for bind in bindings:
            bind(labels, request, params)
        return params

    return parse_request


def _no_body(_: Request) -> dict[str, Any]:
    return {}


def _document(read: BodyReader) -> Callable[[Request], dict[str, Any]]:
    return lambda request: read(request.body) if request.body else {}


def _payload(name: str, shape: Shape, read: BodyReader, *, required: bool) -> Callable[[Request], dict[str, Any]]:
    """Return the reader of a body that is one member. Clients send `{}` for a structure that they leave out."""

    def read_payload(request: Request) -> dict[str, Any]:
        if request.stream is not None and shape.type_name == "blob":
            return {name: request.stream}
        if not request.body:
            return {}
        value = read(request.body)
        return {name: value} if required or value != {} else {}

    return read_payload


def _json_document(operation: OperationModel, shape: Shape, members: dict[str, Shape] | None) -> BodyReader:
    if shape.type_name in _RAW:
        return _RAW[shape.type_name]
    compiled = compiler(operation.service_model, json_codec.reader)
    read = compiled(shape) if members is None else json_codec.structure_reader(members, compiled)
    if not is_bottomless(shape):
        return lambda body: read(json_codec.load(body))

    def read_checked(body: bytes) -> Any:
        document = json_codec.load(body)
        check_depth(document)
        return read(document)

    return read_checked


def _xml_document(operation: OperationModel, shape: Shape, members: dict[str, Shape] | None) -> BodyReader:
    if shape.type_name in _RAW:
        return _RAW[shape.type_name]
    compiled = compiler(operation.service_model, xml_codec.reader)
    read = compiled(shape) if members is None else xml_codec.structure_reader(members, compiled)
    guarded = is_bottomless(shape)
    root = shape.serialization.get("name") if name_of(operation.service_model) == "s3" else None  # the one that looks
    return lambda body: read(xml_codec.load(body, root, guarded=guarded))


def _utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("The request body is not UTF-8") from error


_RAW: dict[str, BodyReader] = {"blob": lambda body: body, "string": _utf8}
_PARSERS: dict[str, Callable[[OperationModel], Parser]] = {
    "json": _json,
    "query": _query,
    "rest-json": lambda operation: _rest(operation, _json_document),
    "rest-xml": lambda operation: _rest(operation, _xml_document),
}
"""By botocore's name of the protocol; ec2 and smithy-rpc-v2-cbor have no entry."""
