"""Tags of log groups, under the names of today's operations and of those that they replaced."""

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.services.logs.service import find, service


@service.operation
def tag_resource(call: Call) -> None:
    """Add or overwrite a group's tags; more than 50 are refused."""
    call.world.logs.change(find(call, call.params["resourceArn"]), tags=call.params["tags"])


@service.operation
def untag_resource(call: Call) -> None:
    """Remove a group's tags by key."""
    call.world.logs.change(find(call, call.params["resourceArn"]), untag=call.params["tagKeys"])


@service.operation
def list_tags_for_resource(call: Call) -> Result:
    """Return a group's tags."""
    return {"tags": dict(find(call, call.params["resourceArn"]).tags)}


@service.operation
def tag_log_group(call: Call) -> None:
    """Add or overwrite a group's tags, by the group's name."""
    call.world.logs.change(find(call, call.params["logGroupName"]), tags=call.params["tags"])


@service.operation
def untag_log_group(call: Call) -> None:
    """Remove a group's tags, by the group's name."""
    call.world.logs.change(find(call, call.params["logGroupName"]), untag=call.params["tags"])


@service.operation
def list_tags_log_group(call: Call) -> Result:
    """Return a group's tags, by the group's name."""
    return {"tags": dict(find(call, call.params["logGroupName"]).tags)}
