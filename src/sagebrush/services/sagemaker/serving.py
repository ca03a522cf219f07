"""A serving container: what endpoints and transform jobs start, ping and read the end of."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from sagebrush.kernel.base.errors import AwsError, validation
from sagebrush.kernel.compute import http
from sagebrush.kernel.compute.base import Exit, Task, TaskSpec
from sagebrush.kernel.compute.limits import limits_of
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import artifacts, channels, jobs
from sagebrush.services.sagemaker.model import container_of

GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL of a serving container."""

_PING = 2.0
_REASON = 1024
"""Characters that a FailureReason may have."""


def snapshot(model: Record, world: World) -> Body:
    """Return what is needed to serve a model, also after the model was deleted."""
    container = container_of(model)
    image = world.images.resolve(container["Image"])
    if image is None:
        raise validation(world.images.unknown(container["Image"]))
    return {
        "Model": model.name,
        "Container": container,
        "Image": image.name,
        "Role": model["ExecutionRoleArn"],
        "Isolated": model["EnableNetworkIsolation"],
    }


def instance_id(task: str) -> str:
    """Return the id, as EC2's look, of the instance that a task runs on: one for each task."""
    return f"i-{hashlib.sha256(task.encode()).hexdigest()[:17]}"


def spec(
    owner: Record,
    part: str,
    served: Body,
    world: World,
    *,
    kind: str,
    environment: Mapping[str, str],
    log: tuple[str, str],
) -> TaskSpec:
    """Return the task that serves a snapshot: SageMaker's container contract, the model data staged.

    `kind` is the instance type, `environment` comes on top of the model's own, `log` is group and stream. Raises
    channels.DataError where the model data cannot be had.
    """
    container: Body = served["Container"]
    try:
        s3 = world.as_role(served["Role"], jobs.SESSION, owner.region)("s3")
    except AwsError as error:
        raise channels.DataError(error.message) from error
    layout = artifacts.lay_out(s3, container, stage(owner, part, world))
    network = not served["Isolated"]
    return TaskSpec(
        id=jobs.task_id(owner, part),
        owner=owner.arn,
        image=served["Image"],
        command=("serve",),
        limits=limits_of(kind),
        environment={
            **jobs.common_environment(world, owner, served["Role"], network=network, part=part),
            **container.get("Environment", {}),
            **layout.environment,
            **environment,
        },
        links=(*jobs.common_links(world, network=network), *layout.links),
        unpack=tuple(layout.unpack),
        network=network,
        serves=True,
        log_group=log[0],
        log_stream=log[1],
    )


def stage(owner: Record, part: str, world: World) -> Path:
    """Return the directory in which the model data of one task is made ready."""
    return jobs.stage(owner, world) / part


def healthy(task: Task) -> bool:
    """Tell whether a serving task answers GET /ping with 200."""
    if task.phase != "Running" or task.socket is None:
        return False
    try:
        status, _ = http.get(str(task.socket), "/ping", _PING)
    except http.ContainerError:
        return False
    return status == 200


def trouble(served: Body, what: str, end: Exit, last_lines: str) -> str:
    """Return AWS's text for a serving container that ended, with what it said last; `what` uses it."""
    container: Body = served["Container"]
    match end.stage:
        case "unpack":
            text = (
                f'Failed to extract model data archive for container "container_1" from URL "{_url(container)}". Please'
                f" ensure that the object located at the URL is a valid tar.gz archive. {end.reason}"
            )
        case "image" | "lost":
            text = f"InternalServerError: {end.reason}"
        case "start":
            text = (
                f"CannotStartContainerError. Please ensure the model container for {what} starts correctly when invoked"
                f" with 'docker run <image> serve'. {end.reason}"
            )
        case _:
            return unhealthy(what, last_lines, f"The container ended with exit code {end.code}. {end.reason}")
    return text.strip()[:_REASON]


def unhealthy(what: str, last_lines: str, end: str = "") -> str:
    """Return AWS's text for a container that is not up in time, with how it ended and what it said last."""
    text = (
        f"The primary container for {what} did not pass the ping health check. Please check CloudWatch logs for this"
        f" endpoint. {end}"
    ).strip()
    return f"{text} {jobs.last(last_lines.strip(), _REASON - len(text) - 1)}".strip()


def _url(container: Body) -> str:
    return ", ".join(source.uri for source in artifacts.sources(container))
