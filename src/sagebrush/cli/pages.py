"""The generated pages of the documentation: `python -m sagebrush.cli.pages` writes them anew."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import sagebrush
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.compute.images import Image, Images
from sagebrush.kernel.grammar.resource import Resource
from sagebrush.kernel.grammar.service import Service
from sagebrush.kernel.wire.models import service_model
from sagebrush.services.catalogue import all_services

FOLDER = Path(sagebrush.__file__).parents[2] / "docs" / "generated"

_NOTE = "<!-- Written by `python -m sagebrush.cli.pages`; a test compares. -->"
_PLACES = ("XDG_DATA_HOME", "XDG_CACHE_HOME")


def pages() -> dict[str, str]:
    """Return the text of every generated page, by file name."""
    return {
        "settings.md": _page("Settings", _settings()),
        "operations.md": _page("Operations", _operations(all_services())),
        "images.md": _page("Images", _images(Images(Path()).list())),
    }


def main() -> None:
    """Write the pages, as they are where no variable says otherwise."""
    for variable in _PLACES:
        os.environ.pop(variable, None)
    for name, text in pages().items():
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text, "utf-8")
        print(FOLDER / name, file=sys.stderr)


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", _NOTE, "", *lines]) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table's lines; none where it has no rows."""
    if not rows:
        return
    for row in (heads, ["---"] * len(heads), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _settings() -> Iterator[str]:
    yield "Flags of the command line come first, then the environment, then the defaults."
    yield ""
    rows = [(f"`SAGEBRUSH_{item.name.upper()}`", _default(item), item.metadata["help"]) for item in fields(Settings)]
    yield from _table(("variable", "default", "meaning"), rows)


def _default(item: Field[Any]) -> str:
    value = item.default_factory() if item.default_factory is not MISSING else item.default
    shown = str(value).replace(str(Path.home()), "~")
    return f"`{shown}`" if shown else "none"


def _operations(services: Sequence[Service]) -> Iterator[str]:
    yield "What is real does the work. What is not answers `501 NotImplemented` and names itself."
    yield ""
    names = {service.name: list(service_model(service.name).operation_names) for service in services}
    counts = [(service.name, len(service.methods()), len(names[service.name])) for service in services]
    rows = [(f"[{name}](#{name})", str(real), str(whole - real)) for name, real, whole in counts]
    whole = ("together", str(sum(real for _, real, _ in counts)), str(sum(of - real for _, real, of in counts)))
    yield from _table(("service", "real", "refused with 501"), [*rows, whole])
    for service in services:
        real = _real(service)
        yield f"## {service.name}"
        yield ""
        yield from ("Real:", "", *(f"- `{name}`" for name in real), "")
        yield from _members(service)
        if refused := sorted(set(names[service.name]) - set(real)):
            yield f"<details><summary>Refused with 501: {len(refused)}</summary>"
            yield from ("", _listed(refused), "", "</details>", "")


def _real(service: Service) -> list[str]:
    """Return the names of the operations that a service has, as AWS spells them."""
    found = (service.find(method) for method in service.methods())
    return sorted(operation.name for operation in found if operation is not None)


def _members(service: Service) -> Iterator[str]:
    """Yield what becomes of members that this platform does not act on."""
    resources = [service.resources[kind] for kind in sorted(service.resources)]
    if recorded := [resource for resource in resources if resource.recorded]:
        yield "Recorded and returned, with no further effect:"
        yield ""
        yield from (f"- {_create(resource)}: {_listed(sorted(resource.recorded))}" for resource in recorded)
        yield ""
    rows = [(_create(each), f"`{name}`", why) for each in resources for name, why in sorted(each.refuses.items())]
    if rows:
        yield from ("Refused by name, with a `ValidationException`:", "")
        yield from _table(("operation", "member", "reason"), rows)


def _create(resource: Resource) -> str:
    return f"`Create{resource.kind}`"


def _images(images: Sequence[Image]) -> Iterator[str]:
    yield "What stands behind an image URI. Account and region of the URI do not matter; `*` stands for any text."
    yield ""
    for image in images:
        yield f"## {image.name}"
        yield ""
        yield f"{image.description} (Python {image.python})"
        yield ""
        repositories = [(f"`{name}`", _listed(tags)) for name, tags in sorted(image.repositories.items())]
        yield from _table(("repository", "tags"), repositories)
        entries = [(f"`{name}`", f"`{' '.join(words)}`") for name, words in sorted(image.entry.items())]
        yield from _table(("entry", "command"), entries)
        if image.requirements:
            yield f"Requirements: {_listed(sorted(image.requirements))}"
            yield ""


if __name__ == "__main__":
    main()
