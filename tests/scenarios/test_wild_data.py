"""Objects, metrics and log lines with wild names and values: read as they were written, or refused and not there."""

import contextlib
import time
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Platform
from tests.scenarios.wild_values import CHARACTERS, NAMES, answered, requests, wild

BUCKET = "wild-data"
WILD = Config(parameter_validation=False)


@pytest.fixture(scope="module")
def s3(platform: Platform) -> Any:
    client = platform.client("s3", config=WILD)
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="~last", Body=b"")
    return client


_KEYS = st.text(CHARACTERS, min_size=1, max_size=40) | st.sampled_from([
    "..", ".", "/", "//", "a//b", "../a", "a/../b", " ", "%", "%2F", "+", "?", "#", "é", "\x00", "\n", "\x7f", "𐐷",
    "k" * 1024, "k" * 1025, "'\"<&>",
])  # fmt: skip
_PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)


@wild
@given(key=_KEYS, body=st.binary(max_size=300), kind=_PRINTABLE, note=_PRINTABLE)
def test_an_object_is_read_as_it_was_put_or_refused(s3: Any, key: str, body: bytes, kind: str, note: str) -> None:
    named, kind = {"Bucket": BUCKET, "Key": key}, kind or "a/b"
    if answered(s3.put_object, **named, Body=body, ContentType=kind, Metadata={"note": note}):
        there = s3.get_object(**named)
        assert (there["Body"].read(), there["ContentType"], there["Metadata"]) == (body, kind, {"note": note})
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=key, MaxKeys=1)["Contents"]
        assert listed[0]["Size"] == len(body)
        assert listed[0]["Key"] == key or not key.isprintable(), "XML cannot hold every character"
        s3.delete_object(**named)
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["~last"]


_PART = st.fixed_dictionaries(
    {
        "PartNumber": st.integers(1, 3) | st.integers(),
        "ETag": st.sampled_from(["right", "right", "wrong", ""]),
    }
)


@wild
@given(listed=st.lists(_PART, max_size=3), size=st.none() | st.integers(-1, 30))
def test_an_upload_is_completed_as_listed_or_stays(s3: Any, listed: list[Any], size: int | None) -> None:
    key = {"Bucket": BUCKET, "Key": "parts"}
    made = {**key, "UploadId": s3.create_multipart_upload(**key)["UploadId"]}
    etag = s3.upload_part(**made, PartNumber=1, Body=b"abc")["ETag"]
    parts = [{**part, "ETag": etag if part["ETag"] == "right" else part["ETag"]} for part in listed]
    more = {} if size is None else {"MpuObjectSize": size}
    done = answered(s3.complete_multipart_upload, **made, MultipartUpload={"Parts": parts}, **more)
    assert bool(done) == (listed == [{"PartNumber": 1, "ETag": "right"}] and size in {None, 3})
    if done:
        s3.delete_object(**key)
    else:
        assert [part["ETag"] for part in s3.list_parts(**made)["Parts"]] == [etag]
        s3.abort_multipart_upload(**made)


_WORDS = st.text(CHARACTERS, min_size=1, max_size=20)
_METRICS: dict[str, Any] = {
    **dict.fromkeys(("Values", "Counts", "StatisticValues", "EntityMetricData")),
    "Namespace": "Wild",
    "MetricName": NAMES,
    "StorageResolution": st.sampled_from([1, 60]),
    "Timestamp": st.builds(time.time),
    "Value": st.floats() | st.floats(-1e100, 1e100),
    "Dimensions": st.lists(st.fixed_dictionaries({"Name": _WORDS, "Value": _WORDS}), max_size=2),
}
_BASIC = ["Average", "Sum", "Maximum", "Minimum", "SampleCount"]
_EXTENDED = ["p99", "tm50", "IQM", "PR(1:2)", "TC(:5)", "WM(10%:90%)"]


@wild
@given(asked=requests("PutMetricData", "cloudwatch", **_METRICS))
def test_metric_data_can_be_read_or_are_refused(platform: Platform, asked: dict[str, Any]) -> None:
    cloudwatch = platform.client("cloudwatch", config=WILD)
    done = answered(cloudwatch.put_metric_data, **asked)
    now = time.time()
    for datum in asked.get("MetricData", ())[:1]:
        named = {"Namespace": "Wild", "MetricName": datum["MetricName"], "Dimensions": datum["Dimensions"]}
        span = {"StartTime": now - 600, "EndTime": now + 600, "Period": 60}
        found = answered(cloudwatch.get_metric_statistics, **named, **span, Statistics=_BASIC)
        answered(cloudwatch.get_metric_statistics, **named, **span, ExtendedStatistics=_EXTENDED)
        assert not done or (found and found["Datapoints"])


_MESSAGES = st.lists(st.text(CHARACTERS, min_size=1, max_size=200), min_size=1, max_size=4)


@wild
@given(messages=_MESSAGES, age=st.integers(-7_100_000, 10**10))
def test_log_events_are_read_as_they_were_put(platform: Platform, messages: list[str], age: int) -> None:
    """`age` in milliseconds: AWS takes neither what is two weeks old nor what is two hours ahead."""
    logs, named = platform.client("logs"), {"logGroupName": "wild", "logStreamName": f"s-{time.monotonic_ns()}"}
    with contextlib.suppress(ClientError):
        logs.create_log_group(logGroupName="wild")
    logs.create_log_stream(**named)
    stamp = int(time.time() * 1000) - age
    events = [{"timestamp": stamp, "message": text} for text in messages]
    done = answered(logs.put_log_events, **named, logEvents=events)
    shown = [event["message"] for event in logs.get_log_events(**named, startFromHead=True)["events"]]
    assert shown == (messages if done and not done.get("rejectedLogEventsInfo") else [])
