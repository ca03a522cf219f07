"""REST operations by method, path, query and headers: URI templates, compiled once per service.

Of the templates that fit a path, the one with the most fixed text wins. Operations that share a template are told apart by
the fixed parameters of its query and then by how many of their required parameters and headers are in the request:
`PUT /{Bucket}/{Key+}` is UploadPart with `partNumber` and `uploadId`, CopyObject with `x-amz-copy-source`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl, unquote

from botocore.model import OperationModel, ServiceModel, StructureShape

from sagebrush.kernel.wire.http import Headers
from sagebrush.kernel.wire.models import service_model
from sagebrush.kernel.wire.rest import query_values
from sagebrush.kernel.wire.scalars import MalformedError

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")
_LABEL_OR_TEXT = re.compile(r"(\{[^}]+\})")


@dataclass(frozen=True, slots=True)
class Choice:
    """One operation of those that share a template, and what a request to it must have."""

    operation: OperationModel
    labels: tuple[str, ...]
    literals: Mapping[str, str]
    parameters: frozenset[str]
    headers: frozenset[str]

    def fits(self, query: Mapping[str, list[str]]) -> bool:
        """Tell whether a query has the template's fixed parameters; `?uploads` is there with any value."""
        return all(name in query and (not value or value in query[name]) for name, value in self.literals.items())

    def rank(self, query: Mapping[str, list[str]], headers: Headers) -> tuple[int, bool, int, bool, bool]:
        """Return how well a request fits.

        An operation of whose required parameters some are there goes before one that requires none, so that a request
        that lacks the others is refused instead of taken for something else.
        """
        required = len(self.parameters) + len(self.headers)
        present = len(self.parameters & query.keys()) + sum(name in headers for name in self.headers)
        fresh = not self.operation.deprecated
        return len(self.literals), present > 0 or required == 0, present, present == required, fresh


@dataclass(frozen=True, slots=True)
class Template:
    """A path pattern, whose groups are the labels, and the operations that share it."""

    pattern: re.Pattern[str]
    choices: tuple[Choice, ...]


class Paths:
    """The templates of one service."""

    def __init__(self, model: ServiceModel) -> None:
        shared: dict[tuple[str, str], list[OperationModel]] = {}
        for name in model.operation_names:
            operation = model.operation_model(name)
            path = operation.http["requestUri"].partition("?")[0].rstrip("/")
            shared.setdefault((operation.http["method"], _LABEL.sub(r"{\2}", path)), []).append(operation)
        self._exact: dict[tuple[str, int], list[Template]] = {}
        self._greedy: dict[str, list[Template]] = {}
        for (method, outline), operations in sorted(shared.items(), key=lambda item: _order(item[0][1])):
            template = _template(operations)
            if "{+}" in outline:
                self._greedy.setdefault(method, []).append(template)
            else:
                self._exact.setdefault((method, outline.count("/")), []).append(template)

    def match(
        self, method: str, path: str, query: str, headers: Headers
    ) -> tuple[OperationModel, dict[str, str]] | None:
        """Return the operation and the decoded labels of a request, or None where no template fits.

        Raises MalformedError for escapes that are not UTF-8.
        """
        for template in self._candidates(method, path):
            found = template.pattern.fullmatch(path)
            if found is None:
                continue
            given = query_values(query)
            choices = [choice for choice in template.choices if choice.fits(given)]
            if not choices:
                continue
            best = choices[0] if len(choices) == 1 else max(choices, key=lambda choice: choice.rank(given, headers))
            return best.operation, _decoded(best, found)
        return None

    def _candidates(self, method: str, path: str) -> Iterator[Template]:
        yield from self._exact.get((method, path.rstrip("/").count("/")), ())
        yield from self._greedy.get(method, ())


@cache
def paths_of(service: str) -> Paths:
    """Return a service's templates."""
    return Paths(service_model(service))


def _order(outline: str) -> tuple[int, list[bool]]:
    """Return where a template comes among those to try: the more and the earlier text is fixed, the earlier."""
    labels = [segment.startswith("{") for segment in outline.split("/")]
    return -labels.count(False), labels


def _template(operations: list[OperationModel]) -> Template:
    path = operations[0].http["requestUri"].partition("?")[0].rstrip("/")
    pattern = "".join(_fragment(part) for part in _LABEL_OR_TEXT.split(path))
    return Template(
        re.compile(pattern if path.endswith("+}") else f"{pattern}/?", re.DOTALL), tuple(map(_choice, operations))
    )


def _fragment(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    return "(.+)" if part.endswith("+}") else "([^/]+)"


def _choice(operation: OperationModel) -> Choice:
    path, _, query = operation.http["requestUri"].partition("?")
    return Choice(
        operation,
        tuple(name for name, _ in _LABEL.findall(path)),
        dict(parse_qsl(query, keep_blank_values=True)),
        _required(operation.input_shape, "querystring"),
        _required(operation.input_shape, "header"),
    )


def _required(shape: object, location: str) -> frozenset[str]:
    if not isinstance(shape, StructureShape):
        return frozenset()
    members = [(name, shape.members[name]) for name in shape.required_members]
    return frozenset(
        each.serialization.get("name", name) for name, each in members if each.serialization.get("location") == location
    )


def _decoded(choice: Choice, found: re.Match[str]) -> dict[str, str]:
    try:
        return {name: unquote(text, errors="strict") for name, text in zip(choice.labels, found.groups(), strict=True)}
    except UnicodeDecodeError as error:
        raise MalformedError("Couldn't parse the specified URI.", "uri") from error
