"""Events as EventBridge shows them, read from the outbox that records write theirs to."""

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.state.record import Event

Envelope = dict[str, Any]


class Outbox(Protocol):
    """What events are read from: `Records`, whose changes and events commit together."""

    def events(self, after: int = 0, limit: int = 100) -> list[tuple[int, float, Event]]:
        """Return (position, time in epoch seconds, event), oldest first, those after a position."""
        ...


def envelope(event: Event, *, identity: str, account: str, region: str, time: float) -> Envelope:
    """Return an event as EventBridge delivers it; `time` in epoch seconds.

    Source: "AWS service event metadata" in the Amazon EventBridge User Guide.
    """
    return {
        "version": "0",
        "id": identity,
        "detail-type": event.detail_type,
        "source": event.source,
        "account": account,
        "time": datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": list(event.resources),
        "detail": dict(event.detail),
    }


class Events:
    """The events of a platform, in the order of the changes that they tell of.

    Delivery is at least once: who needs more notes the envelope's id, which stays the same for ever.
    """

    def __init__(self, outbox: Outbox, after: int = 0) -> None:
        self._outbox = outbox
        self._after = after
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[Envelope], None]] = []

    def subscribe(self, callback: Callable[[Envelope], None]) -> Callable[[], None]:
        """Have `callback` called, from `deliver`, with every event from now on; return what ends that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def deliver(self) -> int:
        """Hand the events published since the last delivery to the subscribers; return the last one's position."""
        with self._lock:
            while published := self.recent(self._after):
                for position, event in published:
                    for callback in tuple(self._callbacks):
                        callback(event)
                    self._after = position
            return self._after

    def recent(self, after: int = 0, limit: int = 100) -> list[tuple[int, Envelope]]:
        """Return (position, envelope), oldest first, those after a position."""
        return [(position, _read(position, time, event)) for position, time, event in self._outbox.events(after, limit)]


def _read(position: int, time: float, event: Event) -> Envelope:
    arn = Arn.parse(event.resources[0])
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{arn}#{position}")
    return envelope(event, identity=str(identity), account=arn.account, region=arn.region, time=time)
