"""`sagebrush env`."""

import json
import os
import shlex

import click

from sagebrush.cli import environment, options, platform


@click.command("env", help='Print the variables that point AWS clients at the platform: eval "$(sagebrush env)".')
@options.settings("data")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@click.option(
    "--door", is_flag=True, help="With the proxy that `sagebrush run` uses, for clients that fix their endpoint."
)
def command(data: str | None, as_json: bool, door: bool) -> None:
    """Print the variables."""
    found = platform.running(options.read(data=data))
    variables = environment.plain(found, os.environ) | (environment.door(found, os.environ) if door else {})
    if as_json:
        click.echo(json.dumps(variables, indent=2))
        return
    click.echo("unset " + " ".join(environment.foreign(os.environ)))
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
