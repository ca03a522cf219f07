"""The part of JSONPath that a transform job's filters are written in.

`$`, `.name`, `['a','b']`, `.*` and `[*]`, `[1]`, `[-1]`, `[0,3]`, `[2:5]`, `[:5]`, `[2:]`.
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_][\w-]*)
      | (?:\.\*|\[\*\])(?P<all>)
      | \[\s*(?P<names>'[^']*'(?:\s*,\s*'[^']*')*)\s*\]
      | \[\s*(?P<numbers>-?\d+(?:\s*,\s*-?\d+)*)\s*\]
      | \[\s*(?P<start>-?\d+)?\s*:\s*(?P<end>-?\d+)?\s*\]""",
    re.VERBOSE,
)


class PathError(ValueError):
    """A path that is not JSONPath, or that leads nowhere in a document."""


@dataclass(frozen=True)
class Step:
    """One step of a path: from a value to values. `one`: to exactly one."""

    take: Callable[[Any], list[Any]]
    one: bool


@dataclass(frozen=True)
class Path:
    """A path, ready to be followed."""

    text: str
    steps: tuple[Step, ...]

    def __call__(self, document: Any) -> Any:
        """Return what the path leads to: one value, or the list of all where a step may lead to several.

        Raises PathError where a name or an index does not exist.
        """
        values = [document]
        try:
            for step in self.steps:
                values = [found for value in values for found in step.take(value)]
        except (KeyError, IndexError, TypeError) as error:
            raise PathError(f"{self.text} leads nowhere in a record: {error}") from error
        return values[0] if all(step.one for step in self.steps) else values


def parse(text: str) -> Path:
    """Read a path. Raises PathError."""
    if not text.startswith("$"):
        raise PathError(f"{text!r} is not a JSONPath: it starts with $")
    steps, place = [], 1
    while place < len(text):
        if not (match := _STEP.match(text, place)):
            raise PathError(f"{text!r} is not a JSONPath that is supported here: {text[place:]!r}")
        place = match.end()
        steps.append(_step(match, last=place == len(text)))
    return Path(text, tuple(steps))


def _step(match: re.Match[str], *, last: bool) -> Step:
    found = match.groupdict()
    if found["name"] is not None:
        return Step(_named(found["name"]), one=True)
    if found["names"] is not None:
        return _names(re.findall(r"'([^']*)'", found["names"]), last=last)
    if found["numbers"] is not None:
        numbers = [int(word) for word in found["numbers"].split(",")]
        return Step(lambda value: [_list(value)[number] for number in numbers], one=len(numbers) == 1)
    if found["all"] is not None:
        return Step(lambda value: list(value.values()) if isinstance(value, dict) else list(_list(value)), one=False)
    start, end = (int(word) if word else None for word in (found["start"], found["end"]))
    return Step(lambda value: _list(value)[start:end], one=False)


def _names(names: list[str], *, last: bool) -> Step:
    """Return a choice of members: at a path's end an object of them, before it each by itself."""
    if len(names) == 1:
        return Step(_named(names[0]), one=True)
    if last:
        return Step(lambda value: [{name: _table(value)[name] for name in names}], one=True)
    return Step(lambda value: [_table(value)[name] for name in names], one=False)


def _named(name: str) -> Callable[[Any], list[Any]]:
    return lambda value: [_table(value)[name]]


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a name was asked of something that is not an object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("an index was asked of something that is not an array")
    return value
