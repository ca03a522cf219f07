"""Events: EventBridge's envelope, and delivery to those who subscribed."""

from datetime import UTC, datetime

from sagebrush.kernel.signals.events import Envelope, Events, envelope
from sagebrush.kernel.state.record import Event

ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/j"


class Memory:
    """An outbox that was written to before anybody asked."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, float, Event]] = []

    def publish(self, status: str) -> None:
        event = Event("aws.sagemaker", "SageMaker Training Job State Change", {"TrainingJobStatus": status}, (ARN,))
        self.rows.append((len(self.rows) + 1, 1_700_000_000.9, event))

    def events(self, after: int = 0, limit: int = 100) -> list[tuple[int, float, Event]]:
        return self.rows[after : after + limit]


def test_the_envelope_is_eventbridge_s() -> None:
    event = Event("aws.sagemaker", "SageMaker Training Job State Change", {"TrainingJobName": "j"}, (ARN,))
    time = datetime(2026, 11, 21, 8, 9, 10, 999_000, tzinfo=UTC).timestamp()
    assert envelope(event, identity="an-id", account="123456789012", region="us-east-1", time=time) == {
        "version": "0",
        "id": "an-id",
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "account": "123456789012",
        "time": "2026-11-21T08:09:10Z",
        "region": "us-east-1",
        "resources": [ARN],
        "detail": {"TrainingJobName": "j"},
    }


def test_subscribers_get_every_event_once_and_in_order() -> None:
    outbox = Memory()
    outbox.publish("InProgress")
    events = Events(outbox)
    seen: list[Envelope] = []
    stop = events.subscribe(seen.append)
    for n in range(250):
        outbox.publish(str(n))
    assert events.deliver() == 251
    assert events.deliver() == 251
    assert [e["detail"]["TrainingJobStatus"] for e in seen] == ["InProgress", *map(str, range(250))]
    stop()
    outbox.publish("after")
    events.deliver()
    assert len(seen) == 251


def test_an_event_keeps_its_id() -> None:
    outbox = Memory()
    outbox.publish("a")
    outbox.publish("a")
    first, second = ([event["id"] for _, event in Events(outbox).recent()] for _ in range(2))
    assert first == second
    assert len(set(first)) == 2


def test_a_subscriber_that_breaks_gets_the_event_again() -> None:
    outbox = Memory()
    outbox.publish("a")
    events = Events(outbox)
    seen: list[Envelope] = []

    def breaks_once(event: Envelope) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise OSError("the network is down")

    events.subscribe(breaks_once)
    try:
        events.deliver()
    except OSError:
        events.deliver()
    assert [event["id"] for event in seen] == [seen[0]["id"]] * 2
