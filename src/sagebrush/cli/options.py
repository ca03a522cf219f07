"""The flags that commands share, made from the fields of `Settings`: a new setting is a flag with no code here."""

import os
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any, TypeVar

import click

from sagebrush.kernel.base.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_FIELDS = {item.name: item for item in fields(Settings)}


def settings(*names: str) -> Callable[[Command], Command]:
    """Give a command the flags of these settings; of all of them where none is named."""

    def decorate(command: Command) -> Command:
        for name in reversed(names or tuple(_FIELDS)):
            command = _option(_FIELDS[name])(command)
        return command

    return decorate


def read(**given: Any) -> Settings:
    """Return the settings from flags, environment and defaults, or end with what is wrong with them."""
    try:
        return Settings.read(os.environ, **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _option(item: Field[Any]) -> Callable[[Command], Command]:
    flag = "--" + item.name.replace("_", "-")
    metavar = {"data": "DIR", "cache": "DIR"}.get(item.name, "N" if item.type in (int, "int") else "TEXT")
    shown = f"{item.metadata['help'][0].upper()}{item.metadata['help'][1:]}.  [${f'SAGEBRUSH_{item.name.upper()}'}]"
    return click.option(flag, item.name, type=str, metavar=metavar, help=shown)
