"""Which serving tasks stand behind a name: the routing table of the data plane."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sagebrush.kernel.compute.base import Compute

Strategy = Literal["LEAST_OUTSTANDING_REQUESTS", "RANDOM"]


@dataclass(slots=True)
class Backend:
    """One serving task: its id, its socket, and how many requests it works on now."""

    task: str
    socket: str
    busy: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """One variant's share of the traffic: its weight against the others', and the tasks that serve it."""

    variant: str
    weight: float
    tasks: tuple[str, ...]
    strategy: Strategy = "LEAST_OUTSTANDING_REQUESTS"


@dataclass(frozen=True, slots=True)
class Branch:
    """A share whose tasks were found."""

    share: Share
    backends: tuple[Backend, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where the requests for one name go."""

    branches: tuple[Branch, ...]
    total: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", sum(branch.share.weight for branch in self.branches))

    def branch(self, variant: str) -> Branch | None:
        """Return the branch of a variant."""
        return next((branch for branch in self.branches if branch.share.variant == variant), None)


class Routes:
    """The routes to the tasks of one compute, by ARN.

    Written by what starts and stops tasks, read by every request. Each operation is one step of a dict, so it is safe
    from any thread; `Backend.busy` is counted on the event loop alone, and merely looked at elsewhere.
    """

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}
        self._backends: dict[str, Backend] = {}

    def get(self, arn: str) -> Route | None:
        """Return the route of a name."""
        return self._routes.get(arn)

    def put(self, arn: str, shares: Sequence[Share], compute: Compute) -> Route:
        """Send the requests for a name to these tasks from now on; tasks that do not serve are left out."""
        route = self._routes[arn] = self._route(shares, compute)
        return route

    def offer(self, arn: str, shares: Sequence[Share], compute: Compute) -> Route:
        """Do as `put` does, unless the name has a route already; return the route that it has."""
        return self._routes.setdefault(arn, self._route(shares, compute))

    def drop(self, arn: str) -> None:
        """Forget a name."""
        self._routes.pop(arn, None)

    def busy(self, task: str) -> int:
        """Return how many requests a task works on now."""
        backend = self._backends.get(task)
        return backend.busy if backend else 0

    def retire(self, task: str) -> None:
        """Forget a task that no route leads to any more."""
        self._backends.pop(task, None)

    def _route(self, shares: Sequence[Share], compute: Compute) -> Route:
        branches = []
        for share in shares:
            backends = (self._backend(task, compute) for task in share.tasks)
            branches.append(Branch(share, tuple(backend for backend in backends if backend)))
        return Route(tuple(branches))

    def _backend(self, task: str, compute: Compute) -> Backend | None:
        """Return the one Backend that a task has for all its time, so that its count goes on when routes change."""
        known = self._backends.get(task)
        if known is not None:
            return known
        found = compute.find(task)
        if found is None or found.socket is None or found.exit is not None:
            return None
        return self._backends.setdefault(task, Backend(task, str(found.socket)))
