"""Ending the tasks of a data directory whose platform is down: they outlive it."""

from sagebrush import main
from sagebrush.cli.folders import unfinished_tasks
from sagebrush.kernel.base.settings import Settings

_GRACE = 10.0  # seconds between SIGTERM and SIGKILL


def stop(settings: Settings) -> int:
    """End every task, and wait until they have; return how many there were."""
    ids = unfinished_tasks(settings.data)
    if not ids:
        return 0
    with main.opened(settings) as (world, _, _):
        for task in ids:
            world.compute.stop(task, _GRACE)
    return len(ids)
