"""`sagebrush up`."""

import errno
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import click

from sagebrush import main
from sagebrush.cli import options, platform, tasks
from sagebrush.kernel.base.settings import Settings


@click.command("up", help="Start the platform; print `ready URL` once it answers. Ctrl-C stops it.")
@options.settings()
@click.option("--detach", is_flag=True, help="Return once it answers; its log is DATA/server.log.")
@click.option("--stop-tasks", is_flag=True, help="When it stops, end the running tasks too; otherwise they go on.")
@click.option("--while-stdin", is_flag=True, hidden=True)
def command(detach: bool, stop_tasks: bool, while_stdin: bool, **given: Any) -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = options.read(**given)
    if detach:
        _detach(settings)
        return
    if while_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        main.run(settings, lambda address: click.echo(f"ready {address.endpoint}"))
    except main.AlreadyRunningError as error:
        raise click.ClickException(_already(settings)) from error
    except OSError as error:
        raise click.ClickException(_unusable(error, settings)) from error
    if stop_tasks:
        tasks.stop(settings.data)


def _detach(settings: Settings) -> None:
    if platform.serving(settings.data):
        raise click.ClickException(_already(settings))
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = settings.data / "server.log"
    with log.open("ab") as out:
        try:
            process, line = platform.start(settings, stdin=subprocess.DEVNULL, stderr=out)
        except click.exceptions.Exit as error:
            message = f"It did not start; {log} says why:\n{_last_line(log)}"
            raise click.ClickException(message) from error
    click.echo(line)
    process.returncode = 0  # it goes on by itself; nobody here waits for it


def _last_line(log: Path) -> str:
    return log.read_text(errors="replace").strip().rpartition("\n")[2]


def _already(settings: Settings) -> str:
    found = platform.find(settings)
    at = f" at {found.endpoint} (process {found.pid})" if found else ""
    return (
        f"A platform runs on {settings.data} already{at}. Use it, stop it with `sagebrush down`, "
        "or give this one a directory of its own with --data DIR."
    )


def _unusable(error: OSError, settings: Settings) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {settings.port} of {settings.host} is in use by another program. "
            "Give another with --port N; --port 0 takes a free one."
        )
    if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES) and error.filename is None:
        return f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. Change --host or --port."
    return f"{error}. Everything is kept below {settings.data}: give a directory of your own with --data DIR."


def _end_with_stdin() -> None:
    """End this platform when whoever started it is gone: the pipe on standard input then reads as closed."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
