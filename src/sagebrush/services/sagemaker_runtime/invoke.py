"""InvokeEndpoint: the short path from a request to a container and back."""

import asyncio
import random
from collections.abc import Sequence
from time import perf_counter

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.compute import http
from sagebrush.kernel.compute.routes import Backend, Branch, Route, Share
from sagebrush.kernel.grammar.call import Call, Result, World
from sagebrush.kernel.signals.tally import Source
from sagebrush.kernel.state.record import Record
from sagebrush.services.sagemaker_runtime import faults
from sagebrush.services.sagemaker_runtime.faults import Target
from sagebrush.services.sagemaker_runtime.service import service

LIMIT = 6 * 2**20
"""The most bytes of a request's and of a response's body."""

TIME_LIMIT = 60.0
"""Seconds that a container has for an answer."""

NAMESPACE = "AWS/SageMaker"
UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}

_KIND = "sagemaker:Endpoint"
_SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack")
_FORWARDED = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
    "InferenceId": "x-amzn-sagemaker-inference-id",
}
_REFUSED = {
    "TargetModel": "it is not a multi-model endpoint",
    "TargetContainerHostname": "its model has one container",
    "EnableExplanations": "it has no explainer",
    "InferenceComponentName": "it has no inference components",
    "SessionId": "its models keep no sessions",
    "PrefixAwareId": "it does not route by prefix",
}


@service.operation
async def invoke_endpoint(call: Call) -> Result:
    """Send the body to a container of the endpoint and return its answer.

    The variant is drawn by weight, or named by TargetVariant; among its instances one of those with the least work is
    taken. Raises ModelError (424) for what the container refuses, fails at or does not answer within 60 seconds,
    ServiceUnavailable (503) while no instance is up, ValidationError (400) for everything that the caller got wrong.
    """
    begun = perf_counter()
    params = call.params
    target = Target(call.account, call.region, params["EndpointName"])
    for member, reason in _REFUSED.items():
        if member in params:
            raise faults.invalid(f"{member} is not supported by endpoint {target.name}: {reason}.")
    body = await _body(call)
    route = call.world.routes.get(target.arn) or await _looked_up(call.world, target)
    branch = _branch(route, params.get("TargetVariant"), target)
    headers = [(header, params[member]) for member, header in _FORWARDED.items() if member in params]
    asked = perf_counter()
    status = 0
    try:
        answer = await _ask(call.world.containers, branch, headers, body, target)
        status = answer.status
    finally:
        now = perf_counter()
        metrics = outcome(status, len(branch.backends), now - asked, now - begun)
        call.world.tally.add(_source(target, branch.share.variant), metrics, UNITS)
    if not 200 <= status < 300:
        raise faults.model_error(target, status, answer.body.decode("utf-8", "replace"))
    return {
        "Body": answer.body,
        "ContentType": answer.headers.get("content-type"),
        "CustomAttributes": answer.headers.get("x-amzn-sagemaker-custom-attributes"),
        "InvokedProductionVariant": branch.share.variant,
    }


async def _ask(
    client: http.Client, branch: Branch, headers: Sequence[tuple[str, str]], body: bytes, target: Target
) -> http.Answer:
    """Return the answer of the first instance, in the variant's order, that listens."""
    for backend in _order(branch):
        backend.busy += 1
        try:
            async with asyncio.timeout(TIME_LIMIT):
                return await client.request(
                    backend.socket, "POST", "/invocations", headers=headers, body=body, limit=LIMIT
                )
        except http.NotListeningError:
            continue
        except TimeoutError:
            raise faults.model_error(target, 0, faults.TIMED_OUT) from None
        except http.ContainerError as error:
            told = f"Amazon SageMaker could not get a response from the {target.name} endpoint: {error}. Please retry."
            raise faults.model_error(target, 0, told) from None
        finally:
            backend.busy -= 1
    raise faults.unavailable(target)


def _order(branch: Branch) -> Sequence[Backend]:
    """Return the instances in the order in which they are asked: those with the least work first, or at random."""
    if len(branch.backends) < 2:
        return branch.backends
    shuffled = random.sample(branch.backends, len(branch.backends))
    if branch.share.strategy == "LEAST_OUTSTANDING_REQUESTS":
        shuffled.sort(key=lambda backend: backend.busy)
    return shuffled


def _branch(route: Route, wanted: str | None, target: Target) -> Branch:
    """Return the variant that was asked for, or one drawn by weight."""
    if wanted is not None:
        named = route.branch(wanted)
        if named is None:
            raise faults.invalid(f"Variant {wanted} not found for Request to endpoint {target.name}.")
        return named
    if len(route.branches) == 1:
        return route.branches[0]
    mark = random.random() * route.total  # noqa: S311 - traffic is shared out, nothing is kept secret
    for branch in route.branches:
        mark -= branch.share.weight
        if mark < 0:
            return branch
    return route.branches[-1]


def _source(target: Target, variant: str) -> Source:
    dimensions = (("EndpointName", target.name), ("VariantName", variant))
    return Source(target.account, target.region, NAMESPACE, dimensions)


def outcome(status: int, instances: int, model: float, total: float) -> dict[str, float]:
    """Return the metrics of one call.

    They follow from the container's status (0: no answer), how many instances the variant has, and the seconds spent
    in the container and in all. Source: "SageMaker endpoint invocation metrics" in the Amazon SageMaker Developer
    Guide; latencies are microseconds.
    """
    return {
        "Invocations": 1.0,
        "InvocationsPerInstance": 1.0 / max(instances, 1),
        "Invocation4XXErrors": float(400 <= status < 500),
        "Invocation5XXErrors": float(status >= 500),
        "InvocationModelErrors": float(not 200 <= status < 300),
        "ModelLatency": float(round(model * 1e6)),
        "OverheadLatency": float(round((total - model) * 1e6)),
    }


async def _looked_up(world: World, target: Target) -> Route:
    """Return the route as the endpoint's record has it: at the first call after a start. Raises ValidationError."""
    return await asyncio.get_running_loop().run_in_executor(world.pool, _read, world, target)


def _read(world: World, target: Target) -> Route:
    table = world.routes
    endpoint = _serving(world, target)
    shares = [Share(**{**share, "tasks": tuple(share["tasks"])}) for share in endpoint.private["shares"]]
    route = table.offer(endpoint.arn, shares, world.compute)
    try:
        _serving(world, target)
    except AwsError:  # deleted meanwhile: who dropped its route may have come too early
        table.drop(endpoint.arn)
        raise
    return route


def _serving(world: World, target: Target) -> Record:
    endpoint = world.records.get(_KIND, target.account, target.region, target.name)
    if endpoint is None or endpoint.status not in _SERVING:
        raise faults.not_found(target)
    return endpoint


async def _body(call: Call) -> bytes:
    """Return the request's body, whole. Raises ValidationError where it is too large."""
    if call.request is None or call.request.stream is None:
        return _bounded(call.params.get("Body", b""))
    chunks: list[bytes] = []
    size = 0
    async for chunk in call.request.stream:
        size += len(chunk)
        if size > LIMIT:
            raise _too_large()
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _bounded(body: bytes) -> bytes:
    if len(body) > LIMIT:
        raise _too_large()
    return body


def _too_large() -> AwsError:
    return faults.invalid(
        "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less than"
        f" or equal to {LIMIT}"
    )
