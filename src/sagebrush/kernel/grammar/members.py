"""Paths into an AWS document: `InputDataConfig[].ShuffleConfig`."""

from collections.abc import Iterator, Mapping
from typing import Any

from sagebrush.kernel.base.errors import validation


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


def paths_with(document: Any, character: str, path: str = "") -> Iterator[str]:
    """Yield the path of every text in a document, keys among them, that has a character."""
    if isinstance(document, str):
        if character in document:
            yield path
    elif isinstance(document, Mapping):
        for key, value in document.items():
            if character in key:
                yield f"A key of {path}"
            yield from paths_with(value, character, f"{path}.{key}" if path else key)
    elif isinstance(document, list):
        for value in document:
            yield from paths_with(value, character, f"{path}[]")


def tags_in(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that a request gives, by key. Raises ValidationException for a key of AWS's own."""
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}
    if any(key.lower().startswith("aws:") for key in tags):
        raise validation("aws: prefixed tag key names are not allowed for external use.")
    return tags
