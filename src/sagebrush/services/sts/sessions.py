"""Sessions: who the caller is, and whom it may be for a while."""

from collections.abc import Iterable
from typing import Any

from sagebrush.kernel.auth import trust
from sagebrush.kernel.auth.identities import Credential
from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.record import Record
from sagebrush.services.sts.service import service

_CHAINED_SECONDS = 3600
_NEED_EVALUATION = (
    "PolicyArns", "Policy", "Tags", "TransitiveTagKeys", "ExternalId", "SerialNumber", "TokenCode", "SourceIdentity",
    "ProvidedContexts", "MinimumSessionTokenSize",
)  # fmt: skip
_NEED_DEVICES = ("SerialNumber", "TokenCode", "MinimumSessionTokenSize")


@service.operation
def get_caller_identity(call: Call) -> Result:
    """Tell the caller's account, ARN and unique id; nobody may be denied this."""
    identity = call.identity
    return {"UserId": identity.user_id, "Account": identity.account, "Arn": identity.arn}


@service.operation
def assume_role(call: Call) -> Result:
    """Return temporary credentials of a role whose trust policy names the caller.

    Raises AwsError AccessDenied for a role that is not there or does not trust the caller, ValidationError for a
    session that would last longer than the role, or the caller's own session, allows.
    """
    _refuse(call, _NEED_EVALUATION)
    role = _trusting(call)
    seconds = call.params.get("DurationSeconds", 3600)
    if seconds > role["MaxSessionDuration"]:
        raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    identities = call.world.identities
    if seconds > _CHAINED_SECONDS and call.identity.access_key != identities.root.access_key:
        raise _invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    credential = identities.vend(role.arn, call.params["RoleSessionName"], seconds)
    user = {"AssumedRoleId": credential.identity.user_id, "Arn": credential.identity.arn}
    return {"Credentials": _credentials(credential), "AssumedRoleUser": user}


@service.operation
def get_session_token(call: Call) -> Result:
    """Return temporary credentials of the root key, which act as it does. Raises AwsError AccessDenied to sessions."""
    _refuse(call, _NEED_DEVICES)
    root = call.world.identities.root.identity
    if call.identity != root:
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    seconds = call.params.get("DurationSeconds", 43200)
    return {"Credentials": _credentials(call.world.identities.vend(root.role_arn, root.session, seconds))}


def _trusting(call: Call) -> Record:
    """Return the role that is to be assumed, if it is there and trusts the caller."""
    arn: str = call.params["RoleArn"]
    try:
        parts = Arn.parse(arn)
    except ValueError:
        raise _invalid(f"{arn} is invalid") from None
    if parts.service != "iam" or not parts.resource.startswith("role/"):
        raise _invalid(f"{arn} is invalid")
    roles = call.world.identities.roles
    if roles.id_of(arn) is not None:
        role = roles.by_arn(arn)
        if trust.allows_caller(role["AssumeRolePolicyDocument"], call.identity):
            return role
    message = f"User: {call.identity.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    raise AwsError("AccessDenied", message, 403)


def _credentials(credential: Credential) -> dict[str, Any]:
    return {
        "AccessKeyId": credential.access_key,
        "SecretAccessKey": credential.secret,
        "SessionToken": credential.token,
        "Expiration": credential.identity.expires,
    }


def _refuse(call: Call, members: Iterable[str]) -> None:
    for member in members:
        if member in call.params:
            raise _invalid(f"{member} is not supported by this platform: it would change what the session may do.")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)
