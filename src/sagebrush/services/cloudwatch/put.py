"""PutMetricData."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call
from sagebrush.kernel.signals.metrics import Datum, Sample
from sagebrush.services.cloudwatch.service import dimensions, invalid, required, service, unsuitable

_DATA, _VALUES, _BYTES = 1000, 150, 1_048_576
_LARGEST = 2.0**360
_TWO_WEEKS, _TWO_HOURS = 14 * 86_400, 2 * 3600
_WAYS = ("Value", "Values", "StatisticValues")


@service.operation
def put_metric_data(call: Call) -> None:
    """Record values, arrays of values and statistic sets: all of a call's data, or none.

    The entity of EntityMetricData tells CloudWatch's console what belongs together; its data counts as any other.
    """
    asked = call.params
    if call.request is not None and int(call.request.headers.get("content-length", "0")) > _BYTES:
        raise AwsError("RequestEntityTooLarge", f"The request must be smaller than {_BYTES} bytes.", 413)
    if asked["Namespace"].startswith("AWS/"):
        raise invalid("The value AWS/ for parameter Namespace is invalid.")
    if not asked.get("MetricData") and not asked.get("EntityMetricData"):
        raise required("MetricData")
    data = [_read(datum, path, call.now) for datum, path in _listed(asked)]
    if len(data) > _DATA:
        raise invalid(f"The collection MetricData must not have a size greater than {_DATA}.")
    call.world.metrics.put(call.account, call.region, asked["Namespace"], data)


def _listed(asked: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield every datum with its path in AWS's messages."""
    for number, datum in enumerate(asked.get("MetricData", ()), 1):
        yield datum, f"MetricData.member.{number}"
    for group, entity in enumerate(asked.get("EntityMetricData", ()), 1):
        for number, datum in enumerate(entity.get("MetricData", ()), 1):
            yield datum, f"EntityMetricData.member.{group}.MetricData.member.{number}"


def _read(datum: Mapping[str, Any], path: str, now: float) -> Datum:
    """Return what a MetricDatum says, or refuse it."""
    resolution = datum.get("StorageResolution", 60)
    if resolution not in (1, 60):
        raise invalid(f"The parameter {path}.StorageResolution must be 1 or 60.")
    time = datum["Timestamp"].timestamp() if "Timestamp" in datum else now
    if time < now - _TWO_WEEKS:
        raise invalid(f"The parameter {path}.Timestamp must specify a time no more than two weeks in the past.")
    if time > now + _TWO_HOURS:
        raise invalid(f"The parameter {path}.Timestamp must specify a time no more than two hours in the future.")
    return Datum(
        datum["MetricName"],
        _samples(datum, path),
        dimensions(datum.get("Dimensions", ()), f"{path}.Dimensions"),
        time,
        datum.get("Unit", "None"),
        resolution,
    )


def _samples(datum: Mapping[str, Any], path: str) -> list[Sample]:
    given = [way for way in _WAYS if way in datum]
    if not given:
        raise required(f"{path}.Value")
    if len(given) > 1:
        first, second = (f"{path}.{way}" for way in given[:2])
        raise unsuitable(f"The parameters {first} and {second} are mutually exclusive and you have specified both.")
    if given == ["Value"]:
        return [Sample.of(_finite(datum["Value"], f"{path}.Value"))]
    if given == ["StatisticValues"]:
        return [_set(datum["StatisticValues"], f"{path}.StatisticValues")]
    return _array(datum, path)


def _array(datum: Mapping[str, Any], path: str) -> list[Sample]:
    """Return the samples of Values, each with its number of Counts; a value that occurred never is none."""
    values = datum["Values"]
    counts = datum.get("Counts", [1.0] * len(values))
    for name, listed in (("Values", values), ("Counts", counts)):
        if len(listed) > _VALUES:
            raise invalid(f"The collection {path}.{name} must not have a size greater than {_VALUES}.")
    if len(values) != len(counts):
        raise invalid(f"The parameters {path}.Values and {path}.Counts must be of the same size.")
    if not values:
        raise required(f"{path}.Values")
    samples = []
    for number, (value, count) in enumerate(zip(values, counts, strict=True), 1):
        _finite(value, f"{path}.Values.member.{number}")
        if _finite(count, f"{path}.Counts.member.{number}") < 0:
            raise invalid(f"The value {count} for parameter {path}.Counts.member.{number} is invalid.")
        if count:
            samples.append(Sample.of(value, count))
    return samples


def _set(given: Mapping[str, float], path: str) -> Sample:
    """Return a StatisticSet as a sample."""
    for name, value in given.items():
        _finite(value, f"{path}.{name}")
    if given["SampleCount"] <= 0:
        raise invalid(f"The value {given['SampleCount']} for parameter {path}.SampleCount is invalid.")
    if given["Maximum"] < given["Minimum"]:
        raise invalid(f"The parameter {path}.Maximum must be greater than {path}.Minimum.")
    return Sample(given["Minimum"], given["Maximum"], given["SampleCount"], given["Sum"])


def _finite(value: float, parameter: str) -> float:
    if not math.isfinite(value) or abs(value) > _LARGEST:
        shown = (
            "NaN"
            if math.isnan(value)
            else "-Infinity"
            if value == -math.inf
            else "Infinity"
            if value == math.inf
            else value
        )
        raise invalid(f"The value {shown} for parameter {parameter} is invalid.")
    return value
