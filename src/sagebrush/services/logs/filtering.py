"""FilterLogEvents: a search over the streams of a group."""

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.signals.logs import Group, Line, Stream, Window
from sagebrush.kernel.signals.pages import seal
from sagebrush.services.logs.patterns import matcher
from sagebrush.services.logs.service import PAGE_BYTES, asked_group, invalid, position, service, window

_SCAN = 100_000
"""Lines that one call looks at; a page may be empty and still have a successor, as on AWS."""

_FIRST_BACKWARD = 1_704_067_200_000
"""2024-01-01: AWS searches backwards only from here on."""


@service.operation
def filter_log_events(call: Call) -> Result:
    """Return the lines that match a pattern, interleaved by time, from the oldest or (`startFromHead` false) the newest.

    `interleaved` and `searchedLogStreams` have lost their meaning on AWS too.
    """
    group, asked = asked_group(call), call.params
    matches = matcher(asked.get("filterPattern", ""))
    limit: int = asked.get("limit", 10_000)
    backward, range_ = _range(call)
    events: list[Result] = []
    size, edge = 0, range_.after
    found = call.world.logs.search(group, _streams(call, group), range_, descending=backward)
    for seen, (name, line) in enumerate(found):
        hit = matches(line.message)
        size += len(line.message.encode()) if hit else 0
        if seen == _SCAN or len(events) == limit or (events and size > PAGE_BYTES):
            token = seal(call.operation.name, asked, (backward, *edge))
            return {"events": events, "searchedLogStreams": [], "nextToken": token}
        edge = (line.time, line.ordinal)
        if hit:
            events.append(_shown(group, name, line))
    return {"events": events, "searchedLogStreams": []}


def _range(call: Call) -> tuple[bool, Window]:
    """Return whether to search from the newest line, and the window that this page looks at."""
    asked = call.params
    range_ = window(asked, inclusive=True)
    if place := position(call):
        backward, time, ordinal = place
        edge = (time, ordinal)
        if backward:
            return True, Window(range_.after, min(range_.before, edge))
        return False, Window(max(range_.after, edge), range_.before)
    backward = not asked.get("startFromHead", True)
    if backward and asked.get("startTime", _FIRST_BACKWARD) < _FIRST_BACKWARD:
        raise invalid("startFromHead can be false only with a startTime on or after January 1, 2024.")
    return backward, range_


def _streams(call: Call, group: Group) -> list[Stream]:
    """Return the streams that the request asks for, by name or prefix."""
    names, prefix = call.params.get("logStreamNames"), call.params.get("logStreamNamePrefix", "")
    if names and prefix:
        raise invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
    if names:
        return [call.world.logs.stream(group, name) for name in dict.fromkeys(names)]
    return call.world.logs.streams(group, prefix=prefix)


def _shown(group: Group, stream: str, line: Line) -> Result:
    return {
        "logStreamName": stream,
        "timestamp": line.time,
        "message": line.message,
        "ingestionTime": line.ingested,
        "eventId": f"{line.time:020}{group.id:016}{line.ordinal:020}",
    }
