"""The client's half of the wire, by botocore: its serialiser and its parser, with no network between."""

import io
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.model import OperationModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from sagebrush.kernel.wire.http import Headers, Request, Response
from sagebrush.kernel.wire.models import head


def request_of(operation: OperationModel, params: dict[str, Any], protocol: str, service: str) -> Request:
    """Return the HTTP request that botocore makes of an operation's parameters, as it would leave the machine."""
    serialised = create_serializer(protocol, include_validation=False).serialize_to_request(params, operation)
    about = head(service)
    host = f"{about.endpoint_prefix}.us-east-1.amazonaws.com"
    prepare_request_dict(serialised, f"https://{host}", user_agent="test")
    prepared = create_request_object(serialised).prepare()
    url = urlsplit(prepared.url)
    body = prepared.body or b""
    if hasattr(body, "read"):
        body = body.read()
    headers = {
        **{
            name: value if isinstance(value, str) else value.decode("latin-1")
            for name, value in prepared.headers.items()
        },
        "Host": url.netloc,
        "Authorization": f"AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/{about.signing_name}/aws4_request, "
        "SignedHeaders=host, Signature=0",
    }
    encoded = [(name, value.encode().decode("latin-1")) for name, value in headers.items()]
    return Request(
        prepared.method, url.path, url.query, Headers(encoded), body if isinstance(body, bytes) else body.encode()
    )


def result_of(
    response: Response, operation: OperationModel, protocol: str, shape: Shape | None = None
) -> dict[str, Any]:
    """Return what botocore's user sees of a response; `shape` is an exception's, to read that instead."""
    assert isinstance(response.body, bytes)
    streams = operation.has_streaming_output and shape is None and response.status < 300
    raw: dict[str, Any] = {
        "status_code": response.status,
        "headers": HeadersDict({name: value.encode("latin-1").decode() for name, value in response.headers}),
        "body": io.BytesIO(response.body) if streams else response.body,
        "context": {"operation_name": operation.name},
    }
    parsed: dict[str, Any] = create_parser(protocol).parse(raw, shape or operation.output_shape)  # type: ignore[arg-type]
    if streams and operation.output_shape is not None:
        payload = operation.output_shape.serialization["payload"]
        parsed[payload] = parsed[payload].read()
    return parsed
