"""A platform seen from outside its process: where it answers, how to start and to end it.

The process that serves a data directory holds flock(2) on `<data>/lock`, which the kernel takes back at its end
however that came, and tells its address in `<data>/server.json` once it is ready.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click

from sagebrush.kernel.base.settings import Settings

_PATIENCE = 30.0  # seconds


@dataclass(frozen=True)
class Platform:
    """A platform that answers. `door` is the HTTPS proxy that stands in for `*.amazonaws.com`."""

    data: Path
    pid: int
    endpoint: str
    door: str
    version: str
    started: float
    account: str
    region: str

    @property
    def keys(self) -> tuple[str, str]:
        """The root access key id and its secret."""
        kept = json.loads((self.data / "credentials.json").read_bytes())
        return kept["AccessKeyId"], kept["SecretAccessKey"]


def serving(data: Path) -> bool:
    """Whether a process serves a data directory, or is about to."""
    try:
        with (data / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def find(settings: Settings) -> Platform | None:
    """Return the platform that answers on a data directory; None where none does, or not yet."""
    try:
        told: dict[str, Any] = json.loads((settings.data / "server.json").read_bytes())
    except FileNotFoundError:
        return None
    if not _alive(told["pid"]) or not serving(settings.data):  # left behind by one that was killed
        return None
    return Platform(settings.data, **told)


def running(settings: Settings) -> Platform:
    """Return the platform on a data directory, waiting for one that is starting. Ends the command where there is none."""
    until = time.monotonic() + _PATIENCE
    while (found := find(settings)) is None:
        if not serving(settings.data):
            message = (
                f"No platform runs on {settings.data}. Start one with `sagebrush up`, or name another with --data."
            )
            raise click.ClickException(message)
        if time.monotonic() > until:
            message = f"The platform on {settings.data} has not become ready in {_PATIENCE:.0f} s."
            raise click.ClickException(message)
        time.sleep(0.02)
    return found


def start(settings: Settings, *flags: str, **streams: Any) -> tuple[subprocess.Popen[str], str]:
    """Start `sagebrush up` with these settings in a session of its own; return it and its first line, `ready URL`.

    Ends the command where it ends before it is ready; it has said why on its standard error.
    """
    given = {f"SAGEBRUSH_{item.name.upper()}": str(getattr(settings, item.name)) for item in fields(settings)}
    command = [sys.executable, "-m", "sagebrush.cli.main", "up", *flags]
    process = subprocess.Popen(
        command, env=os.environ | given, stdout=subprocess.PIPE, text=True, start_new_session=True, **streams
    )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line.startswith("ready "):
        raise click.exceptions.Exit(process.wait() or 1)
    return process, line


@contextlib.contextmanager
def private(settings: Settings) -> Iterator[Platform]:
    """Have a platform of its own in a temporary directory while the block runs; it ends with its tasks in any case."""
    data = Path(tempfile.mkdtemp(prefix="sagebrush-"))
    quiet = os.environ.get("SAGEBRUSH_LOG_LEVEL", "warning")
    own = replace(settings, data=data, port=0, door_port=0, log_level=quiet)
    try:
        process, _ = start(own, "--stop-tasks", "--while-stdin", stdin=subprocess.PIPE)
        try:
            yield running(own)
        finally:
            process.terminate()
            process.communicate()
    finally:
        shutil.rmtree(data, ignore_errors=True)


def stop(pid: int) -> bool:
    """Ask a platform to end, and wait for it; tell whether it did in time."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        return bool(select.select([process], [], [], _PATIENCE)[0])
    finally:
        os.close(process)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True
