"""One call of an operation, and the world that it acts on."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from sagebrush.kernel.auth.identities import Identities, Identity
from sagebrush.kernel.auth.policy import authorise
from sagebrush.kernel.auth.trust import allows_service
from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.base.clock import Clock
from sagebrush.kernel.base.errors import AwsError, not_implemented, validation
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.compute.base import Compute, Link
from sagebrush.kernel.compute.http import Client as ContainerClient
from sagebrush.kernel.compute.images import Images
from sagebrush.kernel.compute.routes import Routes
from sagebrush.kernel.objects.base import ObjectStore
from sagebrush.kernel.signals.events import Events
from sagebrush.kernel.signals.logs import LogStore
from sagebrush.kernel.signals.metrics import MetricStore
from sagebrush.kernel.signals.tally import Tally
from sagebrush.kernel.state.keys import KeyIndex
from sagebrush.kernel.state.records import Records
from sagebrush.kernel.wire.http import Request
from sagebrush.kernel.wire.validate import validate

if TYPE_CHECKING:
    from botocore.model import OperationModel

Result = dict[str, Any]
Handler = Callable[["Call"], Result | None] | Callable[["Call"], Awaitable[Result | None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A registered operation: botocore's model of it and the function that serves it."""

    service: str
    name: str
    model: "OperationModel"
    handler: Handler
    streams: bool
    """The handler is a coroutine function: it moves byte streams and runs on the event loop."""


class Registry(Protocol):
    """What operations there are."""

    def operation(self, service: str, method: str) -> Operation | None:
        """Return the operation that boto3 spells `method`, or None where this platform lacks it."""
        ...


@dataclass(slots=True)
class World:
    """The adapters that operations and drives act on."""

    settings: Settings
    clock: Clock
    records: Records
    keys: KeyIndex
    objects: ObjectStore
    logs: LogStore
    metrics: MetricStore
    events: Events
    tally: Tally
    compute: Compute
    routes: Routes
    containers: ContainerClient
    images: Images
    identities: Identities
    registry: Registry
    pool: ThreadPoolExecutor
    wake: Callable[[str], None] = lambda _: None
    """Have the drive loop look at the record with this ARN now."""
    environment: dict[str, str] = field(default_factory=dict)
    """What a container needs to reach this platform: endpoint, proxy, certificates."""
    certificates: tuple[Link, ...] = ()
    """The files that `environment` names."""
    loop: asyncio.AbstractEventLoop | None = None

    def aws(self, service: str, identity: Identity, region: str | None = None) -> "Client":
        """Return a client of `service` that calls, in process, as `identity`."""
        return Client(self, service, identity, region or self.settings.region)

    def as_role(self, role: str, session: str, region: str | None = None) -> Callable[[str], "Client"]:
        """Return `aws` for a session of `role`: what a job or an endpoint does, it does through this."""
        identity = self.identities.acting(role, session)
        return lambda service: self.aws(service, identity, region)


@dataclass(slots=True)
class Call:
    """One call: who, what, where, and the world."""

    world: World
    operation: Operation
    params: dict[str, Any]
    identity: Identity
    region: str
    request: Request | None = None
    response_headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The caller's account id."""
        return self.identity.account

    @property
    def protocol(self) -> str:
        """The protocol whose words a refusal takes: botocore's own choice for the service."""
        return str(self.operation.model.service_model.resolved_protocol)

    @property
    def now(self) -> float:
        """The platform's time."""
        return self.world.clock.now()

    def aws(self, service: str) -> "Client":
        """Return an in-process client of another service, under the caller's own identity."""
        return self.world.aws(service, self.identity, self.region)

    def may_pass(self, role: str) -> None:
        """Refuse, as SageMaker does, unless the caller may hand `role` to a service and the role exists."""
        try:
            arn = Arn.parse(role)
        except ValueError:
            raise validation(f"Invalid role ARN: {role}") from None
        roles, principal = self.world.identities.roles, f"{self.operation.service}.amazonaws.com"
        if roles.id_of(str(arn)) is None or not allows_service(
            roles.by_arn(str(arn))["AssumeRolePolicyDocument"], principal, self.account
        ):
            raise validation(
                f"Could not assume role {role}. Please ensure that the role exists and allows principal"
                f" '{principal}' to assume the role."
            )
        authorise(self.identity, "iam:PassRole", role, self.world.identities, self.protocol)


def perform(call: Call) -> Result | Awaitable[Result | None] | None:
    """Validate, authorise and run a call: the part of the chain that in-process callers share with HTTP.

    Returns what the handler returns: for a streaming operation an awaitable, which must be awaited on the event loop.
    """
    validate(call.operation.model, call.params)
    action = f"{call.operation.service}:{call.operation.name}"
    authorise(call.identity, action, "*", call.world.identities, call.protocol)
    return call.operation.handler(call)


class Client:
    """A client of one service, in process: methods and parameters as boto3 has them; results are plain dicts."""

    def __init__(self, world: World, service: str, identity: Identity, region: str) -> None:
        self._world = world
        self._service = service
        self._identity = identity
        self._region = region

    def __getattr__(self, method: str) -> Callable[..., Result]:
        if method.startswith("_"):
            raise AttributeError(method)
        return partial(self._invoke, method)

    def call(self, method: str, /, **params: Any) -> Call:
        """Return the call that `method` would make; `perform` makes it."""
        operation = self._world.registry.operation(self._service, method)
        if operation is None:
            raise not_implemented(self._service, method)
        return Call(self._world, operation, params, self._identity, self._region)

    def _invoke(self, method: str, /, **params: Any) -> Result:
        call = self.call(method, **params)
        outcome = perform(call)
        if isinstance(outcome, Awaitable):
            if self._world.loop is None:
                raise AwsError("ServiceUnavailable", "The platform is starting.", 503)
            outcome = asyncio.run_coroutine_threadsafe(_await(outcome), self._world.loop).result()
        return outcome or {}


async def _await(outcome: Awaitable[Result | None]) -> Result | None:
    return await outcome


__all__ = ["Call", "Client", "Handler", "Operation", "Registry", "Result", "World", "perform"]
