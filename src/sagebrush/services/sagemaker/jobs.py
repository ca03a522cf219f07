"""What training, processing and transform jobs share: lifecycle, stopping, names, staging places, failure texts."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.compute.base import Exit, Link
from sagebrush.kernel.grammar.call import Call, Client, Result, World
from sagebrush.kernel.grammar.lifecycle import Lifecycle, table
from sagebrush.kernel.grammar.resource import Resource
from sagebrush.kernel.state.record import Record

SESSION = "SageMaker"
"""The session name under which a job acts as its role, and which CloudTrail shows on AWS."""

HOST = "algo-1"
"""The name of a job's only instance."""

INTERFACE = "lo"
"""The network interface at whose address `HOST` is found."""

GRACE = 120.0
"""Seconds between SIGTERM and SIGKILL of a job that is stopped."""

LOST = frozenset({"lost", "start", "image"})
"""Ends that are the platform's fault: the supervisor vanished, no sandbox or no environment could be made."""

INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
_MEMORY = "ClientError: Please use an instance type with more memory, or reduce the size of job data processed on an instance."
_REASON = 1024
_MOVES = table("""
    InProgress -> Completed Failed Stopping Stopped
    Stopping -> Stopped Completed Failed
""")


def lifecycle(kind: str, words: str) -> Lifecycle:
    """Return the lifecycle that all jobs have; `words` is the kind as EventBridge spells it."""
    return Lifecycle(f"{kind}Status", "InProgress", _MOVES, "Failed", f"SageMaker {words} Job State Change")


def stop(resource: Resource, call: Call, words: str, also: Callable[[Record], Record] = lambda job: job) -> Result:
    """Write down the wish that a job stops; its drive carries it out. A job that has ended refuses.

    `also` says what else becomes of the record.
    """

    def stopping(job: Record) -> Record:
        if job.status == "Stopping":
            return job
        if resource.lifecycle and resource.lifecycle.final(job.status):
            raise validation(f"The request was rejected because the {words} job is in status {job.status}.")
        return also(resource.moved(job, "Stopping", call.now)).again(call.now)

    resource.change(call, stopping)
    return {}


def attempt(job: Record) -> int:
    """Return which attempt at the job this is, counted from 1."""
    return int(job.private.get("attempt", 1))


def task_id(job: Record, part: str = "") -> str:
    """Return the id of a job's task: the same at every step of an attempt, another for every job of every time."""
    digest = hashlib.sha256(f"{job.arn} {job.created}".encode()).hexdigest()[:12]
    slug = Arn.parse(job.arn).kind
    return "-".join(filter(None, (slug, digest, str(attempt(job)), part)))


def stream(job: Record) -> str:
    """Return the name of the job's log stream. A further attempt has one of its own."""
    return f"{job.name}/{HOST}-{int(job.created) + attempt(job) - 1}"


def stage(job: Record, world: World) -> Path:
    """Return the directory in which a job's inputs and outputs are made ready."""
    return world.settings.data / "stage" / task_id(job)


def s3(job: Record, world: World) -> Client:
    """Return a client of S3 that acts as the job's role. Raises AwsError where the role is gone."""
    return world.as_role(job["RoleArn"], SESSION, job.region)("s3")


def clear(job: Record, world: World, *parts: str) -> None:
    """Remove what an attempt no longer needs: its tasks' directories and its stage."""
    for part in parts or ("",):
        world.compute.discard(task_id(job, part))
        world.identities.revoke(task_id(job, part))
    shutil.rmtree(stage(job, world), ignore_errors=True)


def platform_time(world: World, moment: float) -> float:
    """Return a real moment (epoch seconds) on the platform's clock, which can be moved."""
    return moment + world.clock.now() - world.clock.wall()


def failure(end: Exit, told: str, last_lines: str) -> str:
    """Return AWS's text for a container that ended, or "" where it ended well.

    `told` is what it says of itself; where it says nothing, the last lines of its output stand there.
    """
    if end.stage in LOST:
        return f"{INTERNAL} {end.reason}"[:_REASON]
    if end.stage == "unpack":
        return f"ClientError: {end.reason}"[:_REASON]
    if end.reason.startswith("OutOfMemoryError"):
        return _MEMORY
    if end.code:
        before, after = "AlgorithmError: ", f", exit code: {end.code}"
        room = _REASON - len(before) - len(after)
        return before + (told.strip()[:room] or last(last_lines.strip(), room)) + after
    return f"ClientError: Artifact upload failed: {end.reason}"[:_REASON] if end.stage == "pack" else ""


def last(text: str, room: int) -> str:
    """Return the end of a text, from the beginning of a line where it has more than one."""
    if len(text) <= room:
        return text
    end = text[-room:]
    return end[end.find("\n") + 1 :]


def common_environment(world: World, job: Record, role: str, *, network: bool, part: str = "") -> dict[str, str]:
    """Return the environment of AWS's containers: the region, and the role's credentials where there is a network."""
    region = {"AWS_REGION": job.region, "AWS_DEFAULT_REGION": job.region}
    if not network:
        return region
    task = task_id(job, part)
    return {
        **world.environment,
        **region,
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


def tidy(job: Record) -> Record:
    """Return the job without the empty lists and structures of its request, which AWS does not show either."""
    return job.having(**{name: None for name, value in job.body.items() if value in ([], {})})
