"""What training, processing and transform jobs share: their lifecycle, stopping, staging places, failure texts."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.compute.base import Exit, Link
from sagebrush.kernel.grammar.call import Call, Result, World
from sagebrush.kernel.grammar.lifecycle import Lifecycle, table
from sagebrush.kernel.grammar.resource import Resource
from sagebrush.kernel.state.record import Record

SESSION = "SageMaker"
"""The session name under which a job acts as its role, and which CloudTrail shows on AWS."""

GRACE = 120.0
"""Seconds between SIGTERM and SIGKILL of a job that is stopped."""

_MOVES = table("""
    InProgress -> Completed Failed Stopping Stopped
    Stopping -> Stopped Completed Failed
""")


def lifecycle(kind: str, words: str) -> Lifecycle:
    """Return the lifecycle that all jobs have; `words` is the kind as EventBridge spells it."""
    return Lifecycle(f"{kind}Status", "InProgress", _MOVES, "Failed", f"SageMaker {words} Job State Change")


def stop(resource: Resource, call: Call, words: str) -> Result:
    """Write down the wish that a job stops; its drive carries it out. A job that has ended refuses."""

    def stopping(job: Record) -> Record:
        if job.status == "Stopping":
            return job
        if resource.lifecycle and resource.lifecycle.final(job.status):
            raise validation(f"The request was rejected because the {words} job is in status {job.status}.")
        return resource.moved(job, "Stopping", call.now).again(call.now)

    resource.change(call, stopping)
    return {}


def task_id(job: Record, part: str = "") -> str:
    """Return the id of a job's task: the same at every step, another for every job of every time."""
    digest = hashlib.sha256(f"{job.arn} {job.created}".encode()).hexdigest()[:12]
    attempt = job.private.get("attempt", 1)
    slug = Arn.parse(job.arn).kind
    return "-".join(filter(None, (slug, digest, str(attempt), part)))


def stage(job: Record, world: World) -> Path:
    """Return the directory in which a job's inputs and outputs are made ready."""
    return world.settings.data / "stage" / task_id(job)


def clear(job: Record, world: World, *parts: str) -> None:
    """Remove what a finished job no longer needs: its tasks' directories and its stage."""
    for part in parts or ("",):
        world.compute.discard(task_id(job, part))
        world.identities.revoke(task_id(job, part))
    shutil.rmtree(stage(job, world), ignore_errors=True)


def failure(reason: str, end: Exit, last_lines: str) -> str:
    """Return AWS's text for a container that ended badly, with what it says of itself.

    `reason` is the content of the container's failure file; without one, its last lines of output stand there.
    """
    if end.stage == "unpack":
        return f"ClientError: {end.reason}"[:1024]
    told = (reason.strip() or last_lines.strip())[:900]
    return f"AlgorithmError: {told}, exit code: {end.code}"[:1024]


def common_environment(world: World, job: Record, role: str, *, network: bool, part: str = "") -> dict[str, str]:
    """Return the environment of AWS's containers: the region, and the role's credentials where there is a network."""
    region = {"AWS_REGION": job.region, "AWS_DEFAULT_REGION": job.region}
    if not network:
        return region
    task = task_id(job, part)
    return {
        **region,
        **world.environment,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{world.environment['AWS_ENDPOINT_URL']}/_sagebrush/credentials/{task}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": world.identities.grant(task, role, SESSION),
    }


def common_links(world: World, *, network: bool) -> tuple[Link, ...]:
    """Return the files that `common_environment` names."""
    return world.certificates if network else ()


def instance_count(resources: dict[str, Any]) -> None:
    """Refuse more than one instance by name."""
    if resources.get("InstanceCount", 1) > 1:
        raise validation("InstanceCount greater than 1 is not supported by this platform yet.")
