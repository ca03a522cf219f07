"""May this identity do this? The one step that every call passes, from outside and from inside.

What holds today: the caller's session lives and belongs to this account. Policies of identities and resources are
evaluated in `decide`, and nowhere else.
"""

from dataclasses import dataclass
from typing import Literal

from sagebrush.kernel.auth.identities import Identities, Identity
from sagebrush.kernel.auth.refusals import refuse


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, as SimulatePrincipalPolicy names it, and why."""

    outcome: Literal["allowed", "explicitDeny", "implicitDeny"]
    reason: str = ""


_ALLOWED = Decision("allowed")
_FOREIGN = Decision("implicitDeny", "no identity-based policy of another account allows it here")
_ENDED = Decision("explicitDeny", "the session has ended")


def decide(identity: Identity, action: str, resource: str, identities: Identities) -> Decision:  # noqa: ARG001
    """Return whether `identity` may do `action` (`sagemaker:CreateTrainingJob`) on the ARN `resource`.

    `action` and `resource` are what policies speak of; a caller whose session lives may do all in its account.
    """
    if identity.account != identities.account:
        return _FOREIGN
    ended = identity.expires is not None and identity.expires <= identities.now()
    return _ENDED if ended or not identities.alive(identity) else _ALLOWED


def authorise(identity: Identity, action: str, resource: str, identities: Identities, protocol: str = "json") -> None:
    """Raise AwsError AccessDenied, as services of `protocol` word it, unless `decide` allows the call."""
    decision = decide(identity, action, resource, identities)
    if decision.outcome != "allowed":
        on = "" if resource == "*" else f" on resource: {resource}"
        message = f"User: {identity.arn} is not authorized to perform: {action}{on} because {decision.reason}"
        raise refuse("denied", protocol, message)
