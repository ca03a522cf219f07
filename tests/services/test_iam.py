"""IAM's roles through boto3."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform

TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def iam(platform: Platform) -> Any:
    return platform.client("iam")


@pytest.fixture
def name(iam: Any) -> Iterator[str]:
    """A name for a role, which is removed in the end."""
    fresh = f"Role-{uuid4().hex[:8]}"
    yield fresh
    if any(role["RoleName"] == fresh for role in everyone(iam)):
        iam.delete_role(RoleName=fresh)


def everyone(iam: Any, **params: Any) -> list[dict[str, Any]]:
    return [role for page in iam.get_paginator("list_roles").paginate(**params) for role in page["Roles"]]


def create(iam: Any, name: str, **more: Any) -> dict[str, Any]:
    role: dict[str, Any] = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), **more)["Role"]
    return role


def refusal(call: Any, **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error, metadata = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return error["Code"], metadata["HTTPStatusCode"], error["Message"]


def test_a_role_is_shown_as_it_was_made(iam: Any, name: str) -> None:
    made = create(
        iam,
        name,
        Path="/team/a/",
        Description="für & <Tests>",
        MaxSessionDuration=7200,
        Tags=[{"Key": "k", "Value": "v"}],
    )
    shown = iam.get_role(RoleName=name)["Role"]
    assert shown == made
    assert shown["Arn"] == f"arn:aws:iam::123456789012:role/team/a/{name}"
    assert shown["RoleId"].startswith("AROA")
    assert shown["AssumeRolePolicyDocument"] == TRUST  # URL-encoded on the wire, which botocore undoes
    assert shown["Tags"] == [{"Key": "k", "Value": "v"}]
    assert (shown["Description"], shown["MaxSessionDuration"]) == ("für & <Tests>", 7200)
    assert "PermissionsBoundary" not in shown


def test_a_name_is_taken_once_whatever_its_case(iam: Any, name: str) -> None:
    create(iam, name)
    for again in (name, name.upper()):
        code, status, message = refusal(create, iam=iam, name=again)
        assert (code, status, message) == ("EntityAlreadyExists", 409, f"Role with name {again} already exists.")


def test_what_is_not_there_is_not_found(iam: Any) -> None:
    trust = json.dumps(TRUST)
    calls: list[tuple[Any, dict[str, Any]]] = [
        (iam.get_role, {}), (iam.delete_role, {}), (iam.update_role, {"Description": "x"}), (iam.list_role_tags, {}),
        (iam.update_assume_role_policy, {"PolicyDocument": trust}), (iam.untag_role, {"TagKeys": ["a"]}),
        (iam.tag_role, {"Tags": [{"Key": "a", "Value": "b"}]}),
    ]  # fmt: skip
    for call, more in calls:
        code, status, message = refusal(call, RoleName="Nobody", **more)
        assert (code, status, message) == ("NoSuchEntity", 404, "The role with name Nobody cannot be found.")


def test_a_role_is_changed(iam: Any, name: str) -> None:
    create(iam, name, Description="before")
    iam.update_role(RoleName=name, MaxSessionDuration=43200)
    iam.update_role(RoleName=name, Description="after")
    anybody = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(anybody))
    role = iam.get_role(RoleName=name)["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("after", 43200)
    assert role["AssumeRolePolicyDocument"] == anybody


def test_a_role_is_removed(iam: Any, name: str) -> None:
    create(iam, name)
    iam.delete_role(RoleName=name)
    assert refusal(iam.get_role, RoleName=name)[0] == "NoSuchEntity"


def test_the_ready_made_role_stays(iam: Any) -> None:
    assert refusal(iam.delete_role, RoleName="AmazonSageMaker-ExecutionRole")[:2] == ("UnmodifiableEntity", 400)
    trusted = iam.get_role(RoleName="AmazonSageMaker-ExecutionRole")["Role"]["AssumeRolePolicyDocument"]
    assert "sagemaker.amazonaws.com" in trusted["Statement"][0]["Principal"]["Service"]


@pytest.mark.parametrize("policy", ["{", "{}", '{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}'])
def test_a_malformed_trust_policy_leaves_nothing_behind(iam: Any, name: str, policy: str) -> None:
    code, status, _ = refusal(iam.create_role, RoleName=name, AssumeRolePolicyDocument=policy)
    assert (code, status) == ("MalformedPolicyDocument", 400)
    assert refusal(iam.get_role, RoleName=name)[0] == "NoSuchEntity"


def test_a_trust_policy_has_a_longest_length(iam: Any, name: str) -> None:
    statement = {"Sid": "x" * 2100, "Effect": "Allow", "Principal": "*", "Action": "sts:*"}
    policy = json.dumps({**TRUST, "Statement": [statement]})
    code, status, message = refusal(iam.create_role, RoleName=name, AssumeRolePolicyDocument=policy)
    assert (code, status, message) == ("LimitExceeded", 409, "Cannot exceed quota for ACLSizePerRole: 2048")


def test_bad_input_is_refused_by_the_model(iam: Any) -> None:
    assert refusal(create, iam=iam, name="no spaces")[:2] == ("ValidationError", 400)
    assert refusal(create, iam=iam, name="n", Path="no-slash")[:2] == ("ValidationError", 400)
    code, _, message = refusal(create, iam=iam, name="n", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert (code, "PermissionsBoundary" in message) == ("ValidationError", True)


def test_roles_are_listed_in_pages_below_a_path(iam: Any) -> None:
    below = f"/{uuid4().hex[:8]}/"
    names = [f"{below[1:-1]}-{number}" for number in range(7)]
    for number, role in enumerate(names):
        create(iam, role, Path=below if number % 2 else f"{below}deep/")
    create(iam, f"{below[1:-1]}-x", Path=f"{below[:-1]}x/", Tags=[{"Key": "k", "Value": "v"}])
    try:
        found = everyone(iam, PathPrefix=below, PaginationConfig={"PageSize": 2})
        assert [role["RoleName"] for role in found] == names
        assert [role["RoleName"] for role in everyone(iam, PathPrefix=f"{below}deep/")] == names[::2]
        assert all("Tags" not in role for role in everyone(iam))
        page = iam.list_roles(PathPrefix=below, MaxItems=2)
        assert page["IsTruncated"]
        assert refusal(iam.list_roles, PathPrefix="/", Marker=page["Marker"])[0] == "ValidationError"
        assert refusal(iam.list_roles, Marker="garbage")[0] == "ValidationError"
    finally:
        for role in [*names, f"{below[1:-1]}-x"]:
            iam.delete_role(RoleName=role)


def test_a_role_is_tagged(iam: Any, name: str) -> None:
    create(iam, name)
    iam.tag_role(RoleName=name, Tags=[{"Key": f"k{number:02}", "Value": str(number)} for number in range(50)])
    iam.tag_role(RoleName=name, Tags=[{"Key": "k00", "Value": "new"}])
    iam.untag_role(RoleName=name, TagKeys=["k49", "none"])
    tags = [
        tag for page in iam.get_paginator("list_role_tags").paginate(RoleName=name, MaxItems=20) for tag in page["Tags"]
    ]
    assert tags == [{"Key": f"k{number:02}", "Value": "new" if number == 0 else str(number)} for number in range(49)]
    more = [{"Key": "one", "Value": ""}, {"Key": "two", "Value": ""}]
    assert refusal(iam.tag_role, RoleName=name, Tags=more)[:2] == ("LimitExceeded", 409)
    assert len(iam.list_role_tags(RoleName=name)["Tags"]) == 49
    twice = [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]
    assert refusal(iam.tag_role, RoleName=name, Tags=twice)[:2] == ("InvalidInput", 400)


def test_simulation_answers_for_each_action_and_resource(iam: Any, platform: Platform) -> None:
    """What the sagemaker SDK v3 asks before it trains."""
    asked = {"ActionNames": ["s3:PutObject", "sagemaker:CreateTrainingJob"], "ResourceArns": ["arn:aws:s3:::b/*", "*"]}
    results = iam.simulate_principal_policy(PolicySourceArn=platform.role, **asked)["EvaluationResults"]
    assert [(one["EvalActionName"], one["EvalResourceName"]) for one in results] == [
        (action, resource) for action in asked["ActionNames"] for resource in asked["ResourceArns"]
    ]
    assert {one["EvalDecision"] for one in results} == {"allowed"}
    paged = iam.get_paginator("simulate_principal_policy").paginate(PolicySourceArn=platform.role, MaxItems=3, **asked)
    assert [len(page["EvaluationResults"]) for page in paged] == [3, 1]


def test_simulation_refuses_what_it_does_not_evaluate(iam: Any, platform: Platform) -> None:
    simulate = iam.simulate_principal_policy
    code, _, message = refusal(
        simulate, PolicySourceArn=platform.role, ActionNames=["s3:PutObject"], PolicyInputList=["{}"]
    )
    assert (code, "PolicyInputList" in message) == ("ValidationError", True)
    gone = "arn:aws:iam::123456789012:role/Nobody"
    assert refusal(simulate, PolicySourceArn=gone, ActionNames=["s3:PutObject"])[:2] == ("NoSuchEntity", 404)
    user = "arn:aws:sts::123456789012:assumed-role/Nobody/me"
    assert refusal(simulate, PolicySourceArn=user, ActionNames=["s3:PutObject"])[:2] == ("InvalidInput", 400)
    assert refusal(simulate, PolicySourceArn=platform.role, ActionNames=["s3:*"])[:2] == ("InvalidInput", 400)


def test_policies_that_would_not_be_enforced_are_not_taken(iam: Any) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
    put = {"RoleName": "AmazonSageMaker-ExecutionRole", "PolicyName": "p", "PolicyDocument": policy}
    code, status, message = refusal(iam.put_role_policy, **put)
    assert (code, status, "PutRolePolicy" in message) == ("NotImplemented", 501, True)


def test_roles_survive_the_server(own_platform: Platform) -> None:
    before = create(own_platform.client("iam"), "Lasting", Tags=[{"Key": "k", "Value": "v"}])
    own_platform.kill()
    own_platform.start()
    assert own_platform.client("iam").get_role(RoleName="Lasting")["Role"] == before
