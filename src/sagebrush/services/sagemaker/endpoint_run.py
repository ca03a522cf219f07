"""Endpoints, carried out: one safe-to-repeat step at a time.

`fleet` is what serves, `target` what is on its way. A deployment brings the target's instances up, sends the traffic
there and retires what is left over, once it has answered what it was asked. An instance that ends is replaced.
"""

import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace

from sagebrush.kernel.compute.base import Task
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, fleet, jobs, serving
from sagebrush.services.sagemaker.endpoint import Endpoint
from sagebrush.services.sagemaker.fleet import Instance, State

LOG_GROUP = "/aws/sagemaker/Endpoints"
_NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using a"
    " different ML instance type or at a different time."
)
_SOON, _SELDOM = 0.05, 30.0
"""Seconds between two looks at what is starting or ending, and at what runs."""

_DRAIN = 60.0
"""Seconds that a retired instance has for the requests it works on: no call may take longer."""

_SETTLED = 0.1
"""Seconds after which no request that was given the old route is still to be counted."""

_LONGEST_PAUSE = 60.0
"""Seconds, at most, between an instance's end and its replacement's start."""


@Endpoint.on_drive
def run(endpoint: Record, world: World) -> Record | None:
    """Move an endpoint one step."""
    if endpoint.status == "Deleting":
        return _delete(endpoint, world)
    endpoint = _retire(endpoint, world)
    if endpoint.status == "Failed":
        return endpoint.again(_soon(endpoint, world) if endpoint.private.get("retiring") else None)
    endpoint = _keep(endpoint, world)
    if endpoint.status in ("Creating", "Updating"):
        return _deploy(endpoint, world)
    return endpoint.again(_soon(endpoint, world) if _unsettled(endpoint) else world.clock.now() + _SELDOM)


def _soon(endpoint: Record, world: World) -> float:
    """Return when to look again at what starts or ends: often at first, then less and less."""
    now = world.clock.now()
    newest = max((state.asked or 0.0 for state in fleet.states(endpoint).values()), default=0.0)
    return now + min(max(_SOON, (now - max(newest, endpoint.modified)) / 10), 1.0)


def _unsettled(endpoint: Record) -> bool:
    known = fleet.states(endpoint)
    up = all(known.get(instance.key, State()).up for instance in fleet.instances(endpoint.private.get("fleet")))
    return bool(endpoint.private.get("retiring")) or not up


# ---------------------------------------------------------------------- instances


def _task_id(endpoint: Record, key: str, state: State) -> str:
    return jobs.task_id(endpoint, fleet.part(key, state))


def _ensure(endpoint: Record, instance: Instance, state: State, world: World) -> Task:
    """Return the task of an instance, started where it is not there. Raises channels.DataError."""
    part = fleet.part(instance.key, state)
    task = jobs.task_id(endpoint, part)
    stream = f"{instance.variant['VariantName']}/{serving.instance_id(task)}"
    return world.compute.ensure(
        task,
        lambda: serving.spec(
            endpoint,
            part,
            instance.variant,
            world,
            kind=instance.variant["InstanceType"],
            environment={},
            log=(f"{LOG_GROUP}/{endpoint.name}", stream),
        ),
    )


def _look(endpoint: Record, instance: Instance, state: State, world: World) -> tuple[State, str]:
    """Return what an instance is like now, and what is wrong with it: "" if nothing is."""
    now = world.clock.now()
    if now < state.after:
        return state, ""
    state = replace(state, asked=state.asked or now)
    try:
        task = _ensure(endpoint, instance, state, world)
    except channels.DataError as error:
        return replace(state, up=False), str(error)[:1024]
    if task.exit is not None:
        told = world.compute.tail(task.id)
        return replace(state, up=False), serving.trouble(instance.variant, instance.what, task.exit, told)
    if task.phase == "Queued" and now - (state.asked or now) >= instance.variant["Provision"]:
        return state, f"{_NO_CAPACITY} {task.message}"
    if state.up or task.phase != "Running":
        return state, ""
    state = replace(state, since=state.since or now, up=serving.healthy(task))
    if not state.up and now - (state.since or now) >= instance.variant["Startup"]:
        return state, serving.unhealthy(instance.what, world.compute.tail(task.id))
    return state, ""


def _keep(endpoint: Record, world: World) -> Record:
    """Look after the fleet that serves: replace what has ended, send the traffic to what is up."""
    current: Body | None = endpoint.private.get("fleet")
    if current is None:
        return endpoint
    now = world.clock.now()
    known = fleet.states(endpoint)
    for instance in fleet.instances(current):
        state, wrong = _look(endpoint, instance, known.get(instance.key, State()), world)
        if wrong:
            endpoint = _let_go(endpoint, [fleet.part(instance.key, state)], now)
            state = State(state.attempt + 1, after=now + _pause(state, now))
        known[instance.key] = state
    return _served(endpoint, current, known, world)


def _pause(state: State, now: float) -> float:
    """Return the seconds until an instance is replaced: none after a long life, else more with every attempt."""
    if state.since is not None and now - state.since > _LONGEST_PAUSE:
        return 0.0
    return min(2.0 ** min(state.attempt - 1, 10) - 1, _LONGEST_PAUSE)


def _served(endpoint: Record, current: Body, known: dict[str, State], world: World) -> Record:
    """Send the traffic to what is up of a fleet, and note it: the data plane starts from this note."""
    tasks = {key: _task_id(endpoint, key, state) for key, state in known.items()}
    shares = fleet.shares(current, known, tasks)
    world.routes.put(endpoint.arn, shares, world.compute)
    noted = {key: asdict(state) for key, state in known.items()}
    return endpoint.remembering(fleet=current, instances=noted, shares=[asdict(share) for share in shares])


# ---------------------------------------------------------------------- deployments


def _deploy(endpoint: Record, world: World) -> Record:
    """Bring the target's instances up; then switch to it, or give it up."""
    target: Body = endpoint.private["target"]
    known = fleet.states(endpoint)
    serving_now = fleet.keys(endpoint.private.get("fleet"))
    coming = [instance for instance in fleet.instances(target) if instance.key not in serving_now]
    for instance in coming:
        known[instance.key], wrong = _look(endpoint, instance, known.get(instance.key, State()), world)
        if wrong:
            return _give_up(endpoint, known, wrong, world)
    if all(known[instance.key].up for instance in coming):
        return _switch(endpoint, target, known, world)
    noted = {key: asdict(state) for key, state in known.items()}
    return endpoint.remembering(instances=noted).again(_soon(endpoint, world))


def _switch(endpoint: Record, target: Body, known: dict[str, State], world: World) -> Record:
    """Have the target serve, and retire what it does not need."""
    now = world.clock.now()
    needed = fleet.keys(target)
    endpoint, known = _reduce(endpoint, known, fleet.keys(endpoint.private.get("fleet")) - needed, target, now)
    endpoint = _served(endpoint, target, known, world).remembering(target=None)
    return Endpoint.moved(endpoint, "InService", now, EndpointConfigName=target["Config"]).again(now)


def _give_up(endpoint: Record, known: dict[str, State], reason: str, world: World) -> Record:
    """Go on with the fleet that serves, if there is one, and retire what was on its way."""
    now = world.clock.now()
    target: Body = endpoint.private["target"]
    current: Body | None = endpoint.private.get("fleet")
    endpoint, known = _reduce(endpoint, known, fleet.keys(target) - fleet.keys(current), current, now)
    noted = {key: asdict(state) for key, state in known.items()}
    endpoint = endpoint.remembering(target=None, instances=noted)
    return Endpoint.moved(endpoint, "InService" if current else "Failed", now, FailureReason=reason).again(now)


def _reduce(
    endpoint: Record, known: dict[str, State], superfluous: set[str], left: Body | None, now: float
) -> tuple[Record, dict[str, State]]:
    """Retire instances and return what is known of those of the fleet that is left.

    Where one is of that fleet's generation, a later instance of the same key goes on counting its attempts.
    """
    going = {key: known.get(key, State()) for key in superfluous}
    parts = [fleet.part(key, state) for key, state in going.items()]
    after = {**known, **{key: State(state.attempt + 1) for key, state in going.items()}}
    mine = f"g{left['Generation']}-" if left else " "
    return _let_go(endpoint, parts, now), {key: state for key, state in after.items() if key.startswith(mine)}


def _let_go(endpoint: Record, parts: Iterable[str], now: float) -> Record:
    """Put tasks on the list of those to retire."""
    return endpoint.remembering(retiring={**endpoint.private.get("retiring", {}), **dict.fromkeys(parts, now)})


def _retire(endpoint: Record, world: World) -> Record:
    """Stop the tasks that nothing leads to any more, each when it has answered what it was asked."""
    now = world.clock.now()
    retiring: dict[str, float] = endpoint.private.get("retiring", {})
    left = {part: since for part, since in retiring.items() if not _ended(endpoint, part, now - since, world)}
    return endpoint.remembering(retiring=left or None)


def _ended(endpoint: Record, part: str, idle: float, world: World) -> bool:
    """Take a task that nothing has led to for `idle` seconds one step closer to its end; tell whether it is gone."""
    id_ = jobs.task_id(endpoint, part)
    task = world.compute.find(id_)
    if task is not None and task.exit is None:
        if idle >= _DRAIN or (idle >= _SETTLED and not world.routes.busy(id_)):
            world.compute.stop(id_, grace=serving.GRACE)
        return False
    _discard(endpoint, part, world)
    return True


def _discard(endpoint: Record, part: str, world: World) -> None:
    id_ = jobs.task_id(endpoint, part)
    world.compute.discard(id_)
    world.identities.revoke(id_)
    world.routes.retire(id_)
    shutil.rmtree(serving.stage(endpoint, part, world), ignore_errors=True)


def _delete(endpoint: Record, world: World) -> Record | None:
    """Stop everything; the record goes with the last task."""
    world.routes.drop(endpoint.arn)
    known = fleet.states(endpoint)
    parts = {*(fleet.part(key, state) for key, state in known.items()), *endpoint.private.get("retiring", {})}
    ended = [_ended(endpoint, part, _DRAIN, world) for part in parts]
    if not all(ended):
        return endpoint.again(_soon(endpoint, world))
    shutil.rmtree(jobs.stage(endpoint, world), ignore_errors=True)
    return None
