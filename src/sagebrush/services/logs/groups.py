"""Log groups."""

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.signals.logs import Group
from sagebrush.kernel.signals.pages import seal
from sagebrush.services.logs.service import arn, find, invalid, position, service

RETENTIONS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip

_CLASSES = ("STANDARD", "INFREQUENT_ACCESS")
_ELSEWHERE = ("includeLinkedAccounts", "accountIdentifiers")


@service.operation
def create_log_group(call: Call) -> None:
    """Create a group. The key and the storage class are recorded; classes that hide their lines are refused."""
    asked = call.params
    log_class = asked.get("logGroupClass", "STANDARD")
    if log_class not in _CLASSES:
        raise invalid(f"logGroupClass {log_class} is not supported by this platform.")
    call.world.logs.create_group(
        call.account,
        call.region,
        asked["logGroupName"],
        tags=asked.get("tags"),
        log_class=log_class,
        kms_key=asked.get("kmsKeyId", ""),
        protected=asked.get("deletionProtectionEnabled", False),
    )


@service.operation
def delete_log_group(call: Call) -> None:
    """Delete a group with all its streams."""
    call.world.logs.delete_group(find(call, call.params["logGroupName"]))


@service.operation
def put_log_group_deletion_protection(call: Call) -> None:
    """Protect a group from deletion, or no longer."""
    group = find(call, call.params["logGroupIdentifier"])
    call.world.logs.change(group, protected=call.params["deletionProtectionEnabled"])


@service.operation
def put_retention_policy(call: Call) -> None:
    """Keep a group's lines for so many days; older ones are gone at once."""
    days: int = call.params["retentionInDays"]
    if days not in RETENTIONS:
        raise invalid(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint:"
            f" Member must satisfy enum value set: [{', '.join(map(str, RETENTIONS))}]"
        )
    call.world.logs.change(find(call, call.params["logGroupName"]), retention=days)


@service.operation
def delete_retention_policy(call: Call) -> None:
    """Keep a group's lines for ever."""
    call.world.logs.change(find(call, call.params["logGroupName"]), retention=0)


@service.operation
def describe_log_groups(call: Call) -> Result:
    """List groups by name: by prefix, by a part of the name, or the named ones."""
    asked = call.params
    if asked.get("logGroupNamePrefix") and asked.get("logGroupNamePattern"):
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    if "logGroupIdentifiers" in asked:
        return _named(call)
    if call.account not in asked.get("accountIdentifiers", (call.account,)):
        return {"logGroups": []}
    limit: int = asked.get("limit", 50)
    found = call.world.logs.groups(
        call.account,
        call.region,
        prefix=asked.get("logGroupNamePrefix", ""),
        part=asked.get("logGroupNamePattern", ""),
        after=position(call) or "",
        limit=limit + 1,
    )
    more = len(found) > limit
    shown = [_shown(group) for group in found[:limit] if asked.get("logGroupClass", group.log_class) == group.log_class]
    if not more:
        return {"logGroups": shown}
    return {"logGroups": shown, "nextToken": seal(call.operation.name, asked, found[limit - 1].name)}


def _named(call: Call) -> Result:
    if call.params.keys() - {"logGroupIdentifiers", *_ELSEWHERE}:
        raise invalid("logGroupIdentifiers cannot be combined with other filters.")
    shown = []
    for identifier in call.params["logGroupIdentifiers"]:
        try:
            shown.append(_shown(find(call, identifier)))
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
    return {"logGroups": shown}


def _shown(group: Group) -> Result:
    plain = str(arn(group))
    return {
        "logGroupName": group.name,
        "creationTime": group.created,
        "retentionInDays": group.retention,
        "metricFilterCount": 0,
        "arn": f"{plain}:*",
        "logGroupArn": plain,
        "storedBytes": group.bytes,
        "kmsKeyId": group.kms_key or None,
        "logGroupClass": group.log_class,
        "deletionProtectionEnabled": group.protected,
    }
