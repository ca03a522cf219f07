"""`sagebrush run`: a command that believes it talks to AWS."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

import click

from sagebrush.cli import environment, options, platform
from sagebrush.cli.platform import Platform
from sagebrush.kernel.base.settings import Settings

_HELP = """Run a command against the platform, with no edit to it.

Uses the platform of the data directory where one runs; otherwise starts one of its own for as long as the command
takes. The command's exit status is passed on.
"""


@click.command("run", help=_HELP, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@options.settings("data")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def command(data: str | None, argv: tuple[str, ...]) -> None:
    """Run the command."""
    sys.exit(execute(options.read(data=data), argv))


def execute(settings: Settings, argv: Sequence[str]) -> int:
    """Run a command against the platform of the settings' data directory, or a private one; return its exit status."""
    if platform.serving(settings.data):
        return _run(platform.running(settings), argv)
    with platform.private(settings) as own:
        return _run(own, argv)


def surroundings(found: Platform) -> dict[str, str]:
    """Return the whole environment of a command that is to talk to a platform."""
    hidden = environment.foreign(os.environ)
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | environment.plain(found, kept) | environment.door(found, kept)


def _run(found: Platform, argv: Sequence[str]) -> int:
    try:
        process = subprocess.Popen(argv, env=surroundings(found))
    except FileNotFoundError:
        click.echo(f"sagebrush run: there is no command {argv[0]!r}", err=True)
        return 127
    except PermissionError:
        click.echo(f"sagebrush run: {argv[0]!r} cannot be executed", err=True)
        return 126

    def forward(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and os.isatty(0):
            return  # the terminal has told the whole process group
        process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    status = process.wait()
    return status if status >= 0 else 128 - status
