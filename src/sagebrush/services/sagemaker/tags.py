"""AddTags, ListTags and DeleteTags, over every kind of resource."""

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.grammar.members import tags_in
from sagebrush.services.sagemaker.service import service


def _resource(call: Call) -> str:
    arn: str = call.params["ResourceArn"]
    record = call.world.records.by_arn(arn)
    if record is None or not record.kind.startswith("sagemaker:"):
        raise AwsError("ResourceNotFound", f"Resource {arn} does not exist.")
    return record.arn


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@service.operation
def add_tags(call: Call) -> Result:
    """Add or overwrite tags; answer with all of them. More than 50, or a key of AWS's own, is refused."""
    tags = tags_in(call.params)
    try:
        return {"Tags": _listed(call.world.records.tag(_resource(call), tags))}
    except ValueError:
        raise AwsError("ResourceLimitExceeded", "A resource can have at most 50 tags.") from None


@service.operation
def list_tags(call: Call) -> Result:
    """List a resource's tags, by key. The token is the last key shown."""
    tags = _listed(call.world.records.tags(_resource(call)))
    start: str = call.params.get("NextToken", "")
    limit: int = call.params.get("MaxResults", 50)
    left = [tag for tag in tags if tag["Key"] > start]
    more = len(left) > limit
    return {"Tags": left[:limit], "NextToken": left[limit - 1]["Key"] if more else None}


@service.operation
def delete_tags(call: Call) -> Result:
    """Remove tags by key."""
    call.world.records.untag(_resource(call), call.params["TagKeys"])
    return {}
