"""CloudWatch metrics through boto3: statistics, GetMetricData and listing."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Platform
from tests.services.cloudwatch_calls import datapoints, query, refused


@pytest.fixture
def cloudwatch(platform: Platform) -> Any:
    return platform.client("cloudwatch")


@pytest.fixture
def namespace() -> str:
    return f"test/{uuid.uuid4().hex}"


@pytest.fixture
def hour() -> datetime:
    """Return the start of the hour before this one."""
    return datetime.fromtimestamp((time.time() // 3600 - 1) * 3600, UTC)


def test_extended_statistics(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    for first in (1, 51):
        values = [float(n) for n in range(first, first + 50)]
        datum = {"MetricName": "m", "Timestamp": hour, "Values": values}
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])
    wanted = {
        "p50": 50, "p99.9": 100, "p0": 1, "tm90": 45.5, "tc90": 90, "TS(80%:)": 1810, "PR(:30)": 30, "IQM": 50.5,
        "TM(150:1000)": None, "TM(10:20)": 15.5,
    }  # fmt: skip
    [point] = datapoints(cloudwatch, namespace, hour, ExtendedStatistics=list(wanted))
    assert point.keys() == {"Timestamp", "Unit", "ExtendedStatistics"}
    assert point["ExtendedStatistics"] == {name: value for name, value in wanted.items() if value is not None}


def test_percentiles_of_sets_and_of_negative_values_are_not_available(
    cloudwatch: Any, namespace: str, hour: datetime
) -> None:
    spread = {"SampleCount": 3, "Sum": 12, "Minimum": 0, "Maximum": 11}
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": "set", "Timestamp": hour, "StatisticValues": spread},
            {"MetricName": "negative", "Timestamp": hour, "Values": [-1.0, 1.0]},
        ],
    )
    for metric in ("set", "negative"):
        assert datapoints(cloudwatch, namespace, hour, MetricName=metric, ExtendedStatistics=["p50"]) == []
        assert len(datapoints(cloudwatch, namespace, hour, MetricName=metric)) == 1


def test_a_subset_of_the_dimensions_finds_nothing(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    both = [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]
    cloudwatch.put_metric_data(
        Namespace=namespace, MetricData=[{"MetricName": "m", "Dimensions": both, "Value": 1, "Timestamp": hour}]
    )
    assert len(datapoints(cloudwatch, namespace, hour, Dimensions=both[::-1])) == 1
    for part in ([], both[:1], both[1:], [both[0], {"Name": "b", "Value": "3"}]):
        assert datapoints(cloudwatch, namespace, hour, Dimensions=part) == []


def test_units_are_told_apart(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    for unit, value in (("Seconds", 1), ("Milliseconds", 1000), ("Seconds", 3)):
        datum = {"MetricName": "m", "Value": value, "Unit": unit, "Timestamp": hour}
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])
    found = {point["Unit"]: point["Sum"] for point in datapoints(cloudwatch, namespace, hour)}
    assert found == {"Seconds": 4, "Milliseconds": 1000}
    assert [p["Sum"] for p in datapoints(cloudwatch, namespace, hour, Unit="Seconds")] == [4]
    assert datapoints(cloudwatch, namespace, hour, Unit="Bytes") == []
    asked = {"StartTime": hour, "EndTime": hour + timedelta(hours=1)}
    [result] = cloudwatch.get_metric_data(MetricDataQueries=[query("m1", namespace)], **asked)["MetricDataResults"]
    assert result["Values"] == [1000]
    assert result["Messages"] == [
        {"Code": "MultipleUnits", "Value": "Multiple units returned: '[Milliseconds, Seconds]'"}
    ]


def test_resolution(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    for metric, resolution in (("fine", 1), ("coarse", 60)):
        for second in (1, 11, 12):
            datum = {"MetricName": metric, "Value": 1, "Timestamp": hour + timedelta(seconds=second)}
            cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{**datum, "StorageResolution": resolution}])
    short = {"Period": 10, "EndTime": hour + timedelta(minutes=1)}
    fine = datapoints(cloudwatch, namespace, hour, MetricName="fine", **short)
    assert [(point["Timestamp"].second, point["Sum"]) for point in fine] == [(0, 1), (10, 2)]
    coarse = datapoints(cloudwatch, namespace, hour, MetricName="coarse", **short)
    assert [(point["Timestamp"].second, point["Sum"]) for point in coarse] == [(0, 3)]


def test_statistics_that_cannot_be_asked_for(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    with refused(
        "InvalidParameterCombination",
        "You have requested up to 86400 datapoints, which exceeds the limit of 1440. You may reduce the datapoints"
        " requested by increasing Period, or decreasing the time range.",
    ):
        datapoints(cloudwatch, namespace, hour, Period=1, EndTime=hour + timedelta(days=1))
    datapoints(cloudwatch, namespace, hour, Period=60, EndTime=hour + timedelta(days=1))
    with refused("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime."):
        datapoints(cloudwatch, namespace, hour, EndTime=hour)
    for period in (2, 45, 90):
        with pytest.raises(cloudwatch.exceptions.InvalidParameterValueException, match="parameter Period must be"):
            datapoints(cloudwatch, namespace, hour, Period=period)
    with pytest.raises(cloudwatch.exceptions.InvalidParameterCombinationException, match="Must specify either"):
        datapoints(cloudwatch, namespace, hour, Statistics=["Sum"], ExtendedStatistics=["p50"])
    for name in ("p101", "Sum", "median"):
        with refused(
            "InvalidParameterValue", f"The value {name} for parameter ExtendedStatistics.member.1 is not supported."
        ):
            datapoints(cloudwatch, namespace, hour, ExtendedStatistics=[name])


def test_metric_data(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    for minute, value in ((0, 1), (1, 2), (1, 4), (3, 8)):
        at = hour + timedelta(minutes=minute)
        cloudwatch.put_metric_data(
            Namespace=namespace, MetricData=[{"MetricName": "m", "Value": value, "Timestamp": at}]
        )
    queries = [
        query("total", namespace),
        query("top", namespace, stat="p100"),
        query("named", namespace, Label="mine", Period=300),
        query("hidden", namespace, ReturnData=False),
        query("none", namespace, metric="other"),
    ]
    asked = {"MetricDataQueries": queries, "StartTime": hour, "EndTime": hour + timedelta(minutes=10)}
    answer = cloudwatch.get_metric_data(**asked)
    assert answer["Messages"] == []
    assert "NextToken" not in answer
    found = {result["Id"]: result for result in answer["MetricDataResults"]}
    assert {name: (result["Label"], result["Values"]) for name, result in found.items()} == {
        "total": ("m Sum", [8, 6, 1]),
        "top": ("m p100", [8, 4, 1]),
        "named": ("mine", [15]),
        "none": ("other", []),
    }
    assert found["total"]["Timestamps"] == [hour + timedelta(minutes=n) for n in (3, 1, 0)]
    assert {result["StatusCode"] for result in found.values()} == {"Complete"}
    rising = cloudwatch.get_metric_data(**asked, ScanBy="TimestampAscending")["MetricDataResults"][0]
    assert rising["Values"] == [1, 6, 8]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("order", ["TimestampAscending", "TimestampDescending"])
def test_metric_data_in_pages(cloudwatch: Any, namespace: str, hour: datetime, size: int, order: str) -> None:
    for minute in range(5):
        at = hour + timedelta(minutes=minute)
        data = [{"MetricName": name, "Value": minute, "Timestamp": at} for name in ("a", "b")]
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    asked = {
        "MetricDataQueries": [query(name, namespace, metric=name) for name in ("a", "none", "b")],
        "StartTime": hour,
        "EndTime": hour + timedelta(hours=1),
        "ScanBy": order,
        "MaxDatapoints": size,
    }
    found: dict[str, list[float]] = {}
    token: dict[str, str] = {}
    while True:
        answer = cloudwatch.get_metric_data(**asked, **token)
        assert sum(len(result["Values"]) for result in answer["MetricDataResults"]) <= size
        for result in answer["MetricDataResults"]:
            found.setdefault(result["Id"], []).extend(result["Values"])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    expected = [0, 1, 2, 3, 4] if order == "TimestampAscending" else [4, 3, 2, 1, 0]
    assert found == {"a": expected, "none": [], "b": expected}


def test_queries_that_are_refused_by_name(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    def ask(*queries: dict[str, Any], **more: Any) -> None:
        cloudwatch.get_metric_data(
            MetricDataQueries=list(queries), StartTime=hour, EndTime=hour + timedelta(hours=1), **more
        )

    good = query("m1", namespace)
    for queries, message in (
        ([good, {"Id": "e1", "Expression": "m1 * 2"}], "Expression of query e1"),
        ([good, good], "The values for parameter id in MetricDataQueries are not unique."),
        ([query("Upper", namespace)], "Upper for parameter MetricDataQueries.member.1.Id"),
        ([query("m1", namespace, stat="median")], "median for parameter MetricDataQueries.member.1.MetricStat.Stat"),
        ([query("m1", namespace, Label="${MAX}")], "Label of query m1"),
        ([query("m1", namespace, AccountId="111111111111")], "AccountId of query m1"),
    ):
        with pytest.raises(ClientError, match="ValidationError") as caught:
            ask(*queries)
        assert message in caught.value.response["Error"]["Message"]
    with refused("MissingParameter", "The parameter MetricDataQueries.member.1.MetricStat is required."):
        ask({"Id": "m1"})
    with pytest.raises(cloudwatch.exceptions.InvalidNextToken):
        ask(good, NextToken="x")


def test_listing(cloudwatch: Any, namespace: str) -> None:
    dimensions = [{"Name": "job", "Value": "j"}, {"Name": "host", "Value": "algo-1"}]
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": "a", "Value": 1, "Dimensions": dimensions},
            {"MetricName": "b", "Value": 1, "Dimensions": dimensions[:1]},
            {"MetricName": "c", "Value": 1},
        ],
    )

    def names(**how: Any) -> list[str]:
        return [metric["MetricName"] for metric in cloudwatch.list_metrics(Namespace=namespace, **how)["Metrics"]]

    assert names() == ["a", "b", "c"]
    assert names(MetricName="b") == ["b"]
    assert names(Dimensions=[{"Name": "job"}]) == ["a", "b"]
    assert names(Dimensions=[{"Name": "job", "Value": "j"}, {"Name": "host"}]) == ["a"]
    assert names(Dimensions=[{"Name": "job", "Value": "k"}]) == []
    assert names(RecentlyActive="PT3H") == ["a", "b", "c"]
    assert names(OwningAccount="111111111111", IncludeLinkedAccounts=True) == []
    [first] = cloudwatch.list_metrics(Namespace=namespace, MetricName="a")["Metrics"]
    assert first["Namespace"] == namespace
    assert sorted(first["Dimensions"], key=lambda d: d["Name"]) == dimensions[::-1]
    linked = cloudwatch.list_metrics(Namespace=namespace, IncludeLinkedAccounts=True)
    assert linked["OwningAccounts"] == ["123456789012"] * 3


def test_listing_in_pages(cloudwatch: Any, namespace: str) -> None:
    names = [f"m{n:04}" for n in range(1001)]
    for start in range(0, 1001, 500):
        data = [{"MetricName": name, "Value": 1} for name in names[start : start + 500]]
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace))
    assert [len(page["Metrics"]) for page in pages] == [500, 500, 1]
    assert [metric["MetricName"] for page in pages for metric in page["Metrics"]] == names
    with refused("InvalidParameterValue", "The parameter NextToken is invalid."):
        cloudwatch.list_metrics(Namespace="other", NextToken=pages[0]["NextToken"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1e6), st.integers(1, 9)), min_size=1, max_size=20))
def test_statistics_are_those_of_the_values(
    cloudwatch: Any, hour: datetime, data: list[tuple[int, float, int]]
) -> None:
    namespace = f"test/{uuid.uuid4().hex}"
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": "m", "Timestamp": hour + timedelta(minutes=at), "Values": [value], "Counts": [count]}
            for at, value, count in data
        ],
    )
    plain: dict[datetime, list[float]] = {}
    for at, value, count in data:
        plain.setdefault(hour + timedelta(minutes=at // 5 * 5), []).extend([value] * count)
    found = {point["Timestamp"]: point for point in datapoints(cloudwatch, namespace, hour, Period=300)}
    assert found.keys() == plain.keys()
    for start, values in plain.items():
        got = found[start]
        assert got["SampleCount"] == len(values)
        assert got["Sum"] == pytest.approx(sum(values))
        assert got["Average"] == pytest.approx(sum(values) / len(values))
        assert (got["Minimum"], got["Maximum"]) == (min(values), max(values))
    ranks = {point["Timestamp"]: point for point in datapoints(
        cloudwatch, namespace, hour, Period=300, ExtendedStatistics=["p50", "p90"]
    )}  # fmt: skip
    for start, values in plain.items():
        ordered = sorted(values)
        for percent in (50, 90):
            rank = -(-percent * len(ordered) // 100)
            assert ranks[start]["ExtendedStatistics"][f"p{percent}"] == ordered[rank - 1]
