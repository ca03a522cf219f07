"""Thousands of wrong requests: one of every operation that there is, as botocore writes it, with something changed."""

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from random import Random
from typing import Any

from botocore import xform_name
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from tests.scenarios import bad_bodies, bad_frames, bad_heads
from tests.scenarios.bad_bodies import Mutation, UnfitError
from tests.scenarios.raw_requests import Draft
from tests.wire.botocore_client import request_of
from tests.wire.values import Values

from sagebrush.kernel.wire.models import service_model
from sagebrush.services.catalogue import all_services

Known = Mapping[str, list[Any]]
"""By the name of a member: values that name something that is there."""

_VARIANTS = 6
_COMMON = [*bad_bodies.OCTETS, *bad_heads.HEADERS, *bad_frames.FRAMES]
_BY_PROTOCOL: dict[str, list[Mutation]] = {
    "json": [*bad_bodies.JSON * 4],
    "rest-json": [*bad_bodies.JSON, *bad_heads.LINE * 2],
    "rest-xml": [*bad_bodies.XML * 2, *bad_heads.LINE * 3, *bad_heads.HEADERS],
    "query": [*bad_bodies.FORM * 3],
}


def operations() -> list[tuple[str, OperationModel]]:
    """Return every operation of the platform."""
    found = []
    for service in all_services():
        model = service_model(service.name)
        methods = set(service.methods())
        by_method = {str(xform_name(name)): name for name in model.operation_names}
        found += [(service.name, model.operation_model(by_method[method])) for method in sorted(methods)]
    return found


def protocols(service: str) -> list[str]:
    """Return the protocols of a service that this suite speaks."""
    model = service_model(service)
    listed = model.metadata.get("protocols", [model.metadata["protocol"]])
    return [each for each in listed if each in _BY_PROTOCOL]


def drafts(seed: str, count: int, known: Mapping[str, Known]) -> Iterator[Draft]:
    """Yield wrong requests, the same for the same seed; every operation has its turn as often as any other."""
    every = [(service, operation, protocol) for service, operation in operations() for protocol in protocols(service)]
    for number in range(count):
        source = Random(f"{seed}:{number}")
        service, operation, protocol = every[number % len(every)]
        draft = whole(service, operation, protocol, known.get(service, {}), source)
        for _ in range(source.choice([1, 1, 1, 2, 3])):
            _mutate(draft, source)
        yield draft


def whole(service: str, operation: OperationModel, protocol: str, known: Known, source: Random) -> Draft:
    """Return a request with nothing wrong in it but the odd name of what is not there."""
    made = _values(service, operation.name, protocol, source.randrange(_VARIANTS))
    params = _thinned(
        operation.input_shape, copy.deepcopy(made), source.choice([0.0, 0.0, 0.1, 0.1, 0.3, 0.3, 1.0]), known, source
    )
    request = request_of(operation, params or {}, protocol, service)
    headers = [
        (name, text) for name, text in request.headers if name not in {"authorization", "host", "content-length"}
    ]
    return Draft(service, operation, protocol, request.method, request.path, request.query, headers, request.body)


def _mutate(draft: Draft, source: Random) -> None:
    pool = _BY_PROTOCOL[draft.protocol] if source.random() < 0.7 else _COMMON
    while True:
        mutation = source.choice(pool)
        try:
            mutation(draft, source)
        except UnfitError:
            pool = _COMMON if source.random() < 0.2 else pool
            continue
        draft.mutations.append(mutation.__name__)
        return


@cache
def _values(service: str, name: str, protocol: str, variant: int) -> dict[str, Any]:
    operation = service_model(service).operation_model(name)
    return Values(f"{service}.{name}.{variant}", protocol, request=True, full=True).of(operation.input_shape)


def _thinned(shape: Shape | None, value: Any, kept: float, known: Known, source: Random, name: str = "") -> Any:
    """Return a value with most optional members left out, and with names of what is there where they are known."""
    there = [each for each in known.get(name, ()) if isinstance(each, type(value))]
    if there and source.random() < 0.9:
        return source.choice(there)
    if isinstance(shape, StructureShape) and isinstance(value, dict) and not shape.is_document_type:
        required = set(shape.required_members) or (set(value) if shape.is_tagged_union else set())
        return {
            key: _thinned(shape.members[key], item, kept, known, source, key)
            for key, item in value.items()
            if key in required or source.random() < kept
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_thinned(shape.member, item, kept, known, source) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _thinned(shape.value, item, kept, known, source) for key, item in value.items()}
    return value
