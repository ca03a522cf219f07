"""Writing a stream, and reading it page by page."""

import re
from collections.abc import Iterable

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.signals.logs import Group, Line, Position, Window
from sagebrush.services.logs.service import PAGE_BYTES, asked_group, find, invalid, service, window

_HOUR, _DAY = 3_600_000, 86_400_000
_OVERHEAD = 26
"""Bytes that count for an event besides its message."""

_TOKEN = re.compile(r"([fb])/(\d{28})(\d{28})/s", re.ASCII)


@service.operation
def put_log_events(call: Call) -> Result:
    """Add a batch of events; those too old, too new or past the retention are left out and named in the answer."""
    group = find(call, call.params["logGroupName"])
    name: str = call.params["logStreamName"]
    call.world.logs.stream(group, name)
    events = [(event["timestamp"], event["message"]) for event in call.params["logEvents"]]
    _check(events)
    now = int(call.now * 1000)
    rejected = _rejected(group, [time for time, _ in events], now)
    start = max(rejected.get("tooOldLogEventEndIndex", 0), rejected.get("expiredLogEventEndIndex", 0))
    call.world.logs.put(group, name, events[start : rejected.get("tooNewLogEventStartIndex")])
    return {"nextSequenceToken": f"{now:056}", "rejectedLogEventsInfo": rejected or None}


def _check(events: list[tuple[int, str]]) -> None:
    """Refuse a batch that is too large, out of order or spans too long a time."""
    sizes = [len(message.encode()) + _OVERHEAD for _, message in events]
    if (largest := max(sizes)) > PAGE_BYTES:
        raise invalid(f"Log event too large: {largest} bytes exceeds limit of {PAGE_BYTES}")
    if (total := sum(sizes)) > PAGE_BYTES:
        raise invalid(f"Upload too large: {total} bytes exceeds limit of {PAGE_BYTES}")
    times = [time for time, _ in events]
    if times != sorted(times):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if times[-1] - times[0] > _DAY:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")


def _rejected(group: Group, times: list[int], now: int) -> dict[str, int]:
    """Return rejectedLogEventsInfo: where the refused old ones end (exclusive) and where the too new ones start."""
    old = sum(time < now - 14 * _DAY for time in times)
    expired = sum(time < now - group.retention * _DAY for time in times) if group.retention else 0
    new = sum(time > now + 2 * _HOUR for time in times)
    ends = {"tooOldLogEventEndIndex": old, "expiredLogEventEndIndex": expired}
    starts = {"tooNewLogEventStartIndex": len(times) - new} if new else {}
    return {name: end for name, end in ends.items() if end} | starts


@service.operation
def get_log_events(call: Call) -> Result:
    """Return a page of a stream, in the order of time, with the tokens of the pages on both its sides.

    At an end of the stream the token of that direction is the one that was given, as clients expect.
    """
    group, asked = asked_group(call), call.params
    range_ = window(asked, inclusive=False)
    forward: bool = asked.get("startFromHead", False)
    token: str | None = asked.get("nextToken")
    if token is None:
        gap = range_.after
    else:
        forward, gap = _place(token)
        range_ = (
            Window(max(range_.after, gap), range_.before) if forward else Window(range_.after, min(range_.before, gap))
        )
    lines = call.world.logs.read(
        group, asked["logStreamName"], range_, descending=not forward, limit=asked.get("limit", 10_000)
    )
    page = _page(lines)
    if not forward:
        page.reverse()
    before, after = _edges(page, gap, ahead=forward or token is None)
    return {
        "events": [{"timestamp": e.time, "message": e.message, "ingestionTime": e.ingested} for e in page],
        "nextForwardToken": _token("f", after),
        "nextBackwardToken": _token("b", before),
    }


def _page(lines: Iterable[Line]) -> list[Line]:
    """Return as many of the first lines as one answer can hold."""
    page: list[Line] = []
    size = 0
    for line in lines:
        size += len(line.message.encode())
        if page and size > PAGE_BYTES:
            break
        page.append(line)
    return page


def _edges(page: list[Line], gap: Position, *, ahead: bool) -> tuple[Position, Position]:
    """Return the positions before and after which the neighbouring pages lie.

    Beside an empty page both lie at `gap`, which is the line before it (`ahead`) or the line after it.
    """
    if page:
        return (page[0].time, page[0].ordinal), (page[-1].time, page[-1].ordinal)
    time, ordinal = gap
    return ((time, ordinal + 1), gap) if ahead else (gap, (time, ordinal - 1))


def _token(way: str, place: Position) -> str:
    return f"{way}/{place[0]:028}{place[1]:028}/s"


def _place(token: str) -> tuple[bool, Position]:
    """Return whether a token goes forward, and the position it starts from."""
    match = _TOKEN.fullmatch(token)
    time, ordinal = (int(match[2]), int(match[3])) if match else (0, -1)
    if match is None or max(time, ordinal) > 2**62 or (match[1] == "b" and not ordinal):
        raise invalid("The specified nextToken is invalid.")
    return match[1] == "f", (time, ordinal)
