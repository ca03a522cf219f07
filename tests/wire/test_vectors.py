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

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.faults import fault
from sagebrush.kernel.wire.http import Headers, Request, Response
from sagebrush.kernel.wire.parse import parse
from sagebrush.kernel.wire.paths import Paths
from sagebrush.kernel.wire.route import Route
from sagebrush.kernel.wire.serialise import serialise
from tests.conftest import SHARED
from tests.wire.botocore_client import result_of
from tests.wire.test_round_trip import settled

VECTORS = SHARED / "protocols"
FILES = ("json", "json_1_0", "json_1_0-query-compatible", "query", "rest-json", "rest-xml")

LEFT_OUT: dict[str, str] = {}
"""Vectors that say nothing of a server, or against one, and why."""

Case = tuple[str, dict[str, Any], dict[str, Any]]


def cases(direction: str) -> Iterator[Any]:
    for folder in ("", "legacy/"):
        for name in FILES:
            path = VECTORS / f"{folder}{direction}/{name}.json"
            if not path.exists():
                continue
            for number, suite in enumerate(json.loads(path.read_text())):
                for index, case in enumerate(suite["cases"]):
                    identity = case.get("id") or f"{folder}{name}-{number}-{index}".replace("/", "-")
                    yield pytest.param(identity, suite, case, id=f"{folder}{name}:{identity}")


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
    """Compare values; NaN equals NaN here, and keys of headers know no case."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)
