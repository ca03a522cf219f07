"""From a refusal to a response: an AwsError in the shape of its protocol.

Sources: "AWS JSON 1.1 / restJson1 / restXml / AWS Query protocol: operation error serialization" (Smithy); "Error
responses" (S3 API Reference).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import orjson
from botocore.model import ServiceModel, StructureShape

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire import json_codec, models, xml_codec
from sagebrush.kernel.wire.http import Request, Response
from sagebrush.kernel.wire.models import is_form
from sagebrush.kernel.wire.rest import response_headers
from sagebrush.kernel.wire.route import Route, credential_scope
from sagebrush.kernel.wire.serialise import XML, Pairs, host_id, request_id_headers
from sagebrush.kernel.wire.shapes import compiler, exceptions, said_in_body

_S3 = "s3"
Document = dict[str, Any]


def fault(route: Route | None, request: Request, error: AwsError, request_id: str) -> Response:
    """Return the response that says `error`, with the members and the status that the model gives it.

    A status other than 400 in `error` overrides the model's. Without a route the request's own form decides.
    """
    if route is None:
        return _FAULTS[_protocol(request)](None, "", request, error, request_id)
    write = _FAULTS.get(route.protocol, _query)
    return write(route.operation.service_model, route.service, request, error, request_id)


def _protocol(request: Request) -> str:
    """Return the protocol whose faults the sender of an unroutable request can read."""
    if "x-amz-target" in request.headers or "json" in request.headers.get("content-type"):
        return "json"
    if is_form(request):
        return "query"
    signed = models.by_signing_name(credential_scope(request))
    return "json" if signed and not any(each.name == _S3 for each in signed) else "rest-xml"


def _modelled(model: ServiceModel | None, error: AwsError) -> StructureShape | None:
    return exceptions(model).get(error.code) if model else None


def _status(shape: StructureShape | None, error: AwsError) -> int:
    if error.status != 400 or shape is None:
        return error.status
    status: int = shape.metadata.get("error", {}).get("httpStatusCode", 0)
    return status or (500 if shape.metadata.get("fault") else 400)


def _members(shape: StructureShape, error: AwsError) -> Document:
    """Return the members of a modelled exception, its message among them."""
    name = next((name for name in shape.members if name.lower() == "message"), None)
    return error.fields if name is None else {name: error.message, **error.fields}


def _json(model: ServiceModel | None, _service: str, request: Request, error: AwsError, request_id: str) -> Response:
    shape = _modelled(model, error)
    status, code = _status(shape, error), _code(model, shape, error)
    headers = [("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", code), ("content-type", _json_type(model))]
    if request.headers.get("x-amzn-query-mode") == "true":
        legacy = shape.error_code if shape else error.code
        headers.append(("x-amzn-query-error", f"{legacy};{_blame(status)}"))
    body: Document = {"__type": code}
    if shape is None or model is None:
        body["message"] = error.message
    else:
        write = compiler(model, json_codec.writer)(shape)
        body |= {"message": error.message, **write(_members(shape, error))}
    return Response(status, [*headers, *error.headers.items()], orjson.dumps(body))


def _code(model: ServiceModel | None, shape: StructureShape | None, error: AwsError) -> str:
    """Return an error's code; where a service once spoke query, its old code goes into a header of its own."""
    if model is None or shape is None:
        return error.code
    return shape.name if model.is_query_compatible else str(shape.error_code)


def _json_type(model: ServiceModel | None) -> str:
    return f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.1') if model else '1.1'}"


def _rest_json(model: ServiceModel | None, _service: str, _: Request, error: AwsError, request_id: str) -> Response:
    assert model is not None
    shape = _modelled(model, error)
    code = str(shape.error_code) if shape else error.code
    headers = [("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", code), ("content-type", "application/json")]
    body = {_message_name(model): error.message}
    if shape is not None:
        members = _members(shape, error)
        _add_headers(shape, members, headers)
        write = json_codec.structure_writer(said_in_body(shape), compiler(model, json_codec.writer))
        body = write(members) if members is not error.fields else body | write(members)
    return Response(_status(shape, error), [*headers, *error.headers.items()], orjson.dumps({"__type": code, **body}))


@cache
def _message_name(model: ServiceModel) -> str:
    """Return what a service calls the message of its exceptions: `message`, or for some `Message`."""
    names = [name for shape in model.error_shapes if isinstance(shape, StructureShape) for name in shape.members]
    return "Message" if "Message" in names and "message" not in names else "message"


def _add_headers(shape: StructureShape, members: Document, headers: Pairs) -> None:
    """Append the members that travel as headers, but for those that are there: the code, which some services model."""
    there = {name.lower() for name, _ in headers}
    for name, write in response_headers(shape).items():
        if (
            members.get(name) is not None
            and str(shape.members[name].serialization.get("name", name)).lower() not in there
        ):
            write(members[name], headers)


def _query(model: ServiceModel | None, service: str, _: Request, error: AwsError, request_id: str) -> Response:
    shape = _modelled(model, error)
    status = _status(shape, error)
    code = str(shape.error_code) if shape else error.code
    uri = model.metadata.get("xmlNamespace") if model else None
    headers = [*request_id_headers(service, request_id), ("content-type", "text/xml")]
    out = [f"{XML}<ErrorResponse{f' xmlns={xml_codec.quote(uri)}' if uri else ''}><Error><Type>{_blame(status)}</Type>"]
    out.append(_elements({"Code": code, "Message": error.message}))
    if shape is not None and model is not None:
        _add_headers(shape, error.fields, headers)
        compiled = compiler(model, xml_codec.writer)
        for name, member in said_in_body(shape).items():
            if error.fields.get(name) is not None and name not in ("Code", "Message"):
                compiled(member)(error.fields[name], member.serialization.get("name", name), out)
    out.append(f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>")
    return Response(status, [*headers, *error.headers.items()], "".join(out).encode())


def _rest_xml(model: ServiceModel | None, service: str, request: Request, error: AwsError, request_id: str) -> Response:
    if service not in (_S3, ""):
        return _query(model, service, request, error, request_id)
    status = _status(_modelled(model, error), error)
    headers = [*request_id_headers(_S3, request_id), *error.headers.items()]
    if request.method == "HEAD" or status == 304:
        return Response(status, headers)
    said = {"Code": error.code, "Message": error.message, **error.fields}
    said.setdefault("Resource", request.path)
    said |= {"RequestId": request_id, "HostId": host_id(request_id)}
    body = f"{XML}<Error>{_elements(said)}</Error>".encode()
    return Response(status, [*headers, ("content-type", "application/xml")], body)


def _elements(values: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{xml_codec.escape(str(value))}</{name}>" for name, value in values.items() if value is not None
    )


def _blame(status: int) -> str:
    return "Sender" if status < 500 else "Receiver"


_FAULTS: Mapping[str, Callable[[ServiceModel | None, str, Request, AwsError, str], Response]] = {
    "json": _json,
    "rest-json": _rest_json,
    "rest-xml": _rest_xml,
    "query": _query,
}
"""By botocore's name of the protocol; what has no entry gets query's, which ec2's clients can read."""
