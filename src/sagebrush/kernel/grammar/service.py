"""A service: its operations by name, explicit ones first, derived ones where nothing else is said."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from botocore import xform_name
from botocore.model import OperationModel

from sagebrush.kernel.grammar.call import Call, Handler, Operation, Result
from sagebrush.kernel.grammar.lifecycle import Lifecycle
from sagebrush.kernel.grammar.resource import Resource
from sagebrush.kernel.state.record import Record
from sagebrush.kernel.wire.models import service_model

H = TypeVar("H", bound=Handler)


class Service:
    """What a service's files declare; `name` as botocore names the service.

    Loading botocore's model waits until the first call, so that a platform of many services starts at once.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.resources: dict[str, Resource] = {}
        self._handlers: dict[str, Handler] = {}
        self._operations: dict[str, Operation] = {}

    def operation(self, handler: H) -> H:
        """Register a function under its own name, which is boto3's name of the operation."""
        self._handlers[handler.__name__] = handler
        return handler

    def resource(self, kind: str, lifecycle: Lifecycle | None = None, **traits: object) -> Resource:
        """Declare a kind. Its Create, Describe, List and Delete follow from botocore's shapes; see `Resource`."""
        resource = Resource(self.name, kind, lifecycle, **traits)  # type: ignore[arg-type]
        self.resources[kind] = resource
        for method, handler in resource.operations().items():
            self._handlers.setdefault(method, handler)
        return resource

    def methods(self) -> list[str]:
        """Return the names, as boto3 spells them, of all operations served."""
        return sorted(self._handlers)

    def find(self, method: str) -> Operation | None:
        """Return an operation by its boto3 name."""
        if method in self._operations:
            return self._operations[method]
        handler = self._handlers.get(method)
        if handler is None:
            return None
        model = self._models()[method]
        streams = inspect.iscoroutinefunction(handler)
        operation = Operation(self.name, model.name, model, handler, streams)
        self._operations[method] = operation
        return operation

    def _models(self) -> dict[str, OperationModel]:
        model = service_model(self.name)
        return {xform_name(name): model.operation_model(name) for name in model.operation_names}


class Services:
    """All services of a platform."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._services = {service.name: service for service in services}

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services.values())

    @property
    def names(self) -> Sequence[str]:
        """The services' names, as botocore spells them."""
        return tuple(self._services)

    def operation(self, service: str, method: str) -> Operation | None:
        """Return the operation that boto3 spells `method`, or None where this platform lacks it."""
        found = self._services.get(service)
        return found.find(method) if found else None

    def resource(self, record: Record) -> Resource:
        """Return the declaration that a record's kind (`sagemaker:TrainingJob`) stands for."""
        service, _, kind = record.kind.partition(":")
        return self._services[service].resources[kind]


__all__ = ["Call", "Callable", "Record", "Resource", "Result", "Service", "Services"]
