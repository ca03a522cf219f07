"""Paths into an AWS document: `InputDataConfig[].ShuffleConfig`."""

from collections.abc import Iterator, Mapping
from typing import Any


def each(document: Any, path: str) -> Iterator[Any]:
    """Yield every value that `path` leads to; `[]` after a name goes through the elements of a list."""
    head, _, rest = path.partition(".")
    name = head.removesuffix("[]")
    value = document.get(name) if isinstance(document, Mapping) else None
    if value is None:
        return
    for element in value if head.endswith("[]") else (value,):
        if rest:
            yield from each(element, rest)
        else:
            yield element
