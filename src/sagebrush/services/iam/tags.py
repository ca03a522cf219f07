"""Tags of roles."""

from collections.abc import Iterable, Mapping

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.services.iam.service import service, sliced


@service.operation
def tag_role(call: Call) -> None:
    """Add or overwrite a role's tags. Raises AwsError NoSuchEntity, InvalidInput, and LimitExceeded above 50."""
    role = call.world.identities.roles.get(call.params["RoleName"])
    try:
        call.world.records.tag(role.arn, checked(call.params["Tags"]))
    except ValueError:
        raise AwsError("LimitExceeded", "Cannot exceed quota for TagsPerRole: 50", 409) from None


@service.operation
def untag_role(call: Call) -> None:
    """Remove a role's tags by key. Raises AwsError NoSuchEntity."""
    role = call.world.identities.roles.get(call.params["RoleName"])
    call.world.records.untag(role.arn, call.params["TagKeys"])


@service.operation
def list_role_tags(call: Call) -> Result:
    """Return a role's tags by key. Raises AwsError NoSuchEntity."""
    role = call.world.identities.roles.get(call.params["RoleName"])
    return sliced(call, "Tags", listed(call.world.records.tags(role.arn)))


def checked(given: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags by key. Raises AwsError InvalidInput for a key that is there twice, or is reserved."""
    tags: dict[str, str] = {}
    for tag in given:
        key = tag["Key"]
        if key.lower() in (held.lower() for held in tags):
            message = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
            raise AwsError("InvalidInput", message)
        if key.lower().startswith("aws:"):
            raise AwsError("InvalidInput", "System tags cannot be added/updated by requester.")
        tags[key] = tag["Value"]
    return tags


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as IAM lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
