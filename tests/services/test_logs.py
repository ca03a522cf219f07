"""CloudWatch Logs through boto3: groups, streams, tags, and writing."""

import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform

DAY = 86_400_000


@pytest.fixture
def logs(platform: Platform) -> Any:
    return platform.client("logs")


@pytest.fixture
def group(logs: Any) -> str:
    name = f"/test/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    return name


def now() -> int:
    return int(time.time() * 1000)


def refused(code: str, message: str) -> Any:
    return pytest.RaisesExc(
        ClientError, check=lambda e: (e.response["Error"]["Code"], e.response["Error"]["Message"]) == (code, message)
    )


def described(logs: Any, name: str) -> dict[str, Any]:
    [found] = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert isinstance(found, dict)
    return found


def test_a_group_is_described_as_aws_describes_it(logs: Any) -> None:
    name = f"/test/{uuid.uuid4().hex}"
    before = now()
    logs.create_log_group(logGroupName=name, kmsKeyId="arn:aws:kms:us-east-1:123456789012:key/k")
    found = described(logs, name)
    assert before - 5 <= found.pop("creationTime") <= now() + 5
    assert found == {
        "logGroupName": name,
        "metricFilterCount": 0,
        "arn": f"arn:aws:logs:us-east-1:123456789012:log-group:{name}:*",
        "logGroupArn": f"arn:aws:logs:us-east-1:123456789012:log-group:{name}",
        "storedBytes": 0,
        "kmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/k",
        "logGroupClass": "STANDARD",
        "deletionProtectionEnabled": False,
    }


def test_what_exists_is_not_made_again(logs: Any, group: str) -> None:
    with refused("ResourceAlreadyExistsException", "The specified log group already exists"):
        logs.create_log_group(logGroupName=group)
    with refused("ResourceAlreadyExistsException", "The specified log stream already exists"):
        logs.create_log_stream(logGroupName=group, logStreamName="s")


@pytest.mark.parametrize(
    ("call", "members"),
    [
        ("create_log_stream", {"logStreamName": "s"}),
        ("delete_log_group", {}),
        ("delete_log_stream", {"logStreamName": "s"}),
        ("describe_log_streams", {}),
        ("get_log_events", {"logStreamName": "s"}),
        ("filter_log_events", {}),
        ("put_retention_policy", {"retentionInDays": 1}),
        ("delete_retention_policy", {}),
        ("put_log_events", {"logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}]}),
        ("list_tags_log_group", {}),
    ],
)
def test_a_missing_group_is_named_as_the_sdks_expect(logs: Any, call: str, members: dict[str, Any]) -> None:
    with refused("ResourceNotFoundException", "The specified log group does not exist."):
        getattr(logs, call)(logGroupName="/test/none", **members)


@pytest.mark.parametrize("call", ["get_log_events", "put_log_events", "delete_log_stream"])
def test_a_missing_stream_is_named(logs: Any, group: str, call: str) -> None:
    members = {"logEvents": [{"timestamp": now(), "message": "m"}]} if call == "put_log_events" else {}
    with refused("ResourceNotFoundException", "The specified log stream does not exist."):
        getattr(logs, call)(logGroupName=group, logStreamName="none", **members)


def test_groups_are_listed_by_name_in_pages(logs: Any) -> None:
    base = f"/test/{uuid.uuid4().hex}"
    names = [f"{base}/{n:02}" for n in range(7)]
    for name in reversed(names):
        logs.create_log_group(logGroupName=name)
    pages = list(
        logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=base, PaginationConfig={"PageSize": 3})
    )
    assert [[g["logGroupName"] for g in page["logGroups"]] for page in pages] == [names[:3], names[3:6], names[6:]]
    assert "nextToken" not in pages[-1]
    exactly = logs.describe_log_groups(logGroupNamePrefix=base, limit=7)
    assert "nextToken" not in exactly, "a full last page has no token"
    found = logs.describe_log_groups(logGroupNamePattern=f"{base[7:]}/03")["logGroups"]
    assert [g["logGroupName"] for g in found] == [names[3]]
    named = logs.describe_log_groups(logGroupIdentifiers=[names[2], "/test/none"])["logGroups"]
    assert [g["logGroupName"] for g in named] == [names[2]]


def test_a_token_belongs_to_its_request(logs: Any) -> None:
    base = f"/test/{uuid.uuid4().hex}"
    for n in range(3):
        logs.create_log_group(logGroupName=f"{base}/{n}")
    token = logs.describe_log_groups(logGroupNamePrefix=base, limit=1)["nextToken"]
    assert len(logs.describe_log_groups(logGroupNamePrefix=base, limit=2, nextToken=token)["logGroups"]) == 2
    for members in ({"logGroupNamePrefix": base, "nextToken": "x"}, {"logGroupNamePrefix": "/a", "nextToken": token}):
        with refused("InvalidParameterException", "The specified nextToken is invalid."):
            logs.describe_log_groups(**members)


def test_filters_that_exclude_each_other(logs: Any, group: str) -> None:
    with refused(
        "InvalidParameterException",
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
    ):
        logs.describe_log_groups(logGroupNamePrefix="a", logGroupNamePattern="b")
    with refused("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix."):
        logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", logStreamNamePrefix="s")
    with refused("ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters."):
        logs.describe_log_streams(logGroupName=group, logGroupIdentifier=group)


def test_streams_are_described_with_their_times(logs: Any, group: str) -> None:
    [empty] = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert empty.pop("creationTime") > 0
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}:log-stream:s"
    assert empty == {"logStreamName": "s", "arn": arn, "storedBytes": 0}
    at = now()
    for offset in (-5, 3, 0):
        logs.put_log_events(
            logGroupName=group, logStreamName="s", logEvents=[{"timestamp": at + offset, "message": "m"}]
        )
    [found] = logs.describe_log_streams(logGroupIdentifier=f"arn:aws:logs:us-east-1:123456789012:log-group:{group}")[
        "logStreams"
    ]
    assert (found["firstEventTimestamp"], found["lastEventTimestamp"]) == (at - 5, at + 3)
    assert at - 5 <= found["lastIngestionTime"] <= now() + 5
    assert described(logs, group)["storedBytes"] == 3 * 27


def test_streams_are_listed_by_name_and_by_time_in_pages(logs: Any, group: str) -> None:
    at = now()
    logs.delete_log_stream(logGroupName=group, logStreamName="s")
    for name, offset in (("job/b", 1), ("job/a", 3), ("job/c", 2), ("other", 0)):
        logs.create_log_stream(logGroupName=group, logStreamName=name)
        event = {"timestamp": at + offset, "message": "m"}
        logs.put_log_events(logGroupName=group, logStreamName=name, logEvents=[event])

    def names(size: int, **how: Any) -> list[str]:
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName=group, PaginationConfig={"PageSize": size}, **how
        )
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    for size in (1, 2, 50):
        assert names(size, logStreamNamePrefix="job/") == ["job/a", "job/b", "job/c"]
        assert names(size, orderBy="LastEventTime") == ["other", "job/b", "job/c", "job/a"]
        assert names(size, orderBy="LastEventTime", descending=True) == ["job/a", "job/c", "job/b", "other"]
    one = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="job/a", limit=1)
    assert "nextToken" not in one, "version 2 of the sagemaker SDK would loop for ever"


def test_tags(logs: Any) -> None:
    name = f"/test/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=name, tags={"a": "1"})
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}"
    logs.tag_resource(resourceArn=arn, tags={"b": "2", "c": ""})
    logs.tag_log_group(logGroupName=name, tags={"a": "3"})
    logs.untag_resource(resourceArn=arn, tagKeys=["b"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "3", "c": ""}
    logs.untag_log_group(logGroupName=name, tags=["c"])
    assert logs.list_tags_log_group(logGroupName=name)["tags"] == {"a": "3"}
    with pytest.raises(logs.exceptions.TooManyTagsException):
        logs.tag_resource(resourceArn=arn, tags={str(n): "" for n in range(50)})
    with refused("ResourceNotFoundException", "The specified log group does not exist."):
        logs.list_tags_for_resource(resourceArn=f"{arn}-none")


def test_a_protected_group_is_not_deleted(logs: Any) -> None:
    name = f"/test/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=name, deletionProtectionEnabled=True)
    with pytest.raises(logs.exceptions.ValidationException):
        logs.delete_log_group(logGroupName=name)
    logs.put_log_group_deletion_protection(logGroupIdentifier=name, deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName=name)
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []


def test_a_class_whose_lines_cannot_be_read_is_refused_by_name(logs: Any) -> None:
    with pytest.raises(logs.exceptions.InvalidParameterException, match="logGroupClass DELIVERY"):
        logs.create_log_group(logGroupName="/test/delivery", logGroupClass="DELIVERY")


def test_retention_drops_what_is_older(logs: Any, group: str) -> None:
    at = now()
    for time_, message in ((at - 2 * DAY, "old"), (at, "new")):
        event = {"timestamp": time_, "message": message}
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[event])
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    assert described(logs, group)["retentionInDays"] == 1
    assert described(logs, group)["storedBytes"] == 29
    found = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)["events"]
    assert [event["message"] for event in found] == ["new"]
    expired = logs.put_log_events(
        logGroupName=group, logStreamName="s", logEvents=[{"timestamp": at - 2 * DAY, "message": "late"}]
    )
    assert expired["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    logs.delete_retention_policy(logGroupName=group)
    assert "retentionInDays" not in described(logs, group)
    with pytest.raises(logs.exceptions.InvalidParameterException, match="'retentionInDays' failed to satisfy"):
        logs.put_retention_policy(logGroupName=group, retentionInDays=2)


def test_events_too_old_or_too_new_are_left_out_and_named(logs: Any, group: str) -> None:
    at = now()

    def put(*offsets: int) -> Any:
        events = [{"timestamp": at + offset, "message": str(offset)} for offset in offsets]
        return logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events).get("rejectedLogEventsInfo")

    hour = DAY // 24
    assert put(-14 * DAY - hour, -14 * DAY - 1, -14 * DAY + hour) == {"tooOldLogEventEndIndex": 2}
    assert put(0, 3 * hour, 4 * hour) == {"tooNewLogEventStartIndex": 1}
    assert put(3 * hour) == {"tooNewLogEventStartIndex": 0}
    assert put(1) is None
    found = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)["events"]
    assert [event["message"] for event in found] == [str(-14 * DAY + hour), "0", "1"]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([(0, "b"), (-1, "a")], "Log events in a single PutLogEvents request must be in chronological order."),
        (
            [(-DAY - 1, "a"), (0, "b")],
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ),
        ([(0, "x" * 1_048_551)], "Log event too large: 1048577 bytes exceeds limit of 1048576"),
        ([(0, "x" * 600_000), (0, "x" * 600_000)], "Upload too large: 1200052 bytes exceeds limit of 1048576"),
        ([(0, "é" * 600_000)], "Log event too large: 1200026 bytes exceeds limit of 1048576"),
    ],
    ids=["order", "span", "event", "batch", "bytes not characters"],
)
def test_a_batch_that_is_refused_writes_nothing(
    logs: Any, group: str, events: list[tuple[int, str]], message: str
) -> None:
    at = now()
    batch = [{"timestamp": at + offset, "message": text} for offset, text in events]
    with refused("InvalidParameterException", message):
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=batch)
    assert logs.get_log_events(logGroupName=group, logStreamName="s")["events"] == []


def test_sequence_tokens_are_returned_and_ignored(logs: Any, group: str) -> None:
    put = {"logGroupName": group, "logStreamName": "s"}
    answer = logs.put_log_events(**put, logEvents=[{"timestamp": now(), "message": "a"}], sequenceToken="stale")
    assert len(answer["nextSequenceToken"]) == 56
    logs.put_log_events(**put, logEvents=[{"timestamp": now(), "message": "b"}], sequenceToken="stale")
    assert len(logs.get_log_events(**put)["events"]) == 2


def test_a_full_batch_is_taken(logs: Any, group: str) -> None:
    at = now()
    batch = [{"timestamp": at, "message": f"line {n}"} for n in range(10_000)]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=batch)
    found = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)["events"]
    assert [event["message"] for event in found] == [event["message"] for event in batch]
