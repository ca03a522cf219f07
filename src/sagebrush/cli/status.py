"""`sagebrush status`."""

import json
import sys
import time
import urllib.request
from dataclasses import asdict
from urllib.error import URLError

import click

from sagebrush.cli import options, platform, tasks
from sagebrush.cli.platform import Platform

_STOPPED = 3  # what `systemctl status` exits with where a unit does not run


@click.command(
    "status", help="Tell whether the platform runs, where, and what it is doing; exits with 3 where it does not."
)
@options.settings("data")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
def command(data: str | None, as_json: bool) -> None:
    """Print it."""
    settings = options.read(data=data)
    found = platform.find(settings)
    state = _health(found) if found else "starting" if platform.serving(settings.data) else "stopped"
    running = [place.id for place in tasks.unfinished(settings.data)]
    if as_json:
        about = {key: str(value) if key == "data" else value for key, value in asdict(found).items()} if found else {}
        click.echo(json.dumps({"status": state, "data": str(settings.data), "tasks": running} | about, indent=2))
    else:
        click.echo(f"status    {state}")
        for line in _about(found) if found else ():
            click.echo(line)
        click.echo(f"data      {settings.data}")
        click.echo(f"tasks     {len(running)} running or waiting")
        for task in running:
            click.echo(f"          {task}")
    sys.exit(_STOPPED if state == "stopped" else 0)


def _about(found: Platform) -> list[str]:
    up = time.time() - found.started
    return [
        f"endpoint  {found.endpoint}",
        f"door      {found.door}",
        f"process   {found.pid}, version {found.version}, for {int(up // 3600)}:{int(up // 60 % 60):02}:{int(up % 60):02}",
        f"account   {found.account} in {found.region}",
    ]


def _health(found: Platform) -> str:
    """Return what the platform says of itself: `ready`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{found.endpoint}/_sagebrush/health", timeout=5) as answer:
            return str(json.load(answer)["status"])
    except (URLError, TimeoutError) as error:
        return f"does not answer ({error})"
