"""GetMetricStatistics."""

from collections.abc import Mapping
from typing import Any

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.signals.metrics import Datapoint, Metric
from sagebrush.kernel.signals.statistics import parse
from sagebrush.services.cloudwatch.service import check_period, dimensions, invalid, service, times, unsuitable

_DATAPOINTS = 1440


@service.operation
def get_metric_statistics(call: Call) -> Result:
    """Return a metric's statistics, a datapoint for each period and unit that has data."""
    asked = call.params
    start, end = times(asked["StartTime"], asked["EndTime"])
    period: int = asked["Period"]
    check_period(period, "Period")
    basic, extended = _statistics(asked)
    if (count := int((end - start) // period)) > _DATAPOINTS:
        raise unsuitable(
            f"You have requested up to {count} datapoints, which exceeds the limit of {_DATAPOINTS}. You may reduce"
            " the datapoints requested by increasing Period, or decreasing the time range."
        )
    store = call.world.metrics
    metric = Metric(
        call.account,
        call.region,
        asked["Namespace"],
        asked["MetricName"],
        dimensions(asked.get("Dimensions", ()), "Dimensions"),
    )
    found = store.statistics(metric, store.span(start, end, period), unit=asked.get("Unit"), extended=bool(extended))
    shown = [_shown(point, basic, extended) for point in found]
    return {"Label": metric.name, "Datapoints": [point for point in shown if point.keys() - {"Timestamp", "Unit"}]}


def _statistics(asked: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    basic, extended = asked.get("Statistics", []), asked.get("ExtendedStatistics", [])
    if not basic and not extended:
        raise unsuitable("Must specify either Statistics or ExtendedStatistics")
    if basic and extended:
        raise unsuitable("Must specify either Statistics or ExtendedStatistics, but not both")
    for number, name in enumerate(extended, 1):
        if parse(name) is None:
            raise invalid(f"The value {name} for parameter ExtendedStatistics.member.{number} is not supported.")
    return basic, extended


def _shown(point: Datapoint, basic: list[str], extended: list[str]) -> Result:
    shown: Result = {"Timestamp": point.time, "Unit": point.unit}
    shown.update((name, point.statistic(name)) for name in basic)
    values = {name: point.statistic(name) for name in extended}
    if known := {name: value for name, value in values.items() if value is not None}:
        shown["ExtendedStatistics"] = known
    return shown
