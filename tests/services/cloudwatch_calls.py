"""Calls of CloudWatch that several test modules make, and the refusals that they expect."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

STATISTICS = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]


def refused(code: str, message: str) -> Any:
    return pytest.RaisesExc(
        ClientError, check=lambda e: (e.response["Error"]["Code"], e.response["Error"]["Message"]) == (code, message)
    )


def datapoints(client: Any, namespace: str, start: datetime, **how: Any) -> list[dict[str, Any]]:
    asked = {"MetricName": "m", "Period": 60, "EndTime": start + timedelta(hours=1), **how}
    if "ExtendedStatistics" not in asked:
        asked.setdefault("Statistics", STATISTICS)
    answer = client.get_metric_statistics(Namespace=namespace, StartTime=start, **asked)
    assert answer["Label"] == asked["MetricName"]
    return sorted(answer["Datapoints"], key=lambda point: (point["Timestamp"], point["Unit"]))


def query(name: str, namespace: str, metric: str = "m", stat: str = "Sum", **more: Any) -> dict[str, Any]:
    wanted = {"Namespace": namespace, "MetricName": metric, "Dimensions": more.pop("Dimensions", [])}
    stats = {"Metric": wanted, "Period": more.pop("Period", 60), "Stat": stat}
    return {"Id": name, "MetricStat": stats, **more}
