"""`sagebrush explain`."""

import difflib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.model import ServiceModel

import sagebrush
from sagebrush.kernel.grammar.resource import Resource
from sagebrush.kernel.grammar.service import Services
from sagebrush.kernel.wire.models import service_model
from sagebrush.services.catalogue import all_services

_ROOT = Path(sagebrush.__file__).parents[2]
_HOOKS = {"_check": "checked by", "drive": "driven by", "_view": "shown by", "_remove": "deletion by"}


@click.command("explain", help="Tell what serves an operation: explain sagemaker CreateTrainingJob.")
@click.argument("service")
@click.argument("operation")
def command(service: str, operation: str) -> None:
    """Print it, a line for each thing to look at."""
    model = _model(service)
    name = _closest(operation, model.operation_names, f"operation of {service}")
    click.echo(f"{service} {name}")
    for what, which, where in explain(Services(all_services()), service, name):
        click.echo(f"  {what:<12} {which:<28} {where}".rstrip())


def explain(services: Services, service: str, operation: str) -> Iterator[tuple[str, str, str]]:
    """Yield what serves an operation as (what, its name, file:line), the answering function first."""
    found = services.operation(service, xform_name(operation))
    if found is None:
        yield "not served", "answers 501 NotImplemented", ""
        return
    resource = getattr(found.handler, "__self__", None)
    if not isinstance(resource, Resource):
        yield "served by", found.handler.__name__, _place(found.handler)
        return
    yield "rule", found.handler.__qualname__, _place(found.handler)
    yield "declared", resource.kind, _declaration(resource)
    for attribute, what in _HOOKS.items():
        hook = vars(resource).get(attribute)
        if hook is not None and hook.__module__ != Resource.__module__:
            yield what, hook.__name__, _place(hook)


def _model(service: str) -> ServiceModel:
    try:
        return service_model(service)
    except UnknownServiceError as error:
        message = f"botocore knows no service {service!r}{_meant(service, [each.name for each in all_services()])}"
        raise click.ClickException(message) from error


def _closest(asked: str, names: Iterable[str], what: str) -> str:
    """Return the name however it is spelled: CreateModel, create_model, create-model."""
    known = {name.lower(): name for name in names}
    plain = re.sub("[-_]", "", asked).lower()
    if plain not in known:
        message = f"There is no {what} named {asked!r}{_meant(asked, known.values())}"
        raise click.ClickException(message)
    return known[plain]


def _meant(asked: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(asked, list(names), n=3)
    return f"; is it {' or '.join(near)}?" if near else "."


def _place(function: Callable[..., Any]) -> str:
    plain = inspect.unwrap(function)
    return f"{_relative(inspect.getsourcefile(plain))}:{inspect.getsourcelines(plain)[1]}"


def _declaration(resource: Resource) -> str:
    """Return where a service's module binds the resource."""
    for name, module in sorted(sys.modules.items()):
        if not name.startswith("sagebrush.services."):
            continue
        bound = next((bound for bound, value in vars(module).items() if value is resource), None)
        lines = inspect.getsource(module).splitlines() if bound else []
        for number, line in enumerate(lines, 1):
            if line.startswith(f"{bound} = "):
                return f"{_relative(module.__file__)}:{number}"
    return ""


def _relative(path: str | None) -> str:
    found = Path(path or "")
    return str(found.relative_to(_ROOT) if found.is_relative_to(_ROOT) else found)
