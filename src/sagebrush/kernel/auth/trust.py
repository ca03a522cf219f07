"""Trust policies: who may take up a role.

Source: "IAM JSON policy elements" (IAM User Guide). Of conditions, only the one on a service's source account is
evaluated. Others are read on the safe side: an Allow under a condition allows nobody, a Deny denies whom it names.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import orjson

from sagebrush.kernel.auth.identities import Identity
from sagebrush.kernel.base.errors import AwsError

_ELEMENTS = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition"}
_VERSIONS = ("2012-10-17", "2008-10-17")
_KINDS = {"AWS", "Service", "Federated", "CanonicalUser"}
_ASSUME = "sts:assumerole"


def check(text: str) -> None:
    """Raise AwsError MalformedPolicyDocument unless `text` is a trust policy."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _malformed("This policy contains invalid Json") from error
    if not isinstance(document, dict):
        raise _malformed("Syntax error in policy.")
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS or document.keys() - {"Version", "Id", "Statement"}:
        raise _malformed("Syntax error in policy.")
    statements = _listed(document.get("Statement"))
    if not statements:
        raise _malformed("Syntax error in policy.")
    for statement in statements:
        _check_statement(statement)


def allows_service(text: str, principal: str, account: str) -> bool:
    """Whether the trust policy lets a service (`sagemaker.amazonaws.com`) take up the role for `account`."""
    return _allows(text, lambda kind, value: kind == "Service" and value in (principal, "*"), account)


def allows_caller(text: str, caller: Identity) -> bool:
    """Whether the trust policy lets `caller` take up the role: by account, by role, by session or by anybody."""
    root = f"arn:aws:iam::{caller.account}:root"
    names = {"*", caller.account, root, caller.role_arn, caller.arn}
    return _allows(text, lambda kind, value: kind == "AWS" and value in names, "")


def _allows(text: str, names: Callable[[str, str], bool], source: str) -> bool:
    """Whether a statement allows sts:AssumeRole to a principal that `names` accepts, and none denies it."""
    allowed = False
    for statement in _listed(orjson.loads(text)["Statement"]):
        if not _acts(statement):
            continue
        if statement["Effect"] == "Deny":
            if "NotPrincipal" in statement or _names(statement["Principal"], names):
                return False
        elif "Principal" in statement and _holds(statement.get("Condition", {}), source):
            allowed = allowed or _names(statement["Principal"], names)
    return allowed


def _holds(condition: dict[str, Any], source: str) -> bool:
    """Whether a condition surely holds: none does but that a service acts for the account `source`."""
    return all(
        operator in ("StringEquals", "StringLike") and key.lower() == "aws:sourceaccount" and source in _listed(values)
        for operator, keys in condition.items()
        for key, values in keys.items()
    )


def _acts(statement: dict[str, Any]) -> bool:
    member = "Action" if "Action" in statement else "NotAction"
    found = any(fnmatchcase(_ASSUME, action.lower()) for action in _listed(statement[member]))
    return found == (member == "Action")


def _names(principal: Any, names: Callable[[str, str], bool]) -> bool:
    if principal == "*":
        return names("AWS", "*") or names("Service", "*")
    return any(names(kind, value) for kind, values in principal.items() for value in _listed(values))


def _check_statement(statement: Any) -> None:
    if not isinstance(statement, dict):
        raise _malformed("Syntax error in policy.")
    for prohibited in ("Resource", "NotResource"):
        if prohibited in statement:
            raise _malformed(f"Has prohibited field {prohibited}")
    if statement.keys() - _ELEMENTS:
        raise _malformed("Syntax error in policy.")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Missing required field Effect" if "Effect" not in statement else "Syntax error in policy.")
    principals = [statement[name] for name in ("Principal", "NotPrincipal") if name in statement]
    if len(principals) != 1:
        raise _malformed("Missing required field Principal")
    _check_principal(principals[0])
    condition = statement.get("Condition", {})
    if not isinstance(condition, dict) or not all(isinstance(keys, dict) for keys in condition.values()):
        raise _malformed("Syntax error in policy.")
    actions = [statement[name] for name in ("Action", "NotAction") if name in statement]
    if len(actions) != 1:
        raise _malformed("Missing required field Action")
    for action in _texts(actions[0]):
        if action != "*" and not action.lower().startswith("sts:"):
            raise _malformed("AssumeRole policy may only specify STS AssumeRole actions.")


def _check_principal(principal: Any) -> None:
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal or principal.keys() - _KINDS:
        raise _malformed("Invalid principal in policy")
    for kind, values in principal.items():
        for value in _texts(values):
            if kind == "AWS" and not (value == "*" or (value.isdigit() and len(value) == 12) or _is_arn(value)):
                raise _malformed(f'Invalid principal in policy: "{kind}":"{value}"')


def _is_arn(value: str) -> bool:
    return value.startswith("arn:aws") and value.count(":") >= 5


def _texts(value: Any) -> list[str]:
    texts = _listed(value)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise _malformed("Syntax error in policy.")
    return texts


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicyDocument", message)
