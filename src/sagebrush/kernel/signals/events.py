"""Events as EventBridge shows them, read from the outbox that records write theirs to.

A change and its events commit together, so none is lost and none tells of what did not happen. The outbox keeps a day.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from sagebrush.kernel.base.clock import Clock
from sagebrush.kernel.state.records import Published, Records

Envelope = dict[str, Any]

_KEPT = 86_400.0


class Events:
    """The events of a platform, in the order of the changes that they tell of."""

    def __init__(self, outbox: Records, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    def recent(self, after: int = 0, limit: int = 100) -> list[tuple[int, Envelope]]:
        """Return (position, envelope), oldest first, those after a position."""
        return [(published.position, envelope(published)) for published in self._outbox.events(after, limit)]

    def expire(self) -> None:
        """Drop what is older than a day."""
        self._outbox.forget_events(self._clock.now() - _KEPT)


def envelope(published: Published) -> Envelope:
    """Return an event as EventBridge delivers it; its id stays the same for ever.

    Source: "AWS service event metadata" in the Amazon EventBridge User Guide.
    """
    event = published.event
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{published.account}/{published.region}/{published.position}")
    return {
        "version": "0",
        "id": str(identity),
        "detail-type": event.detail_type,
        "source": event.source,
        "account": published.account,
        "time": datetime.fromtimestamp(int(published.time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": published.region,
        "resources": list(event.resources),
        "detail": dict(event.detail),
    }
