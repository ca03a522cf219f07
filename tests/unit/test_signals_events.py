"""Events: EventBridge's envelope around what records publish, and how long the outbox keeps it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.signals.events import Events
from sagebrush.kernel.state.record import Event, Record
from sagebrush.kernel.state.records import SCHEMA, Records
from sagebrush.kernel.state.sqlite import Database

ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/job"
JOB = Record(
    "sagemaker:TrainingJob", "123456789012", "us-east-1", "job", ARN, "InProgress", 1795249581.5, 1795249581.5, {}
)
EVENT = Event("aws.sagemaker", "SageMaker Training Job State Change", {"TrainingJobStatus": "InProgress"}, (ARN,))


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    database = Database(tmp_path / "state.db", SCHEMA)
    yield Records(database)
    database.close()


def test_an_event_is_enveloped_as_eventbridge_does(records: Records) -> None:
    records.create(JOB, events=[EVENT])
    events = Events(records, MovableClock())
    ((_, found),) = events.recent()
    assert found == {
        "version": "0",
        "id": found["id"],
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "account": "123456789012",
        "time": "2026-11-21T08:26:21Z",
        "region": "us-east-1",
        "resources": [ARN],
        "detail": {"TrainingJobStatus": "InProgress"},
    }
    assert events.recent() == events.recent()


def test_events_come_in_the_order_of_the_changes_and_from_a_position_on(records: Records) -> None:
    job = records.create(JOB, events=[EVENT])
    for status in ("Stopping", "Stopped"):
        job = records.save(replace(job, status=status), [replace(EVENT, detail={"TrainingJobStatus": status})])
    events = Events(records, MovableClock())
    found = events.recent()
    assert [event["detail"]["TrainingJobStatus"] for _, event in found] == ["InProgress", "Stopping", "Stopped"]
    assert events.recent(after=found[0][0]) == found[1:]
    assert len({event["id"] for _, event in found}) == 3


def test_the_outbox_keeps_a_day(records: Records) -> None:
    clock = MovableClock()
    records.create(replace(JOB, modified=clock.now()), events=[EVENT])
    events = Events(records, clock)
    clock.advance(86_000)
    events.expire()
    assert len(events.recent()) == 1
    clock.advance(500)
    events.expire()
    assert events.recent() == []
