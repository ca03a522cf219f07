"""Search: the records of a kind, filtered by what their Describe shows."""

import hashlib
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.grammar.listing import invalid_token
from sagebrush.kernel.grammar.resource import Resource
from sagebrush.kernel.state.record import Body, Query, Record
from sagebrush.services.sagemaker.service import service

_KINDS = ("TrainingJob", "Endpoint")
"""The kinds that Search shows as Describe does."""

_PAGE = 500
_HYPERPARAMETERS = "HyperParameters."


@service.operation
def search(call: Call) -> Result:
    """Search the resources of one kind. Results carry what Describe shows, and the tags.

    SearchExpression's filters, nested filters and subexpressions are honoured, as are SortBy (a name of a member),
    SortOrder (default Descending) and paging.
    """
    params = call.params
    if params["Resource"] not in _KINDS:
        raise validation(f"Resource {params['Resource']} is not supported by this platform yet.")
    if params.get("CrossAccountFilterOption", "SameAccount") != "SameAccount":
        raise validation("CrossAccountFilterOption is not supported by this platform: there is one account.")
    if "VisibilityConditions" in params:
        raise validation("VisibilityConditions is not supported by this platform.")
    resource = service.resources[params["Resource"]]
    expression = params.get("SearchExpression", {})
    start = _start(params)
    found = [document for document in _documents(call, resource) if _matches(expression, document)]
    sort = params.get("SortBy", "LastModifiedTime")
    found.sort(key=lambda document: _order(_member(document, sort)), reverse=params.get("SortOrder") != "Ascending")
    end = start + params.get("MaxResults", 10)
    return {
        "Results": [{resource.kind: document} for document in found[start:end]],
        "NextToken": f"{_asked(params)}-{end}" if end < len(found) else None,
        "TotalHits": {"Value": len(found), "Relation": "EqualTo"},
    }


def _asked(params: Mapping[str, Any]) -> str:
    """Return what tells one search from another, so that a token is of use to its own alone."""
    asked = [params.get(name) for name in ("Resource", "SearchExpression", "SortBy", "SortOrder")]
    return hashlib.sha256(repr(asked).encode("utf-8", "replace")).hexdigest()[:16]


def _start(params: Mapping[str, Any]) -> int:
    if "NextToken" not in params:
        return 0
    match = re.fullmatch(r"([0-9a-f]{16})-([0-9]{1,18})", params["NextToken"])
    if match is None or match[1] != _asked(params):
        raise invalid_token()
    return int(match[2])


def _documents(call: Call, resource: Resource) -> Iterator[Body]:
    after: tuple[Any, int] | None = None
    while True:
        page = call.world.records.find(Query(resource.type, call.account, call.region, limit=_PAGE, after=after))
        for record in page.records:
            yield _document(call, resource, record)
        if page.next is None:
            return
        after = page.next


def _document(call: Call, resource: Resource, record: Record) -> Body:
    tags = call.world.records.tags(record.arn)
    document = resource.describe(record)
    return {**document, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _matches(expression: Mapping[str, Any], document: Body) -> bool:
    tests = [_passes(test, document) for test in expression.get("Filters", ())]
    tests += [_nested(nested, document) for nested in expression.get("NestedFilters", ())]
    tests += [_matches(inner, document) for inner in expression.get("SubExpressions", ())]
    return any(tests) if expression.get("Operator") == "Or" and tests else all(tests)


def _nested(nested: Mapping[str, Any], document: Body) -> bool:
    """Tell whether one element of a list passes all filters; their names start with the list's."""
    path = nested["NestedPropertyName"]
    elements = _member(document, path)
    if not isinstance(elements, list):
        return False
    filters = [{**test, "Name": test["Name"].removeprefix(f"{path}.")} for test in nested["Filters"]]
    return any(all(_passes(test, element) for test in filters) for element in elements)


_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "NotEquals": operator.ne,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_TEXTUAL: Mapping[str, Callable[[str, str], bool]] = {
    "Contains": lambda value, wanted: wanted.lower() in value.lower(),
    "In": lambda value, wanted: value in [word.strip() for word in wanted.split(",")],
}


def _passes(test: Mapping[str, Any], document: Body) -> bool:
    name, how = test["Name"], test.get("Operator", "Equals")
    value = _member(document, name)
    if how in ("Exists", "NotExists"):
        return (value is not None) is (how == "Exists")
    if "Value" not in test:
        raise validation(f"Operator {how} requires a Value.")
    wanted: str = test["Value"]
    if value is None:
        return bool(how == "NotEquals")
    if how in _TEXTUAL:
        return _TEXTUAL[how](_text(value), wanted)
    one, other = _hyperparameters(value, wanted) if name.startswith(_HYPERPARAMETERS) else _alike(value, wanted)
    if isinstance(one, str) and how not in ("Equals", "NotEquals"):
        if name.startswith(_HYPERPARAMETERS):
            return False
        raise validation(f"Operator {how} is not supported for the text property {name}.")
    return _COMPARED[how](one, other)


def _alike(value: Any, wanted: str) -> tuple[Any, Any]:
    """Return a member's value and the wanted one, as numbers where the value is a number or a time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _text(value), wanted
    number = _number(wanted)
    return value, _epoch(wanted) if number is None else number


def _hyperparameters(value: str, wanted: str) -> tuple[Any, Any]:
    """Return a hyperparameter and the wanted value, as numbers where both are; whole ones where the wanted one is.

    Source: Filter in the Amazon SageMaker API Reference.
    """
    one, other = _number(value), _number(wanted)
    if one is None or other is None:
        return value, wanted
    return (int(one), int(other)) if re.fullmatch(r"\s*[-+]?\d+\s*", wanted) else (one, other)


def _member(document: Any, name: str) -> Any:
    """Return the member of a dotted name; `Tags.k`, `Metrics.m` and hyperparameters are looked up by key."""
    head, _, rest = name.partition(".")
    if head == "Tags" and rest and isinstance(document, Mapping):
        return next((tag["Value"] for tag in document.get("Tags", ()) if tag["Key"] == rest), None)
    if head == "Metrics" and rest and isinstance(document, Mapping):
        metrics = document.get("FinalMetricDataList", ())
        return next((metric["Value"] for metric in metrics if metric["MetricName"] == rest), None)
    if not isinstance(document, Mapping):
        return None
    if name in document:
        return document[name]
    value = document.get(head)
    return _member(value, rest) if rest else value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _epoch(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset():
        raise validation(f"{text!r} is neither a number nor a UTC time.")
    return moment.replace(tzinfo=UTC).timestamp()


def _order(value: Any) -> tuple[int, Any]:
    """Make values of all types comparable: none first, then numbers, then texts."""
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, int | float) else (2, str(value))
