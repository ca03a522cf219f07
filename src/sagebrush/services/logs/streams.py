"""Log streams."""

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.signals.logs import Group, Stream
from sagebrush.kernel.signals.pages import seal
from sagebrush.services.logs.service import arn, asked_group, find, invalid, position, service


@service.operation
def create_log_stream(call: Call) -> None:
    """Create a stream."""
    call.world.logs.create_stream(find(call, call.params["logGroupName"]), call.params["logStreamName"])


@service.operation
def delete_log_stream(call: Call) -> None:
    """Delete a stream and its lines."""
    call.world.logs.delete_stream(find(call, call.params["logGroupName"]), call.params["logStreamName"])


@service.operation
def describe_log_streams(call: Call) -> Result:
    """List a group's streams, by name or by the time of their last line.

    `nextToken` is there only when more streams are: version 2 of the sagemaker SDK asks the same page again and again
    where it sees one.
    """
    asked = call.params
    by_time = asked.get("orderBy") == "LastEventTime"
    prefix: str = asked.get("logStreamNamePrefix", "")
    if by_time and prefix:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    group, limit = asked_group(call), asked.get("limit", 50)
    after = position(call)
    found = call.world.logs.streams(
        group,
        prefix=prefix,
        by_time=by_time,
        descending=asked.get("descending", False),
        after=tuple(after) if after else None,
        limit=limit + 1,
    )
    shown = [_shown(group, stream) for stream in found[:limit]]
    if len(found) <= limit:
        return {"logStreams": shown}
    last = found[limit - 1]
    place = (last.last or 0 if by_time else last.name, last.id)
    return {"logStreams": shown, "nextToken": seal(call.operation.name, asked, place)}


def _shown(group: Group, stream: Stream) -> Result:
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "firstEventTimestamp": stream.first,
        "lastEventTimestamp": stream.last,
        "lastIngestionTime": stream.ingested,
        "uploadSequenceToken": None if stream.ingested is None else f"{stream.ingested:056}",
        "arn": f"{arn(group)}:log-stream:{stream.name}",
        "storedBytes": 0,
    }
