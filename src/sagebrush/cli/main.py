"""The `sagebrush` command. Each subcommand is a file of its own, imported when it is called, so that all start fast."""

from importlib import import_module

import click

from sagebrush import __version__

COMMANDS = {
    "up": "Start the platform; print `ready URL` once it answers.",
    "down": "Stop the platform.",
    "status": "Tell whether the platform runs, where, and what it is doing.",
    "env": "Print the variables that point AWS clients at the platform.",
    "run": "Run a command against the platform, with no edit to it.",
    "demo": "Train, deploy and use a model on real data, through the real SDK.",
    "images": "List the images, or build their environments ahead.",
    "explain": "Tell what serves an operation: a function, a rule, or nothing.",
}


class Commands(click.Group):
    """The subcommands by name, each `command` of the module of that name beside this one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Return the subcommand of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"sagebrush.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands)
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Run the AWS machine-learning stack on your own machine."""


if __name__ == "__main__":
    main()
