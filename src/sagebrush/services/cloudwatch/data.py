"""GetMetricData: many metrics in one call."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.signals.metrics import Metric, is_statistic
from sagebrush.kernel.signals.pages import seal, unseal
from sagebrush.kernel.signals.statistics import BASIC
from sagebrush.services.cloudwatch.service import check_period, dimensions, failed, required, service, times

_QUERIES, _DATAPOINTS = 500, 100_800
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*", re.ASCII)


class Query(NamedTuple):
    """One MetricDataQuery that returns data."""

    id: str
    label: str | None
    metric: Metric
    period: int
    stat: str
    unit: str | None


@service.operation
def get_metric_data(call: Call) -> Result:
    """Return the values of up to 500 metric statistics; metric math and Metrics Insights are refused by name.

    A page holds `MaxDatapoints` values. A result that goes on has the status PartialData until its last page.
    """
    asked = call.params
    queries = _queries(call)
    start, end = times(asked["StartTime"], asked["EndTime"])
    left: int = asked.get("MaxDatapoints", _DATAPOINTS)
    if not 1 <= left <= _DATAPOINTS:
        raise failed(f"The parameter MaxDatapoints must be between 1 and {_DATAPOINTS}.")
    newest_first = asked.get("ScanBy") != "TimestampAscending"
    first, after = _place(call)
    results: list[Result] = []
    following: tuple[int, int | None] | None = None
    for number, query in enumerate(queries[first:], first):
        if not left:
            following = (number, None)
            break
        points, units = _points(call, query, start, end)
        points.sort(reverse=newest_first)
        if after is not None and number == first:
            points = [point for point in points if (point[0] < after if newest_first else point[0] > after)]
        shown = points[:left]
        left -= len(shown)
        more = len(points) > len(shown)
        results.append(_result(query, queries, shown, units, more=more))
        if more:
            following = (number, shown[-1][0])
            break
    token = seal(call.operation.name, asked, following) if following else None
    return {"MetricDataResults": results, "Messages": [], "NextToken": token}


def _queries(call: Call) -> list[Query]:
    """Return the queries that return data. Raises what AWS raises for those that cannot be answered."""
    listed = call.params["MetricDataQueries"]
    if len(listed) > _QUERIES:
        raise failed(f"The collection MetricDataQueries must not have a size greater than {_QUERIES}.")
    if len({query["Id"] for query in listed}) < len(listed):
        raise failed("The values for parameter id in MetricDataQueries are not unique.")
    found = []
    for number, query in enumerate(listed, 1):
        read = _query(call, query, f"MetricDataQueries.member.{number}")
        if query.get("ReturnData", True):
            found.append(read)
    return found


def _query(call: Call, query: dict[str, Any], path: str) -> Query:
    name: str = query["Id"]
    if not _ID.fullmatch(name):
        raise failed(f"The value {name} for parameter {path}.Id is not matching the expected pattern ^{_ID.pattern}$.")
    if "Expression" in query:
        raise failed(f"Expression of query {name}: metric math and queries are not supported by this platform.")
    if query.get("AccountId", call.account) != call.account:
        raise failed(f"AccountId of query {name}: metrics of other accounts are not supported by this platform.")
    if "${" in query.get("Label", ""):
        raise failed(f"Label of query {name}: dynamic labels are not supported by this platform.")
    if "MetricStat" not in query:
        raise required(f"{path}.MetricStat")
    wanted = query["MetricStat"]
    path = f"{path}.MetricStat"
    for member in ("Namespace", "MetricName"):
        if member not in wanted["Metric"]:
            raise required(f"{path}.Metric.{member}")
    check_period(wanted["Period"], f"{path}.Period")
    if not is_statistic(wanted["Stat"]):
        raise failed(f"The value {wanted['Stat']} for parameter {path}.Stat is not supported.")
    of = dimensions(wanted["Metric"].get("Dimensions", ()), f"{path}.Metric.Dimensions")
    metric = Metric(call.account, call.region, wanted["Metric"]["Namespace"], wanted["Metric"]["MetricName"], of)
    return Query(name, query.get("Label"), metric, wanted["Period"], wanted["Stat"], wanted.get("Unit"))


def _place(call: Call) -> tuple[int, int | None]:
    """Return where the page starts: in which query, after which time in the order of the answer."""
    token = call.params.get("NextToken")
    if token is None:
        return 0, None
    try:
        number, after = unseal(call.operation.name, call.params, token)
    except ValueError:
        raise AwsError("InvalidNextToken", "The next token specified is invalid.") from None
    return number, after


def _points(call: Call, query: Query, start: float, end: float) -> tuple[list[tuple[int, float]], list[str]]:
    """Return (time, value) pairs, and the units of the data; of several, the first by name is the one returned."""
    store = call.world.metrics
    span = store.span(start, end, query.period)
    found = store.statistics(query.metric, span, unit=query.unit, extended=query.stat not in BASIC)
    units = sorted({point.unit for point in found})
    values = [(point.time, point.statistic(query.stat)) for point in found if point.unit == units[0]]
    return [(time, value) for time, value in values if value is not None], units


def _result(
    query: Query, queries: Sequence[Query], shown: Sequence[tuple[int, float]], units: list[str], *, more: bool
) -> Result:
    """Return a MetricDataResult. Results of one metric are told apart by their statistic, where no label is given."""
    stats = {other.stat for other in queries if other.metric.name == query.metric.name}
    label = f"{query.metric.name} {query.stat}" if len(stats) > 1 else query.metric.name
    message = {"Code": "MultipleUnits", "Value": f"Multiple units returned: '[{', '.join(units)}]'"}
    return {
        "Id": query.id,
        "Label": query.label or label,
        "Timestamps": [time for time, _ in shown],
        "Values": [value for _, value in shown],
        "StatusCode": "PartialData" if more else "Complete",
        "Messages": [message] if len(units) > 1 else None,
    }
