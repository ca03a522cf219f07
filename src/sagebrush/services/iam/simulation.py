"""What would be allowed: the decision that every call gets, without the call."""

import re

from sagebrush.kernel.auth.policy import decide
from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.services.iam.service import invalid, service, sliced

_NOT_EVALUATED = (
    "PolicyInputList", "PermissionsBoundaryPolicyInputList", "PolicyExclusionList", "ResourcePolicy", "ResourceOwner",
    "CallerArn", "ContextEntries", "ResourceHandlingOption",
)  # fmt: skip
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+")


@service.operation
def simulate_principal_policy(call: Call) -> Result:
    """Return, for each action on each resource, what the authorisation step would say to a session of the role.

    Raises AwsError NoSuchEntity, InvalidInput.
    """
    for member in _NOT_EVALUATED:
        if member in call.params:
            raise invalid(f"{member} is not supported by this platform: policies given here are not evaluated yet.")
    identity = call.world.identities.acting(_role(call), "simulation")
    results = []
    for action in call.params["ActionNames"]:
        if _ACTION.fullmatch(action) is None:
            raise AwsError("InvalidInput", f"Invalid Action Name: {action}. Wildcards are not supported here.")
        for resource in call.params.get("ResourceArns", ["*"]):
            decision = decide(identity, action, resource, call.world.identities)
            results.append({
                "EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision.outcome,
                "MatchedStatements": [], "MissingContextValues": [],
            })  # fmt: skip
    return sliced(call, "EvaluationResults", results)


def _role(call: Call) -> str:
    source: str = call.params["PolicySourceArn"]
    try:
        arn = Arn.parse(source)
    except ValueError:
        arn = None
    if arn is None or arn.service != "iam" or arn.kind not in ("role", "user", "group"):
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {source} does not clearly define entity type and name.")
    if arn.kind != "role" or call.world.identities.roles.id_of(source) is None:
        raise AwsError("NoSuchEntity", f"The {arn.kind} with name {arn.name} cannot be found.", 404)
    return source
