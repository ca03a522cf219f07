"""botocore's service models: each loaded when it is first asked for, and an index over the heads of all of them."""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.utils import PRIORITY_ORDERED_SUPPORTED_PROTOCOLS

from sagebrush.kernel.wire.http import Request
from sagebrush.kernel.wire.mends import MENDS

_DATA = Path(botocore.__file__).parent / "data"
_HEAD = 4096  # bytes; a model begins with its metadata, of which the longest ends before 2,000


@dataclass(frozen=True, slots=True)
class Head:
    """What a service's model says of itself before it comes to operations; `name` as botocore names the service."""

    name: str
    signing_name: str
    endpoint_prefix: str
    target_prefix: str
    api_version: str
    service_id: str
    protocols: tuple[str, ...]

    @property
    def protocol(self) -> str:
        """The protocol that botocore would speak."""
        return next(each for each in PRIORITY_ORDERED_SUPPORTED_PROTOCOLS if each in self.protocols)


@cache
def service_model(name: str) -> ServiceModel:
    """Return botocore's model of a service, mended. Raises botocore's UnknownServiceError."""
    description = Loader().load_service_model(name, "service-2")
    for path, value in MENDS.get(name, ()):
        *parents, last = path
        place: dict[str, Any] = description
        for step in parents:
            place = place[step]
        place[last] = value
    return ServiceModel(description, name)


@cache
def head(name: str) -> Head:
    """Return the head of a service's newest model, without loading the rest. Raises FileNotFoundError."""
    newest = max(version for version in (_DATA / name).iterdir() if (version / "service-2.json.gz").exists())
    with gzip.open(newest / "service-2.json.gz") as file:
        text = file.read(_HEAD).decode(errors="replace")
    _, _, rest = text.partition('"metadata":')
    metadata, _ = json.JSONDecoder().raw_decode(rest.lstrip())
    return Head(
        name=name,
        signing_name=metadata.get("signingName", metadata["endpointPrefix"]),
        endpoint_prefix=metadata["endpointPrefix"],
        target_prefix=metadata.get("targetPrefix", ""),
        api_version=metadata["apiVersion"],
        service_id=metadata.get("serviceId", ""),
        protocols=tuple(metadata.get("protocols") or [metadata["protocol"]]),
    )


@cache
def every_head() -> tuple[Head, ...]:
    """Return the heads of all services that botocore has; 0.1 s, once."""
    return tuple(head(each.name) for each in sorted(_DATA.iterdir()) if each.is_dir())


@cache
def _grouped(attribute: str) -> Mapping[str, tuple[Head, ...]]:
    groups: dict[str, tuple[Head, ...]] = {}
    for each in every_head():
        key = getattr(each, attribute)
        groups[key] = (*groups.get(key, ()), each)
    return groups


def _finder(attribute: str) -> Callable[[str], tuple[Head, ...]]:
    def find(value: str) -> tuple[Head, ...]:
        return _grouped(attribute).get(value, ()) if value else ()

    return find


by_signing_name = _finder("signing_name")
by_endpoint_prefix = _finder("endpoint_prefix")
by_target_prefix = _finder("target_prefix")
by_api_version = _finder("api_version")


def name_of(model: ServiceModel) -> str:
    """Return botocore's name of the service that a model describes."""
    name: str = model._service_name or ""  # type: ignore[attr-defined]  # noqa: SLF001  (service_name raises for a model without one)
    return name


def is_form(request: Request) -> bool:
    """Tell whether a request has the shape of the query protocols: a form for `/`, or `Action=` in a URL of `/`.

    Elsewhere a form is somebody's payload, for InvokeEndpoint or PutObject.
    """
    if request.path not in ("", "/"):
        return False
    posted = request.headers.get("content-type").startswith("application/x-www-form-urlencoded")
    return (posted and request.method == "POST") or "Action=" in request.query


def protocol_of(known: Head, request: Request) -> str:
    """Return the protocol that a client speaks, which need not be the one that botocore would choose."""
    if is_form(request):
        return next((each for each in ("query", "ec2") if each in known.protocols), known.protocol)
    return known.protocol


__all__ = [
    "Head", "by_api_version", "by_endpoint_prefix", "by_signing_name", "by_target_prefix", "every_head", "head",
    "is_form", "name_of", "protocol_of", "service_model",
]  # fmt: skip
