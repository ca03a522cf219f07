"""CloudWatch metrics through boto3: putting data."""

import gzip
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.conftest import Platform
from tests.services.cloudwatch_calls import datapoints, refused

MANY = "MetricData.member.1"
NOW = datetime.now(UTC)


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


def test_training_analytics(cloudwatch: Any, hour: datetime) -> None:
    """What TrainingJobAnalytics of the sagemaker SDK asks for."""
    job = f"job-{uuid.uuid4().hex}"
    dimensions = [{"Name": "TrainingJobName", "Value": job}]
    for minute, value in ((0, 0.9), (0, 0.7), (5, 0.5)):
        datum = {
            "MetricName": "loss",
            "Dimensions": dimensions,
            "Value": value,
            "Timestamp": hour + timedelta(minutes=minute),
        }
        cloudwatch.put_metric_data(Namespace="/aws/sagemaker/TrainingJobs", MetricData=[datum])
    found = datapoints(
        cloudwatch,
        "/aws/sagemaker/TrainingJobs",
        hour,
        MetricName="loss",
        Dimensions=dimensions,
        Statistics=["Average"],
    )
    assert [point["Timestamp"] for point in found] == [hour, hour + timedelta(minutes=5)]
    assert [point["Average"] for point in found] == pytest.approx([0.8, 0.5])
    assert found[0].keys() == {"Timestamp", "Average", "Unit"}
    assert found[0]["Unit"] == "None"


def test_every_way_of_putting(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    at = {"MetricName": "m", "Timestamp": hour + timedelta(seconds=59)}
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {**at, "Value": 2},
            {**at, "Values": [4.0, 1.0], "Counts": [3.0, 2.0]},
            {**at, "Values": [6.0]},
            {**at, "StatisticValues": {"SampleCount": 3, "Sum": 12, "Minimum": 0, "Maximum": 11}},
        ],
    )
    [point] = datapoints(cloudwatch, namespace, hour)
    assert point == {
        "Timestamp": hour, "Unit": "None",
        "SampleCount": 10, "Sum": 34, "Average": 3.4, "Minimum": 0, "Maximum": 11,
    }  # fmt: skip


def test_entity_data_counts_as_any_other(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    datum = {"MetricName": "m", "Value": 1, "Timestamp": hour}
    entity = {"KeyAttributes": {"Type": "Service", "Name": "mine"}}
    cloudwatch.put_metric_data(
        Namespace=namespace, MetricData=[datum], EntityMetricData=[{"Entity": entity, "MetricData": [datum]}]
    )
    assert datapoints(cloudwatch, namespace, hour)[0]["SampleCount"] == 2


def test_data_without_a_time_is_of_now(cloudwatch: Any, namespace: str) -> None:
    start = datetime.now(UTC) - timedelta(minutes=5)
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", "Value": 1}])
    [point] = datapoints(cloudwatch, namespace, start)
    assert start <= point["Timestamp"] <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        ({"Value": float("nan")}, "InvalidParameterValue", f"The value NaN for parameter {MANY}.Value is invalid."),
        (
            {"Value": float("inf")},
            "InvalidParameterValue",
            f"The value Infinity for parameter {MANY}.Value is invalid.",
        ),
        ({"Value": -1e200}, "InvalidParameterValue", f"The value -1e+200 for parameter {MANY}.Value is invalid."),
        (
            {"Values": [1.0, float("-inf")]},
            "InvalidParameterValue",
            f"The value -Infinity for parameter {MANY}.Values.member.2 is invalid.",
        ),
        (
            {"Values": [1.0, 2.0], "Counts": [1.0]},
            "InvalidParameterValue",
            f"The parameters {MANY}.Values and {MANY}.Counts must be of the same size.",
        ),
        (
            {"Values": [1.0], "Counts": [-1.0]},
            "InvalidParameterValue",
            f"The value -1.0 for parameter {MANY}.Counts.member.1 is invalid.",
        ),
        (
            {"Values": [1.0] * 151},
            "InvalidParameterValue",
            f"The collection {MANY}.Values must not have a size greater than 150.",
        ),
        (
            {"Value": 1, "Values": [1.0]},
            "InvalidParameterCombination",
            f"The parameters {MANY}.Value and {MANY}.Values are mutually exclusive and you have specified both.",
        ),
        (
            {"Value": 1, "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}},
            "InvalidParameterCombination",
            f"The parameters {MANY}.Value and {MANY}.StatisticValues are mutually exclusive and you have specified both.",
        ),
        (
            {"StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}},
            "InvalidParameterValue",
            f"The parameter {MANY}.StatisticValues.Maximum must be greater than {MANY}.StatisticValues.Minimum.",
        ),
        (
            {"StatisticValues": {"SampleCount": 0, "Sum": 1, "Minimum": 1, "Maximum": 1}},
            "InvalidParameterValue",
            f"The value 0.0 for parameter {MANY}.StatisticValues.SampleCount is invalid.",
        ),
        ({}, "MissingParameter", f"The parameter {MANY}.Value is required."),
        (
            {"Value": 1, "Timestamp": NOW - timedelta(days=15)},
            "InvalidParameterValue",
            f"The parameter {MANY}.Timestamp must specify a time no more than two weeks in the past.",
        ),
        (
            {"Value": 1, "Timestamp": NOW + timedelta(hours=30)},
            "InvalidParameterValue",
            f"The parameter {MANY}.Timestamp must specify a time no more than two hours in the future.",
        ),
        (
            {"Value": 1, "StorageResolution": 30},
            "InvalidParameterValue",
            f"The parameter {MANY}.StorageResolution must be 1 or 60.",
        ),
        (
            {"Value": 1, "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]},
            "InvalidParameterValue",
            f"The parameter {MANY}.Dimensions must not contain a dimension name more than once.",
        ),
    ],
    ids=lambda given: None if isinstance(given, dict) else given[:60],
)
def test_data_that_is_refused_records_nothing(
    cloudwatch: Any, namespace: str, datum: dict[str, Any], code: str, message: str
) -> None:
    good = {"MetricName": "good", "Value": 1}
    with refused(code, message):
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", **datum}, good])
    assert cloudwatch.list_metrics(Namespace=namespace)["Metrics"] == []


def test_calls_that_are_refused(cloudwatch: Any, namespace: str) -> None:
    datum = {"MetricName": "m", "Value": 1}
    with refused("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid."):
        cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[datum])
    with refused("MissingParameter", "The parameter MetricData is required."):
        cloudwatch.put_metric_data(Namespace=namespace)
    with refused("InvalidParameterValue", "The collection MetricData must not have a size greater than 1000."):
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum] * 1001)
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum] * 1000)


def test_large_calls_come_compressed(cloudwatch: Any, namespace: str, hour: datetime) -> None:
    """Above 10 KB boto3 compresses PutMetricData; all of it arrives."""
    seen: list[str] = []

    def look(request: Any, **_: Any) -> None:
        encoding = request.headers.get("Content-Encoding", b"")
        if encoding in (b"gzip", "gzip"):
            seen.append(json.loads(gzip.decompress(request.body))["Namespace"])

    cloudwatch.meta.events.register_first("before-send.cloudwatch.PutMetricData", look)
    try:
        data = [
            {"MetricName": "m", "Value": n, "Timestamp": hour, "Dimensions": [{"Name": "d", "Value": "x" * 50}]}
            for n in range(900)
        ]
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    finally:
        cloudwatch.meta.events.unregister("before-send.cloudwatch.PutMetricData", look)
    assert seen == [namespace]
    [point] = datapoints(cloudwatch, namespace, hour, Dimensions=[{"Name": "d", "Value": "x" * 50}])
    assert (point["SampleCount"], point["Sum"]) == (900, 899 * 450)


def test_metrics_survive_kill(own_platform: Platform, namespace: str, hour: datetime) -> None:
    own_platform.client("cloudwatch").put_metric_data(
        Namespace=namespace, MetricData=[{"MetricName": "m", "Values": [1.0, 2.0], "Timestamp": hour}]
    )
    own_platform.kill()
    own_platform.start()
    [point] = datapoints(own_platform.client("cloudwatch"), namespace, hour)
    assert (point["SampleCount"], point["Sum"]) == (2, 3)
