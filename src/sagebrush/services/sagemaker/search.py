"""Search: the records of a kind, filtered by what their Describe shows."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.grammar.resource import Resource
from sagebrush.kernel.state.record import Body, Query, Record
from sagebrush.services.sagemaker.service import service

_PAGE = 500


@service.operation
def search(call: Call) -> Result:
    """Search the resources of one kind. Results carry what Describe shows, and the tags.

    SearchExpression's filters, nested filters and subexpressions are honoured, as are SortBy (a name of a member),
    SortOrder (default Descending) and paging.
    """
    params = call.params
    resource = service.resources.get(params["Resource"])
    if resource is None:
        raise validation(f"Resource {params['Resource']} is not supported by this platform yet.")
    if "CrossAccountFilterOption" in params and params["CrossAccountFilterOption"] != "SameAccount":
        raise validation("CrossAccountFilterOption is not supported by this platform: there is one account.")
    if "VisibilityConditions" in params:
        raise validation("VisibilityConditions is not supported by this platform.")
    expression = params.get("SearchExpression", {})
    found = [document for document in _documents(call, resource) if _matches(expression, document)]
    sort = params.get("SortBy", "LastModifiedTime")
    found.sort(key=lambda document: _order(_member(document, sort)), reverse=params.get("SortOrder") != "Ascending")
    start = _start(params.get("NextToken"))
    end = start + params.get("MaxResults", 10)
    return {
        "Results": [{resource.kind: document} for document in found[start:end]],
        "NextToken": str(end) if end < len(found) else None,
        "TotalHits": {"Value": len(found), "Relation": "EqualTo"},
    }


def _start(token: str | None) -> int:
    if token is not None and re.fullmatch(r"\d{1,18}", token, re.ASCII) is None:
        raise validation("Invalid NextToken.")
    return int(token or 0)


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


def _passes(test: Mapping[str, Any], document: Body) -> bool:
    operator = test.get("Operator", "Equals")
    value = _member(document, test["Name"])
    if operator in ("Exists", "NotExists"):
        return (value is not None) is (operator == "Exists")
    if "Value" not in test:
        raise validation(f"Operator {operator} requires a Value.")
    wanted: str = test["Value"]
    if value is None:
        return bool(operator == "NotEquals")
    if operator in _ORDERED:
        return _ORDERED[operator](_order(value), _order(_like(wanted, value)))
    return _TEXTUAL[operator](_text(value), wanted)


_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": lambda value, wanted: value > wanted,
    "GreaterThanOrEqualTo": lambda value, wanted: value >= wanted,
    "LessThan": lambda value, wanted: value < wanted,
    "LessThanOrEqualTo": lambda value, wanted: value <= wanted,
}
_TEXTUAL: Mapping[str, Callable[[str, str], bool]] = {
    "Equals": lambda value, wanted: value == wanted,
    "NotEquals": lambda value, wanted: value != wanted,
    "Contains": lambda value, wanted: wanted.lower() in value.lower(),
    "In": lambda value, wanted: value in wanted.split(","),
}


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


def _like(wanted: str, value: Any) -> Any:
    """Read the wanted text as a number or a time where the value is one."""
    if not isinstance(value, int | float):
        return wanted
    try:
        return float(wanted)
    except ValueError:
        return _epoch(wanted)


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
