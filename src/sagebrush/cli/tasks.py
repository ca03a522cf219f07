"""The tasks of a data directory, seen from its files alone: they outlive the platform that started them."""

import os
import select
import signal
import time
from pathlib import Path

from sagebrush.kernel.compute.place import Place

_GRACE = 10.0  # seconds between SIGTERM and SIGKILL
_PACKING = 20.0  # seconds more for what a stopped task still packs


def unfinished(data: Path) -> list[Place]:
    """Return the tasks that have not ended, by id."""
    places = (Place(spec.parent) for spec in sorted((data / "tasks").glob("[!.]*/task.json")))
    return [place for place in places if place.exit() is None]


def stop(data: Path) -> int:
    """End every task of a data directory whose platform is down, and wait for it; return how many there were."""
    places = unfinished(data)
    runners = [runner for place in places if (runner := _asked_to_stop(place)) is not None]
    until = time.monotonic() + _GRACE + _PACKING
    for runner in runners:
        if not select.select([runner], [], [], max(0.0, until - time.monotonic()))[0]:
            signal.pidfd_send_signal(runner, signal.SIGKILL)
        os.close(runner)
    return len(places)


def _asked_to_stop(place: Place) -> int | None:
    """Have a task end; return a pidfd of its runner, or None where it has none and so has ended."""
    place.wish_stop(_GRACE)
    pid = place.runner()
    if pid is not None:
        try:
            runner = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        signal.pidfd_send_signal(runner, signal.SIGTERM)
        return runner
    place.end("stop", "Stopped while it waited for its turn.", 128 + signal.SIGTERM)
    return None
