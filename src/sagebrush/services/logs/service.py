"""The service object of CloudWatch Logs, and what its families share."""

from collections.abc import Mapping
from typing import Any

from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call
from sagebrush.kernel.grammar.service import Service
from sagebrush.kernel.signals.logs import Group, Window
from sagebrush.kernel.signals.pages import unseal

service = Service("logs")

PAGE_BYTES = 1_048_576
"""What the messages of one answer may come to."""

_FOREVER = 2**62


def invalid(message: str) -> AwsError:
    """Return the refusal of bad input, as CloudWatch Logs words it."""
    return AwsError("InvalidParameterException", message)


def arn(group: Group) -> Arn:
    """Return a group's ARN, without the `:*` that stands for its streams."""
    return Arn("logs", group.region, group.account, f"log-group:{group.name}")


def find(call: Call, identifier: str) -> Group:
    """Return the group with that name or ARN."""
    if not identifier.startswith("arn:"):
        return call.world.logs.group(call.account, call.region, identifier)
    try:
        parts = Arn.parse(identifier)
    except ValueError:
        raise invalid(f"Invalid ARN: {identifier}") from None
    if parts.service != "logs" or not parts.resource.startswith("log-group:"):
        raise invalid(f"The specified ARN is not that of a log group: {identifier}")
    return call.world.logs.group(parts.account, parts.region, parts.resource.removeprefix("log-group:"))


def asked_group(call: Call) -> Group:
    """Return the group that `logGroupName` or `logGroupIdentifier` names: exactly one of them."""
    name: str = call.params.get("logGroupName", "")
    identifier: str = call.params.get("logGroupIdentifier", "")
    if name and identifier:
        raise AwsError("ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.")
    if not name and not identifier:
        raise invalid("Either logGroupName or logGroupIdentifier must be specified.")
    return find(call, name or identifier)


def window(params: Mapping[str, Any], *, inclusive: bool) -> Window:
    """Return the time range of a request; `inclusive` says whether what happens at `endTime` belongs to it."""
    start, end = params.get("startTime", 0), params.get("endTime", _FOREVER)
    return Window((min(start, _FOREVER), 0), (min(end + inclusive, _FOREVER), 0))


def position(call: Call) -> Any:
    """Return where the page that `nextToken` stands for starts; None without a token."""
    token = call.params.get("nextToken")
    if token is None:
        return None
    try:
        return unseal(call.operation.name, call.params, token)
    except ValueError:
        raise invalid("The specified nextToken is invalid.") from None
