"""Checkpoints: what lies in S3 when a job starts is in its directory, and what it writes there goes to S3 meanwhile."""

from pathlib import Path

from sagebrush.kernel.compute.base import Link
from sagebrush.kernel.grammar.call import Client, World
from sagebrush.kernel.state.record import Record
from sagebrush.services.sagemaker import channels, jobs, uploads

LOCAL = "/opt/ml/checkpoints"


def fetch(job: Record, stage: Path, s3: Client) -> list[Link]:
    """Lay out the checkpoints of a former run, if there are any; return what to bind where. Raises DataError."""
    config = job.get("CheckpointConfig")
    if config is None:
        return []
    directory = stage / "checkpoints"
    channels.restore(s3, f"{config['S3Uri'].rstrip('/')}/", directory)
    uploads.remember(_memory(stage), uploads.stamps(directory))
    return [Link(directory, config.get("LocalPath", LOCAL))]


def sync(job: Record, world: World) -> None:
    """Bring S3 up to date with the checkpoint directory, as the job's role. Raises DataError."""
    config = job.get("CheckpointConfig")
    stage = jobs.stage(job, world)
    if config is not None:
        uploads.mirror(
            jobs.s3(job, world), stage / "checkpoints", "", config["S3Uri"], _memory(stage), deletes=True
        )  # fmt: skip


def _memory(stage: Path) -> Path:
    return stage / "checkpoints.json"
