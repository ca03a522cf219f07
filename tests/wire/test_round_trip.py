"""botocore writes, we read, nothing is lost; we write, botocore reads, nothing is lost: every operation it has."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from botocore.model import MapShape, OperationModel, Shape, StructureShape
from tests.wire.botocore_client import request_of, result_of
from tests.wire.values import Values

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire import (
    codes,
    faults,
    form_codec,
    json_codec,
    models,
    parse,
    paths,
    patterns,
    rest,
    serialise,
    shapes,
    validate,
    xml_codec,
)
from sagebrush.kernel.wire.http import Headers, Request
from sagebrush.kernel.wire.models import every_head, service_model
from sagebrush.kernel.wire.route import Route, Router

SPOKEN = ("json", "rest-json", "rest-xml", "query")
PAIRS = [(head.name, protocol) for head in every_head() for protocol in SPOKEN if protocol in head.protocols]

_NEWER = "has the newer operation's method, path and query; AWS too tells them apart by the client's age alone"
REQUESTS_LEFT_OUT: dict[tuple[str, str], str] = {
    ("s3", "GetBucketLifecycle"): _NEWER,
    ("s3", "PutBucketLifecycle"): _NEWER,
    ("s3", "GetBucketNotification"): _NEWER,
    ("s3", "PutBucketNotification"): _NEWER,
    ("s3", "WriteGetObjectResponse"): "is for a host of its own, of Object Lambda, whose first label is no bucket",
    ("s3", "ListDirectoryBuckets"): "is ListBuckets on a host of its own, of a store that this is not",
}
"""Operations whose request does not come back as it went, and why."""

RESULTS_LEFT_OUT: dict[tuple[str, str], str] = {
    ("s3", "GetBucketNotification"): "gives two members, an old one and its successor, the same element",
    ("s3", "GetBucketLocation"): "is read by a handler of boto3's client, not by the parser; see test_routing",
    (
        "dataexchange",
        "SendApiAsset",
    ): "has a member that takes in all headers of the response, the request id among them",
}
"""Operations whose result does not come back as it went, and why."""

CACHED: list[ModuleType] = [
    codes,
    faults,
    form_codec,
    json_codec,
    models,
    parse,
    patterns,
    paths,
    rest,
    serialise,
    shapes,
    validate,
    xml_codec,
]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Let go of a service's model and of all that was compiled from it: all of them at once fill gigabytes."""
    yield
    for module in CACHED:
        for name, value in vars(module).items():
            if hasattr(value, "cache_clear") and name != "head":
                value.cache_clear()


def operations(service: str) -> Iterator[OperationModel]:
    model = service_model(service)
    for name in model.operation_names:
        yield model.operation_model(name)


@pytest.mark.parametrize(("service", "protocol"), PAIRS, ids=lambda value: value)
def test_what_botocore_sends_is_what_we_read(service: str, protocol: str) -> None:
    router = Router([service])
    wrong = []
    for operation in operations(service):
        if operation.has_event_stream_input or (service, operation.name) in REQUESTS_LEFT_OUT:
            continue
        for full in (True, False):
            values = Values(f"{service}.{operation.name}", protocol, request=True, full=full)
            params = values.of(operation.input_shape)
            request = request_of(operation, params, protocol, service)
            problem = request_problem(router, request, operation, params, protocol, faithful=values.faithful)
            if problem:
                wrong.append(f"{operation.name}: {problem}")
    assert not wrong, f"{len(wrong)} of {service}:\n" + "\n".join(wrong[:8])


def request_problem(
    router: Router,
    request: Request,
    operation: OperationModel,
    params: dict[str, Any],
    protocol: str,
    *,
    faithful: bool,
) -> str:
    """Return how what we read differs from what was sent, or nothing."""
    try:
        route = router.match(request)
        if (route.operation.name, route.protocol) != (operation.name, protocol):
            return f"routed to {route.operation.name} over {route.protocol}"
        read = parse.parse(route, request)
        if settled(read, params, operation.input_shape) != params:
            return difference(params, read)
        if faithful:
            validate.validate(operation, read)
    except AwsError as error:
        return f"refused: {error} ({request.method} {request.path}?{request.query})"
    return ""


@pytest.mark.parametrize(("service", "protocol"), PAIRS, ids=lambda value: value)
def test_what_we_send_is_what_botocore_reads(service: str, protocol: str) -> None:
    wrong = []
    for operation in operations(service):
        if operation.has_event_stream_output or (service, operation.name) in RESULTS_LEFT_OUT:
            continue
        for full in (True, False):
            result = Values(f"{service}.{operation.name}", protocol, request=False, full=full).of(
                operation.output_shape
            )
            response = serialise.serialise(Route(service, operation, {}, protocol), result, "request-id")
            read = result_of(response, operation, protocol)
            metadata = read.pop("ResponseMetadata")
            assert metadata["RequestId"] == "request-id"
            if settled(read, result, operation.output_shape) != result:
                wrong.append(f"{operation.name}: {difference(result, read)}\n      {response.body!r:.600}")
    assert not wrong, f"{len(wrong)} of {service}:\n" + "\n".join(wrong[:8])


@pytest.mark.parametrize(("service", "protocol"), PAIRS, ids=lambda value: value)
def test_what_we_refuse_is_what_botocore_raises(service: str, protocol: str) -> None:
    model = service_model(service)
    operation = model.operation_model(model.operation_names[0])
    request = Request("POST", "/", headers=Headers([("x-amzn-query-mode", "true")]))
    wrong = []
    for shape in model.error_shapes:
        assert isinstance(shape, StructureShape)
        members = Values(f"{service}.{shape.name}", protocol, request=False, full=True).of(shape)
        said = next((name for name in members if name.lower() == "message"), None)
        fields = {name: value for name, value in members.items() if name != said}
        error = AwsError(str(shape.error_code), members.get(said, "why") if said else "why", fields=fields)
        response = faults.fault(Route(service, operation, {}, protocol), request, error, "request-id")
        seen = result_of(response, operation, protocol)
        if (seen["Error"]["Code"], seen["Error"]["Message"] or "") != (error.code, error.message):
            wrong.append(f"{shape.name}: {seen['Error']}")
        read = result_of(response, operation, protocol, shape)
        wanted = {name: error.code if _is_code(shape, name, protocol) else value for name, value in fields.items()}
        if {name: value for name, value in read.items() if name in wanted} != wanted:
            wrong.append(f"{shape.name}: {difference(wanted, read)}")
    assert not wrong, f"{len(wrong)} of {service}:\n" + "\n".join(wrong[:8])


def _is_code(shape: StructureShape, name: str, protocol: str) -> bool:
    """Tell whether a member is the error's own code, which some services model."""
    in_header = str(shape.members[name].serialization.get("name", "")).lower() == "x-amzn-errortype"
    return in_header or (name == "Code" and protocol in ("query", "rest-xml"))


def settled(read: dict[str, Any], wanted: dict[str, Any], shape: Shape | None) -> dict[str, Any]:
    """Return what was read without what is there in every message, said or not.

    A status, a media type and a length are; an empty payload and none, an empty map of headers and none are the same
    octets.
    """
    if not isinstance(shape, StructureShape):
        return read

    def is_always_there(name: str) -> bool:
        serialization = shape.members[name].serialization
        if serialization.get("location") == "headers" or name == shape.serialization.get("payload"):
            return not read[name]
        header = str(serialization.get("name", "")).lower()
        return serialization.get("location") == "statusCode" or header in ("content-type", "content-length")

    settled = {name: value for name, value in read.items() if name in wanted or not is_always_there(name)}
    for name, each in shape.members.items():
        # To a server, a map of query parameters holds those that have members of their own too.
        if each.serialization.get("location") == "querystring" and isinstance(each, MapShape) and name in settled:
            settled[name] = {key: value for key, value in settled[name].items() if key in wanted.get(name, ())}
            if name not in wanted:
                del settled[name]
    return settled


def difference(wanted: Any, found: Any, path: str = "") -> str:
    """Return the first place where two values differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in [*wanted, *found]:
            if key not in found:
                return f"{path}.{key} is missing: {wanted[key]!r:.200}"
            if key not in wanted:
                return f"{path}.{key} is new: {found[key]!r:.200}"
            if wanted[key] != found[key]:
                return difference(wanted[key], found[key], f"{path}.{key}")
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            if one != other:
                return difference(one, other, f"{path}[{number}]")
    return f"{path}: {wanted!r:.300} became {found!r:.300}"
