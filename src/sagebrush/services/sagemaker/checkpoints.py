"""Checkpoints: what a job writes into its checkpoint directory goes to S3 while it runs."""

from pathlib import Path

from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.state.record import Record
from sagebrush.services.sagemaker import channels, jobs


def sync(job: Record, world: World) -> Record:
    """Upload the checkpoints that are new or changed since the last time, as the job's role."""
    config = job.get("CheckpointConfig")
    directory = jobs.stage(job, world) / "checkpoints"
    if not config or not directory.is_dir():
        return job
    seen: dict[str, list[int]] = job.private.get("checkpoints", {})
    held = {str(path): channels.stamp(path) for path in directory.rglob("*") if path.is_file()}
    changed = {Path(name) for name, stamp in held.items() if seen.get(name) != stamp}
    if not changed:
        return job
    s3 = world.as_role(job["RoleArn"], jobs.SESSION, job.region)("s3")
    channels.upload_tree(s3, directory, config["S3Uri"], changed.__contains__)
    return job.remembering(checkpoints=held)
