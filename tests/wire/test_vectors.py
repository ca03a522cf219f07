"""The protocols' own vectors, in a server's direction: their requests are read, their results are written."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, fromstring

import pytest
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from tests.conftest import SHARED
from tests.wire.botocore_client import result_of
from tests.wire.test_round_trip import settled

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.faults import fault
from sagebrush.kernel.wire.http import Headers, Request
from sagebrush.kernel.wire.parse import parse
from sagebrush.kernel.wire.paths import Paths
from sagebrush.kernel.wire.route import Route
from sagebrush.kernel.wire.serialise import serialise
from sagebrush.kernel.wire.xml_codec import local_name

VECTORS = SHARED / "protocols"
FILES = ("json", "json_1_0", "json_1_0-query-compatible", "query", "rest-json", "rest-xml")

_CLIENT_FILLS = "a client makes the token up; a server is given it"
_UNDONE_BEFORE = "gives no body; compression is undone before a request is parsed"
_NO_TRACE = "shows that a client leaves something out, which a server cannot see"
_READER_LACKS = (
    "botocore's own parser, which it is checked with, cannot read it; on botocore's list of exceptions as well"
)
_EVENTS = "is an event stream, which no operation of this platform has yet"

LEFT_OUT: dict[str, str] = {
    **dict.fromkeys(
        [
            "QueryProtocolIdempotencyTokenAutoFill",
            "RestJsonQueryIdempotencyTokenAutoFill",
            "QueryIdempotencyTokenAutoFill",
            "legacy-json-6-1",
            "legacy-query-12-1",
            "legacy-rest-json-19-1",
            "legacy-rest-xml-23-1",
        ],
        _CLIENT_FILLS,
    ),
    **dict.fromkeys(
        [
            f"SDK{what}_{protocol}"
            for what in (
                "AppliedContentEncoding",
                "AppendsGzipAndIgnoresHttpProvidedEncoding",
                "AppendedGzipAfterProvidedEncoding",
            )
            for protocol in ("awsJson1_1", "awsJson1_0", "awsQuery", "restJson1", "restXml")
        ],
        _UNDONE_BEFORE,
    ),
    "RestJsonHostWithPath": "has a path of the endpoint's own before the operation's",
    "MediaTypeHeaderInputBase64": "botocore's model makes the media type a value in JSON; on its list of exceptions as well",
    "BodyWithXmlName": "names a member after its shape, unlike botocore's model; on its list of exceptions as well",
    "RestJsonQueryPrecedence": _NO_TRACE,
    "RestXmlQueryPrecedence": _NO_TRACE,
    **dict.fromkeys(
        [
            "QueryXmlLists",
            "XmlLists",
            "RestJsonHttpPayloadWithUnsetUnion",
            "RestXmlHttpPayloadWithUnsetUnion",
            "RestJsonInputAndOutputWithQuotedStringHeaders",
            "RestJsonInputAndOutputWithTimestampHeaders",
            "InputAndOutputWithTimestampHeaders",
        ],
        _READER_LACKS,
    ),
    "legacy-json-3-1": "has nulls in a list that may have none, for clients to survive; this server sends none",
    **dict.fromkeys(
        ["legacy-json-6-0", "legacy-rest-xml-14-0", "legacy-rest-xml-14-1", "legacy-rest-xml-14-2"], _EVENTS
    ),
    **dict.fromkeys(
        ["legacy-rest-json-17-2", "legacy-rest-xml-16-2"], "has a union's member that the model does not know"
    ),
}
"""Vectors that say nothing of a server, or against one, and why."""


def cases(direction: str) -> Iterator[Any]:
    """Yield the vectors of a direction as parameters of a test: name, suite, case."""
    for folder in ("", "legacy/"):
        for name in FILES:
            path = VECTORS / f"{folder}{direction}/{name}.json"
            if not path.exists():
                continue
            for number, suite in enumerate(json.loads(path.read_text())):
                for index, case in enumerate(suite["cases"]):
                    identity = case.get("id") or f"{folder}{name}-{number}-{index}".replace("/", "-")
                    yield pytest.param(identity, suite, case, id=f"{folder}{name}:{identity}")


_OTHER_TEXT = "has another of the texts that mean the same moment"
LENIENT: dict[str, str] = {
    **dict.fromkeys(
        [
            "RestJsonDateTimeWithNegativeOffset",
            "RestJsonDateTimeWithPositiveOffset",
            "AwsJson11DateTimeWithNegativeOffset",
            "AwsJson11DateTimeWithPositiveOffset",
            "RestXmlDateTimeWithNegativeOffset",
            "RestXmlDateTimeWithPositiveOffset",
            "AwsQueryDateTimeWithNegativeOffset",
            "AwsQueryDateTimeWithPositiveOffset",
            "legacy-json-2-0",
            "legacy-query-15-0",
            "legacy-rest-json-2-0",
            "legacy-rest-xml-13-0",
        ],
        _OTHER_TEXT,
    ),
    **dict.fromkeys(
        [
            "handles_unexpected_json_output",
            "AwsJson10HandlesUnexpectedJsonOutput",
            "AwsJson11DeserializeIgnoreType",
            "AwsJson10DeserializeIgnoreType",
            "RestJsonDeserializeIgnoreType",
            "legacy-json-5-0",
            "legacy-rest-json-7-0",
            "legacy-rest-json-8-0",
        ],
        "has a body with what the model does not know, which clients must pass over",
    ),
    **dict.fromkeys(
        [
            "AwsJson11StructuresDontDeserializeNullValues",
            "AwsJson10DeserializeAllowNulls",
            "RestJsonDeserializesDenseSetMapAndSkipsNull",
            "RestJsonDoesntDeserializeNullStructureValues",
        ],
        "has nulls, which clients must pass over; this server sends none",
    ),
    **dict.fromkeys(
        [
            "json_1_1_service_responds_with_no_payload",
            "AwsJson10ServiceRespondsWithNoPayload",
            "QueryEmptyInputAndEmptyOutput",
            "QueryNoInputAndNoOutput",
            "QueryNoInputAndOutput",
            "RestJsonIgnoreQueryParamsInResponseNoPayload",
            "RestJsonGreetingWithErrors",
            "RestJsonHttpResponseCode",
            "RestJsonEmptyInputAndEmptyOutputJsonObjectOutput",
            "RestJsonNoInputAndOutputNoPayload",
            "legacy-rest-json-9-0",
        ],
        "has no body, or an empty one, which clients must take for the other",
    ),
}
"""Vectors whose body is one that clients must put up with, not the one that a server should write, and why."""


needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason=f"the protocols' vectors are not at {VECTORS}")


def model_of(suite: dict[str, Any], case: dict[str, Any]) -> OperationModel:
    metadata = {"apiVersion": "2020-01-01", **suite["metadata"]}
    given = {"http": {"method": "POST", "requestUri": "/"}, **case["given"]}
    if "output" in given and metadata["protocol"] == "query":
        given["output"] = {"resultWrapper": f"{given['name']}Result", **given["output"]}
    description = {"metadata": metadata, "operations": {given["name"]: given}, "shapes": suite["shapes"]}
    return ServiceModel(description, "vectors").operation_model(given["name"])


@needs_vectors
@pytest.mark.parametrize(("identity", "suite", "case"), list(cases("input")))
def test_a_request_of_the_vectors_is_read(identity: str, suite: dict[str, Any], case: dict[str, Any]) -> None:
    if identity in LEFT_OUT:
        pytest.skip(LEFT_OUT[identity])
    operation = model_of(suite, case)
    protocol = operation.service_model.resolved_protocol
    serialised = case["serialized"]
    url = urlsplit(serialised["uri"])
    body = serialised.get("body", "").encode()
    request = Request(
        serialised.get("method", operation.http["method"]),
        url.path,
        url.query,
        Headers(serialised.get("headers", {}).items()),
        body,
    )
    labels: dict[str, str] = {}
    if protocol.startswith("rest"):
        found = Paths(operation.service_model).match(request.method, request.path, request.query, request.headers)
        assert found is not None, f"no template fits {request.method} {request.path}"
        labels = found[1]
    read = parse(Route("vectors", operation, labels, protocol), request)
    wanted = lifted(case.get("params", {}), operation.input_shape)
    read = settled(read, wanted, operation.input_shape)
    # An empty list or map that is left out of the request's head is the same octets as none.
    wanted = {name: value for name, value in wanted.items() if name in read or value not in ([], {})}
    assert same(read, wanted), f"{wanted} became {read}"


@needs_vectors
@pytest.mark.parametrize(
    ("identity", "suite", "case"), [each for each in cases("output") if "result" in each.values[2]]
)
def test_a_result_of_the_vectors_is_written(identity: str, suite: dict[str, Any], case: dict[str, Any]) -> None:
    if identity in LEFT_OUT:
        pytest.skip(LEFT_OUT[identity])
    operation = model_of(suite, case)
    protocol = operation.service_model.resolved_protocol
    result = lifted(case["result"], operation.output_shape)
    response = serialise(Route("vectors", operation, {}, protocol), result, "id")
    response.headers = [header for header in response.headers if header[0] != "x-amzn-RequestId"]
    read = result_of(response, operation, protocol)
    read.pop("ResponseMetadata")
    read = settled(read, result, operation.output_shape)
    assert same(read, result), f"{result} became {read} ({response.body!r})"
    assert response.status == case["response"]["status_code"]
    if identity not in LENIENT:
        assert isinstance(response.body, bytes)
        assert document(response.body) == document(case["response"].get("body", "").encode())


@needs_vectors
@pytest.mark.parametrize(("identity", "suite", "case"), [each for each in cases("output") if "error" in each.values[2]])
def test_an_error_of_the_vectors_is_written(identity: str, suite: dict[str, Any], case: dict[str, Any]) -> None:
    if identity in LEFT_OUT:
        pytest.skip(LEFT_OUT[identity])
    operation = model_of(suite, case)
    protocol = operation.service_model.resolved_protocol
    shape = operation.error_shapes[0]
    members = lifted(case["error"], shape)
    said = next((name for name in members if name.lower() == "message"), "")
    fields = {name: value for name, value in members.items() if name != said}
    error = AwsError(case["errorCode"], members.get(said) or case.get("errorMessage", ""), fields=fields)
    request = Request("POST", "/", headers=Headers([("x-amzn-query-mode", "true")]))
    response = fault(Route("vectors", operation, {}, protocol), request, error, "id")
    seen = result_of(response, operation, protocol)["Error"]
    assert (seen["Code"], seen["Message"] or "") == (error.code, error.message)
    if fields:
        read = result_of(response, operation, protocol, shape)
        assert same({name: read.get(name) for name in fields}, fields), (read, response.body)


def document(body: bytes) -> Any:
    """Return what a body says, whatever its spelling: blanks, the order of members, namespaces and the root's name."""
    text = body.strip()
    if text.startswith(b"<"):
        return elements(fromstring(text))[2:]
    return json.loads(text) if text.startswith(b"{") else (text if text != b"{}" else b"")


def elements(element: Element) -> tuple[Any, ...]:
    inner = sorted(elements(each) for each in element if local_name(each.tag) not in ("ResponseMetadata", "RequestId"))
    return local_name(element.tag), "" if inner else (element.text or "").strip(), *inner


def lifted(value: Any, shape: Shape | None) -> Any:
    """Return a vector's value, written in JSON, as Python has it."""
    if value is None or shape is None:
        return {} if shape is None and value is None else value
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        return {name: lifted(each, shape.members[name]) for name, each in value.items() if each is not None}
    if isinstance(shape, ListShape):
        return [lifted(each, shape.member) for each in value]
    if isinstance(shape, MapShape):
        return {key: lifted(each, shape.value) for key, each in value.items()}
    if shape.type_name == "blob":
        return value.encode() if isinstance(value, str) else value
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else datetime.fromisoformat(value)
    return float(value) if shape.type_name in ("float", "double") else value


def same(one: Any, other: Any) -> bool:
    """Compare values; NaN equals NaN here."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float | str) and isinstance(other, float) and not math.isfinite(other):
        return str(float(one)) == str(other)  # botocore leaves NaN and Infinity as JSON has them: as text
    return bool(one == other)
