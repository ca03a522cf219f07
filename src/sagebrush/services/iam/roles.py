"""Roles: created, shown, changed, removed."""

from urllib.parse import quote

from sagebrush.kernel.auth import trust
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.record import Record
from sagebrush.services.iam import tags
from sagebrush.services.iam.service import invalid, limit, paged, position, service

_TRUST_LIMIT = 2048  # characters of a trust policy, blanks not counted


@service.operation
def create_role(call: Call) -> Result:
    """Create a role. Raises AwsError EntityAlreadyExists, MalformedPolicyDocument, LimitExceeded."""
    if "PermissionsBoundary" in call.params:
        raise invalid("PermissionsBoundary is not supported by this platform: boundaries are not evaluated yet.")
    _check_trust(call.params["AssumeRolePolicyDocument"])
    members = {name: value for name, value in call.params.items() if name != "Tags"}
    given = tags.checked(call.params.get("Tags", []))
    role = call.world.identities.roles.create(members, given)
    return {"Role": _shown(role, given)}


@service.operation
def get_role(call: Call) -> Result:
    """Describe a role. Raises AwsError NoSuchEntity."""
    role = call.world.identities.roles.get(call.params["RoleName"])
    return {"Role": _shown(role, call.world.records.tags(role.arn))}


@service.operation
def list_roles(call: Call) -> Result:
    """Return roles by name, those below a path if one is given; tags are left out, as AWS does."""
    prefix = call.params.get("PathPrefix", "/")
    page = call.world.identities.roles.list(prefix, limit(call), position(call))
    return paged(call, "Roles", [_shown(role, {}) for role in page.records], page.next)


@service.operation
def update_role(call: Call) -> None:
    """Change a role's description or its longest session. Raises AwsError NoSuchEntity."""
    changes = {name: value for name, value in call.params.items() if name != "RoleName"}
    call.world.identities.roles.update(call.params["RoleName"], **changes)


@service.operation
def update_assume_role_policy(call: Call) -> None:
    """Replace a role's trust policy. Raises AwsError NoSuchEntity, MalformedPolicyDocument, LimitExceeded."""
    document = call.params["PolicyDocument"]
    _check_trust(document)
    call.world.identities.roles.update(call.params["RoleName"], AssumeRolePolicyDocument=document)


@service.operation
def delete_role(call: Call) -> None:
    """Remove a role; its sessions are refused from now on. Raises AwsError NoSuchEntity, UnmodifiableEntity."""
    call.world.identities.roles.delete(call.params["RoleName"])


def _check_trust(document: str) -> None:
    trust.check(document)
    if len("".join(document.split())) > _TRUST_LIMIT:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {_TRUST_LIMIT}", 409)


def _shown(role: Record, held: dict[str, str]) -> Result:
    """Return a role as IAM shows it: its policy URL-encoded (RFC 3986)."""
    shown = {**role.body, "AssumeRolePolicyDocument": quote(role["AssumeRolePolicyDocument"], safe="")}
    return {**shown, "Tags": tags.listed(held)} if held else shown
