"""Trust policies: who may take up a role."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.signing import identities

from sagebrush.kernel.auth import trust
from sagebrush.kernel.auth.identities import Identities
from sagebrush.kernel.base.errors import AwsError


@pytest.fixture
def known(tmp_path: Path) -> Identities:
    return identities(tmp_path)


def policy(*statements: dict[str, Any]) -> str:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    trust.check(text)
    return text


def allow(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}


ACCOUNT = "123456789012"
SAGEMAKER = "sagemaker.amazonaws.com"


def test_the_named_services_are_trusted() -> None:
    text = policy(allow({"Service": [SAGEMAKER, "glue.amazonaws.com"]}))
    assert trust.allows_service(text, SAGEMAKER, ACCOUNT)
    assert not trust.allows_service(text, "lambda.amazonaws.com", ACCOUNT)


def test_callers_are_trusted_by_account_role_session_or_at_large(known: Identities) -> None:
    caller = known.root.identity
    for name in ("*", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", caller.role_arn, caller.arn):
        assert trust.allows_caller(policy(allow({"AWS": name})), caller)
    assert trust.allows_caller(policy(allow("*")), caller)
    for name in ("210987654321", f"arn:aws:iam::{ACCOUNT}:role/Other"):
        assert not trust.allows_caller(policy(allow({"AWS": name})), caller)
    assert not trust.allows_caller(policy(allow({"Service": SAGEMAKER})), caller)


def test_a_deny_wins(known: Identities) -> None:
    deny = {**allow({"AWS": known.root.identity.role_arn}), "Effect": "Deny"}
    assert not trust.allows_caller(policy(allow("*"), deny), known.root.identity)


def test_actions_are_matched_with_wildcards_and_without_case(known: Identities) -> None:
    caller = known.root.identity
    assert trust.allows_caller(policy(allow("*", Action=["STS:assume*"])), caller)
    assert not trust.allows_caller(policy(allow("*", Action="sts:TagSession")), caller)
    other = {"Effect": "Allow", "Principal": "*", "NotAction": "sts:TagSession"}
    assert trust.allows_caller(policy(other), caller)


def test_of_conditions_only_the_source_account_is_taken_to_hold(known: Identities) -> None:
    source = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    text = policy(allow({"Service": SAGEMAKER}, Condition=source))
    assert trust.allows_service(text, SAGEMAKER, ACCOUNT)
    assert not trust.allows_service(text, SAGEMAKER, "210987654321")
    external = allow("*", Condition={"StringEquals": {"sts:ExternalId": "x"}})
    assert not trust.allows_caller(policy(external), known.root.identity)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "invalid Json"),
        ("[]", "Syntax error"),
        ('{"Version": "2012-10-17"}', "Syntax error"),
        ('{"Version": "2020-01-01", "Statement": [{}]}', "Syntax error"),
        ('{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}', "Missing required field Principal"),
        ('{"Statement": {"Effect": "Allow", "Principal": "*"}}', "Missing required field Action"),
        ('{"Statement": {"Principal": "*", "Action": "sts:AssumeRole"}}', "Missing required field Effect"),
        ('{"Statement": {"Effect": "Maybe", "Principal": "*", "Action": "sts:AssumeRole"}}', "Syntax error"),
        ('{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}}', "may only specify STS"),
        ('{"Statement": {"Effect": "Allow", "Principal": "me", "Action": "sts:*"}}', "Invalid principal"),
        ('{"Statement": {"Effect": "Allow", "Principal": {"AWS": "me"}, "Action": "sts:*"}}', 'Invalid principal in policy: "AWS":"me"'),
        ('{"Statement": {"Effect": "Allow", "Principal": {"AWS": 1}, "Action": "sts:*"}}', "Syntax error"),
        ('{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:*", "Resource": "*"}}', "prohibited field Resource"),
        ('{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:*", "Condition": "x"}}', "Syntax error"),
        ('{"Statement": ["x"]}', "Syntax error"),
    ],
)  # fmt: skip
def test_a_malformed_policy_is_refused(text: str, says: str) -> None:
    with pytest.raises(AwsError) as caught:
        trust.check(text)
    assert (caught.value.code, caught.value.status) == ("MalformedPolicyDocument", 400)
    assert says in caught.value.message
