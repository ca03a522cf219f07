"""`sagebrush down`."""

import click

from sagebrush.cli import options, platform, tasks


@click.command("down", help="Stop the platform. Tasks that run go on, unless told otherwise.")
@options.settings("data")
@click.option("--stop-tasks", is_flag=True, help="End the running tasks as well.")
def command(data: str | None, stop_tasks: bool) -> None:
    """Stop the platform."""
    settings = options.read(data=data)
    if platform.serving(settings.data):
        pid = platform.running(settings).pid
        if not platform.stop(pid):
            message = f"Process {pid} is still stopping. `kill -9 {pid}` is safe: what was acknowledged is on disk."
            raise click.ClickException(message)
        click.echo("stopped")
    else:
        click.echo(f"no platform runs on {settings.data}")
    if stop_tasks:
        click.echo(f"tasks ended: {tasks.stop(settings.data)}")
