"""Reading CloudWatch Logs through boto3: GetLogEvents page by page, and FilterLogEvents."""

import itertools
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Platform

INVALID_TOKEN = "The specified nextToken is invalid."


@pytest.fixture
def logs(platform: Platform) -> Any:
    return platform.client("logs")


@pytest.fixture
def group(logs: Any) -> str:
    return new_group(logs)


def new_group(logs: Any) -> str:
    name = f"/test/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=name)
    return name


def put(logs: Any, group: str, stream: str, *events: tuple[int, str]) -> None:
    if stream not in {s["logStreamName"] for s in logs.describe_log_streams(logGroupName=group)["logStreams"]}:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    batch = [{"timestamp": at, "message": message} for at, message in events]
    if batch:
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=batch)


def now() -> int:
    return int(time.time() * 1000)


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def refused(code: str, message: str) -> Any:
    return pytest.RaisesExc(
        ClientError, check=lambda e: (e.response["Error"]["Code"], e.response["Error"]["Message"]) == (code, message)
    )


def test_a_tail_reads_until_an_empty_page_whose_token_stays(logs: Any, group: str) -> None:
    """What both sagemaker SDKs do to print a job's log while it runs."""
    at = now()
    read = {"logGroupName": group, "logStreamName": "j/algo-1", "startFromHead": True}
    put(logs, group, "j/algo-1")
    first = logs.get_log_events(**read)
    assert messages(first) == []
    put(logs, group, "j/algo-1", (at, "a"), (at, "b"))
    second = logs.get_log_events(**read, nextToken=first["nextForwardToken"])
    assert messages(second) == ["a", "b"]
    end = logs.get_log_events(**read, nextToken=second["nextForwardToken"])
    assert (messages(end), end["nextForwardToken"]) == ([], second["nextForwardToken"])
    put(logs, group, "j/algo-1", (at, "c"))
    assert messages(logs.get_log_events(**read, nextToken=end["nextForwardToken"])) == ["c"]
    assert messages(logs.get_log_events(**read, nextToken=end["nextBackwardToken"])) == ["a", "b"]


def test_without_a_direction_the_newest_page_comes_first(logs: Any, group: str) -> None:
    at = now()
    put(logs, group, "s", *[(at + n, str(n)) for n in range(5)])
    read = {"logGroupName": group, "logStreamName": "s", "limit": 2}
    page = logs.get_log_events(**read)
    assert messages(page) == ["3", "4"]
    page = logs.get_log_events(**read, nextToken=page["nextBackwardToken"])
    assert messages(page) == ["1", "2"]
    page = logs.get_log_events(**read, nextToken=page["nextBackwardToken"])
    assert messages(page) == ["0"]
    start = logs.get_log_events(**read, nextToken=page["nextBackwardToken"])
    assert (messages(start), start["nextBackwardToken"]) == ([], page["nextBackwardToken"])
    assert messages(logs.get_log_events(**read, nextToken=start["nextForwardToken"])) == ["0", "1"]


def test_events_carry_their_own_time_and_that_of_their_arrival(logs: Any, group: str) -> None:
    at = now()
    put(logs, group, "s", (at - 1000, "m"))
    [event] = logs.get_log_events(logGroupName=group, logStreamName="s")["events"]
    assert (event["timestamp"], event["message"]) == (at - 1000, "m")
    assert at - 5 <= event["ingestionTime"] <= now() + 5


def test_the_start_belongs_to_a_range_and_the_end_does_not(logs: Any, group: str) -> None:
    at = now()
    put(logs, group, "s", *[(at + n, str(n)) for n in range(5)])
    part = {"startTime": at + 1, "endTime": at + 3}
    assert messages(logs.get_log_events(logGroupName=group, logStreamName="s", **part)) == ["1", "2"]
    assert messages(logs.filter_log_events(logGroupName=group, **part)) == ["1", "2", "3"], "there the end does too"
    beyond = {"startTime": 2**63 - 1, "endTime": 2**63 - 1}
    assert messages(logs.get_log_events(logGroupName=group, logStreamName="s", **beyond)) == []


def test_a_page_holds_a_megabyte(logs: Any, group: str) -> None:
    at = now()
    for n in range(3):
        put(logs, group, "s", (at + n, str(n) * 500_000))
    put(logs, group, "s", (at + 3, "x" * 1_048_550))
    read = {"logGroupName": group, "logStreamName": "s", "startFromHead": True}
    sizes: list[int] = []
    token: dict[str, str] = {}
    while found := (page := logs.get_log_events(**read, **token))["events"]:
        sizes.append(len(found))
        token = {"nextToken": page["nextForwardToken"]}
    assert sizes == [2, 1, 1]
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    assert [len(page["events"]) for page in pages] == [2, 1, 1]


@pytest.mark.parametrize(
    "token", ["x", "f/1/s", f"b/{0:056}/s", f"f/{9 * 10**27}{0:028}/s", f"g/{0:056}/s", f"f/{0:056}/s\n"]
)
def test_a_token_that_is_none_is_refused(logs: Any, group: str, token: str) -> None:
    put(logs, group, "s")
    with refused("InvalidParameterException", INVALID_TOKEN):
        logs.get_log_events(logGroupName=group, logStreamName="s", nextToken=token)
    with refused("InvalidParameterException", INVALID_TOKEN):
        logs.filter_log_events(logGroupName=group, nextToken=token)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 5), min_size=1, max_size=14), st.integers(1, 5), st.integers(0, 5), st.integers(1, 6))
def test_pages_in_both_directions_are_the_sorted_list(
    logs: Any, offsets: list[int], size: int, first: int, length: int
) -> None:
    group, at = new_group(logs), now()
    for number, offset in enumerate(offsets):
        put(logs, group, "s", (at + offset, str(number)))
    window = {"startTime": at + first, "endTime": at + first + length}
    expected = [
        str(n) for at_, n in sorted(zip(offsets, itertools.count(), strict=False)) if first <= at_ < first + length
    ]
    read = {"logGroupName": group, "logStreamName": "s", "limit": size, **window}
    forwards: list[str] = []
    backwards: list[str] = []
    token: dict[str, str] = {}
    while page := messages(answer := logs.get_log_events(**read, startFromHead=True, **token)):
        forwards += page
        token = {"nextToken": answer["nextForwardToken"]}
    token = {}
    while page := messages(answer := logs.get_log_events(**read, **token)):
        backwards = page + backwards
        token = {"nextToken": answer["nextBackwardToken"]}
    assert forwards == backwards == expected


def test_a_search_interleaves_streams(logs: Any, group: str) -> None:
    at = now()
    put(logs, group, "a", (at, "one"), (at + 2, "three"))
    put(logs, group, "b", (at + 1, "two"), (at + 3, "four"))
    put(logs, group, "c", (at + 1, "hidden"))
    answer = logs.filter_log_events(logGroupName=group, logStreamNames=["a", "b"])
    assert [(e["logStreamName"], e["message"]) for e in answer["events"]] == [
        ("a", "one"), ("b", "two"), ("a", "three"), ("b", "four"),
    ]  # fmt: skip
    assert answer["searchedLogStreams"] == []
    assert len({event["eventId"] for event in answer["events"]}) == 4
    backwards = logs.filter_log_events(logGroupName=group, logStreamNames=["a", "b"], startFromHead=False)
    assert messages(backwards) == ["four", "three", "two", "one"]
    assert messages(logs.filter_log_events(logGroupName=group, logStreamNamePrefix="c")) == ["hidden"]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("from_head", [True, False])
def test_a_search_in_pages(logs: Any, group: str, size: int, from_head: bool) -> None:
    at = now()
    put(logs, group, "a", *[(at + n // 3, f"{'yes' if n % 2 else 'no'} {n}") for n in range(12)])
    put(logs, group, "b", *[(at + n, f"yes b{n}") for n in range(3)])
    whole = messages(logs.filter_log_events(logGroupName=group, filterPattern="yes", startFromHead=from_head))
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, filterPattern="yes", startFromHead=from_head, PaginationConfig={"PageSize": size}
    )
    assert [message for page in pages for message in messages(page)] == whole
    assert len(whole) == 9


def test_a_search_s_token_keeps_its_direction_and_its_request(logs: Any, group: str) -> None:
    at = now()
    put(logs, group, "s", *[(at + n, str(n)) for n in range(4)])
    token = logs.filter_log_events(logGroupName=group, limit=1, startFromHead=False)["nextToken"]
    assert messages(logs.filter_log_events(logGroupName=group, nextToken=token)) == ["2", "1", "0"]
    with refused("InvalidParameterException", INVALID_TOKEN):
        logs.filter_log_events(logGroupName=group, nextToken=token, filterPattern="3")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("ERROR", [0, 1]),
        ("ERROR -disk", [1]),
        ("?disk ?fine", [0, 2]),
        ('"ERROR: disk"', [0]),
        ("%ERR.*full$%", [0]),
        ('{ $.level = "error" && $.took > 3 }', [3]),
        ("[word, rest]", [2]),
    ],
)
def test_patterns(logs: Any, group: str, pattern: str, expected: list[int]) -> None:
    lines = [
        "ERROR: disk full",
        "ERROR other",
        "fine there",
        '{"level": "error", "took": 4}',
        '{"level":"error","took":1}',
    ]
    lines[1] += " words"
    put(logs, group, "s", *[(now(), line) for line in lines[:1]])
    put(logs, group, "s", *[(now(), line) for line in lines[1:]])
    assert messages(logs.filter_log_events(logGroupName=group, filterPattern=pattern)) == [lines[n] for n in expected]


def test_requests_that_contradict_themselves(logs: Any, group: str) -> None:
    put(logs, group, "s")
    with pytest.raises(logs.exceptions.InvalidParameterException, match="mutually exclusive"):
        logs.filter_log_events(logGroupName=group, logStreamNames=["s"], logStreamNamePrefix="s")
    with refused("ResourceNotFoundException", "The specified log stream does not exist."):
        logs.filter_log_events(logGroupName=group, logStreamNames=["s", "none"])
    with refused("InvalidParameterException", "Invalid character(s) in term ':'"):
        logs.filter_log_events(logGroupName=group, filterPattern="?Status: timeout")
    with pytest.raises(logs.exceptions.InvalidParameterException, match="2024"):
        logs.filter_log_events(logGroupName=group, startFromHead=False, startTime=0)


def test_lines_survive_kill(own_platform: Platform) -> None:
    logs = own_platform.client("logs")
    group = new_group(logs)
    put(logs, group, "s", *[(now(), str(n)) for n in range(100)])
    own_platform.kill()
    own_platform.start()
    logs = own_platform.client("logs")
    found = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)
    assert messages(found) == [str(n) for n in range(100)]
