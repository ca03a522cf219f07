"""From an operation's result to a response: status, headers and body, as the route's protocol has them."""

import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from typing import Any

import orjson
from botocore.model import OperationModel, Shape, StructureShape

from sagebrush.kernel.wire import json_codec, xml_codec
from sagebrush.kernel.wire.codes import not_spoken
from sagebrush.kernel.wire.http import Response
from sagebrush.kernel.wire.models import name_of
from sagebrush.kernel.wire.rest import response_headers
from sagebrush.kernel.wire.route import Route
from sagebrush.kernel.wire.shapes import compiler, payload_of, said_in_body, structure

Result = Mapping[str, Any]
Pairs = list[tuple[str, str]]
Body = bytes | AsyncIterator[bytes]
Serialiser = Callable[[Result, str], Response]
BodyWriter = Callable[[Any], bytes]
BodyWriterOf = Callable[[OperationModel, Shape, dict[str, Shape] | None], BodyWriter]
"""Makes what writes a body: a document of a shape, or of some of its members where they are given."""

_JSON = "application/json"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


def serialise(route: Route, result: Result, request_id: str) -> Response:
    """Return the response that says `result`.

    Members that are None or unknown to the model are left out. A streaming blob may be bytes or an async iterator. A
    timestamp may be a datetime, epoch seconds, or a text that goes out as it is.
    """
    return _serialiser(route.operation, route.protocol)(result, request_id)


def request_id_headers(service: str, request_id: str) -> Pairs:
    """Return the headers that tell a client the id of its request."""
    if service not in ("s3", "s3control"):
        return [("x-amzn-RequestId", request_id)]
    return [("x-amz-request-id", request_id), ("x-amz-id-2", host_id(request_id))]


def host_id(request_id: str) -> str:
    """Return S3's second id of a request."""
    return base64.b64encode(hashlib.sha384(request_id.encode()).digest()).decode()


@cache
def _serialiser(operation: OperationModel, protocol: str) -> Serialiser:
    make = _SERIALISERS.get(protocol)
    if make is None or operation.has_event_stream_output:
        raise not_spoken(operation, protocol)
    return make(operation)


def _json(operation: OperationModel) -> Serialiser:
    version = operation.metadata.get("jsonVersion", "1.1")
    content_type = ("content-type", f"application/x-amz-json-{version}")
    shape = structure(operation.output_shape)
    write = compiler(operation.service_model, json_codec.writer)(shape) if shape else None

    def respond(result: Result, request_id: str) -> Response:
        body = orjson.dumps(write(result)) if write else b"{}"
        return Response(200, [("x-amzn-RequestId", request_id), content_type], body)

    return respond


def _query(operation: OperationModel) -> Serialiser:
    name = operation.name
    shape = structure(operation.output_shape)
    uri = operation.metadata.get("xmlNamespace")
    opening = f" xmlns={xml_codec.quote(uri)}" if uri else ""
    wrapper = shape.serialization.get("resultWrapper", f"{name}Result") if shape else ""
    write = compiler(operation.service_model, xml_codec.writer)(shape) if shape else None

    def respond(result: Result, request_id: str) -> Response:
        out = [f"{XML}<{name}Response{opening}>"]
        if write:
            write(result, wrapper, out)
        out.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>")
        headers = [("x-amzn-RequestId", request_id), ("content-type", "text/xml")]
        return Response(200, headers, "".join(out).encode())

    return respond


def _rest(operation: OperationModel, document: str, body_writer: BodyWriterOf) -> Serialiser:
    """Return the serialiser of a REST protocol, whose documents have the media type `document`."""
    service = name_of(operation.service_model)
    shape = structure(operation.output_shape)
    status = operation.http.get("responseCode", 200)
    if status == 204 and shape is not None and said_in_body(shape):
        status = 200  # the model gives content to an answer that may have none
    if shape is None:
        return lambda _result, request_id: Response(status, request_id_headers(service, request_id))
    header_writers = response_headers(shape)
    status_member = next((name for name, each in shape.members.items() if _location(each) == "statusCode"), None)
    ranged = "ContentRange" in shape.members
    write_body = _body(operation, shape, document, body_writer)

    def respond(result: Result, request_id: str) -> Response:
        headers = request_id_headers(service, request_id)
        for name, write in header_writers.items():
            value = result.get(name)
            if value is not None:
                write(value, headers)
        media_type, body = write_body(result)
        if media_type and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("content-type", media_type))
        told = result.get(status_member) if status_member else None
        if told is None and ranged and result.get("ContentRange"):
            told = 206  # RFC 9110, 15.3.7; the models do not say so
        return Response(int(told or status), headers, body)

    return respond


def _location(shape: Shape) -> str:
    found: str = shape.serialization.get("location", "")
    return found


def _body(
    operation: OperationModel, shape: StructureShape, document: str, body_writer: BodyWriterOf
) -> Callable[[Result], tuple[str, Body]]:
    """Return what makes the body of a REST response and names its media type."""
    payload = payload_of(shape)
    if payload is None:
        members = said_in_body(shape)
        empty_object = document == _JSON and not shape.members and operation.http.get("responseCode") != 204
        if operation.http.get("method") == "HEAD" or not (members or empty_object):
            return lambda _: ("", b"")
        write_whole = body_writer(operation, shape, members)
        return lambda result: (document, write_whole(result))
    name, member = payload
    if member.type_name in _RAW:
        media_type = _RAW[member.type_name]
        return lambda result: _raw(result.get(name), media_type)
    write = body_writer(operation, member, None)

    def write_payload(result: Result) -> tuple[str, Body]:
        value = result.get(name)
        return ("", b"") if value is None else (document, write(value))

    return write_payload


_RAW = {"blob": "application/octet-stream", "string": "text/plain"}


def _raw(value: Any, media_type: str) -> tuple[str, Body]:
    if value is None:
        return "", b""
    return media_type, value.encode() if isinstance(value, str) else value


def _json_document(operation: OperationModel, shape: Shape, members: dict[str, Shape] | None) -> BodyWriter:
    compiled = compiler(operation.service_model, json_codec.writer)
    write = compiled(shape) if members is None else json_codec.structure_writer(members, compiled)
    return lambda value: orjson.dumps(write(value))


def _xml_document(operation: OperationModel, shape: Shape, members: dict[str, Shape] | None) -> BodyWriter:
    root = shape.serialization.get("name", shape.name)
    uri = operation.metadata.get("xmlNamespace")
    opening = xml_codec.namespace(shape) or (f" xmlns={xml_codec.quote(uri)}" if uri else "")
    compiled = compiler(operation.service_model, xml_codec.writer)
    if members is not None and list(members) == [root]:
        return _unwrapped(root, opening)
    if not isinstance(shape, StructureShape):
        return _xml(compiled(shape), root)
    return _xml(xml_codec.structure_writer(members or dict(shape.members), compiled, opening), root)


def _xml(write: xml_codec.Writer, root: str) -> BodyWriter:
    def write_document(value: Any) -> bytes:
        out = [XML]
        write(value, root, out)
        return "".join(out).encode()

    return write_document


def _unwrapped(root: str, opening: str) -> BodyWriter:
    """Return the writer of a document whose root is its only member: GetBucketLocation's."""
    return lambda value: f"{XML}<{root}{opening}>{xml_codec.escape(value.get(root) or '')}</{root}>".encode()


_SERIALISERS: dict[str, Callable[[OperationModel], Serialiser]] = {
    "json": _json,
    "query": _query,
    "rest-json": lambda operation: _rest(operation, _JSON, _json_document),
    "rest-xml": lambda operation: _rest(operation, "application/xml", _xml_document),
}
"""By botocore's name of the protocol; ec2 and smithy-rpc-v2-cbor have no entry."""
