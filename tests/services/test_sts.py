"""STS through boto3: who am I, and may I be somebody else for a while?"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.conftest import Platform

ACCOUNT = "123456789012"


@pytest.fixture
def role(platform: Platform) -> Iterator[dict[str, Any]]:
    """A role that everybody in the account may take up for three hours."""
    name = f"role-{uuid4().hex[:8]}"
    iam = platform.client("iam")
    made = iam.create_role(
        RoleName=name, Path="/team/", AssumeRolePolicyDocument=trusting({"AWS": ACCOUNT}), MaxSessionDuration=10800
    )
    yield made["Role"]
    iam.delete_role(RoleName=name)


def trusting(principal: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def keys(given: dict[str, Any]) -> dict[str, str]:
    """Return credentials as boto3 takes them."""
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def refusal(call: Any, **params: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error: dict[str, Any] = {**caught.value.response["Error"]}
    return {**error, "Status": caught.value.response["ResponseMetadata"]["HTTPStatusCode"]}


def test_the_root_key_is_an_assumed_role_as_the_sdks_need(platform: Platform) -> None:
    said = platform.client("sts").get_caller_identity()
    assert said["Account"] == ACCOUNT
    assert said["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/AmazonSageMaker-ExecutionRole/root"
    role = platform.client("iam").get_role(RoleName=said["Arn"].split("/")[1])["Role"]
    assert said["UserId"] == f"{role['RoleId']}:root"
    assert role["Arn"] == platform.role


def test_an_assumed_role_calls_as_itself(platform: Platform, role: dict[str, Any]) -> None:
    before = datetime.now(UTC)
    answer = platform.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="me@home", DurationSeconds=900)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role['RoleName']}/me@home"  # without the role's path
    assert answer["AssumedRoleUser"] == {"Arn": arn, "AssumedRoleId": f"{role['RoleId']}:me@home"}
    assert 890 < (answer["Credentials"]["Expiration"] - before).total_seconds() < 960
    session = platform.client("sts", **keys(answer["Credentials"]))
    assert session.get_caller_identity()["Arn"] == arn
    session.close()


def test_a_session_lasts_no_longer_than_its_role_allows(platform: Platform, role: dict[str, Any]) -> None:
    assume = platform.client("sts").assume_role
    assert assume(RoleArn=role["Arn"], RoleSessionName="long", DurationSeconds=10800)
    error = refusal(assume, RoleArn=role["Arn"], RoleSessionName="long", DurationSeconds=10801)
    assert (error["Code"], error["Status"]) == ("ValidationError", 400)
    assert error["Message"] == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    assert refusal(assume, RoleArn=role["Arn"], RoleSessionName="x y")["Code"] == "ValidationError"


def test_a_session_of_a_session_lasts_an_hour(platform: Platform, role: dict[str, Any]) -> None:
    first = platform.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="one")
    session = platform.client("sts", **keys(first["Credentials"]))
    assert session.assume_role(RoleArn=role["Arn"], RoleSessionName="two", DurationSeconds=3600)
    error = refusal(session.assume_role, RoleArn=role["Arn"], RoleSessionName="two", DurationSeconds=3601)
    assert (error["Code"], "role chaining" in error["Message"]) == ("ValidationError", True)
    session.close()


def test_a_role_that_does_not_trust_the_caller_is_denied(platform: Platform, role: dict[str, Any]) -> None:
    platform.client("iam").update_assume_role_policy(
        RoleName=role["RoleName"], PolicyDocument=trusting({"Service": "sagemaker.amazonaws.com"})
    )
    for arn in (role["Arn"], f"arn:aws:iam::{ACCOUNT}:role/nobody", "arn:aws:iam::210987654321:role/theirs"):
        error = refusal(platform.client("sts").assume_role, RoleArn=arn, RoleSessionName="me")
        assert (error["Code"], error["Status"]) == ("AccessDenied", 403)
        assert error["Message"].endswith(f"is not authorized to perform: sts:AssumeRole on resource: {arn}")
    error = refusal(platform.client("sts").assume_role, RoleArn="arn:aws:s3:::not-a-role", RoleSessionName="me")
    assert error["Code"] == "ValidationError"


@pytest.mark.parametrize(
    "member",
    [
        {"Policy": "{}"}, {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}, {"ExternalId": "42"},
        {"Tags": [{"Key": "a", "Value": "b"}]}, {"SerialNumber": "arn:aws:iam::1:mfa/x", "TokenCode": "123456"},
        {"SourceIdentity": "me"},
    ],
)  # fmt: skip
def test_what_would_narrow_a_session_is_refused_by_name(
    platform: Platform, role: dict[str, Any], member: dict[str, Any]
) -> None:
    error = refusal(platform.client("sts").assume_role, RoleArn=role["Arn"], RoleSessionName="me", **member)
    assert (error["Code"], next(iter(member)) in error["Message"]) == ("ValidationError", True)


def test_the_root_key_gets_a_session_token(platform: Platform) -> None:
    given = platform.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    session = platform.client("sts", **keys(given))
    assert session.get_caller_identity()["Arn"] == platform.client("sts").get_caller_identity()["Arn"]
    error = refusal(session.get_session_token)
    assert (error["Code"], error["Status"]) == ("AccessDenied", 403)
    session.close()


def test_a_session_ends_with_its_role(platform: Platform) -> None:
    iam, name = platform.client("iam"), f"role-{uuid4().hex[:8]}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting("*"))["Role"]["Arn"]
    given = platform.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    session = platform.client("sts", **keys(given))
    assert session.get_caller_identity()
    iam.delete_role(RoleName=name)
    assert refusal(session.get_caller_identity)["Code"] == "InvalidClientTokenId"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting("*"))
    assert refusal(session.get_caller_identity)["Code"] == "InvalidClientTokenId"
    iam.delete_role(RoleName=name)
    session.close()


def test_sessions_survive_the_server(own_platform: Platform) -> None:
    own_platform.client("iam").update_assume_role_policy(
        RoleName="AmazonSageMaker-ExecutionRole", PolicyDocument=trusting({"AWS": ACCOUNT})
    )
    given = own_platform.client("sts").assume_role(RoleArn=own_platform.role, RoleSessionName="me")["Credentials"]
    own_platform.kill()
    own_platform.start()
    session = own_platform.client("sts", **keys(given))
    assert session.get_caller_identity()["Arn"].endswith("/me")
    session.close()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"aws_secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"aws_access_key_id": "AKIAUNKNOWNUNKNOWN12"}, "InvalidClientTokenId"),
        ({"aws_session_token": "wrong"}, "InvalidClientTokenId"),
        ({"config": Config(signature_version=UNSIGNED), "region_name": "us-east-1"}, "MissingAuthenticationToken"),
    ],
)
def test_nobody_gets_in_uninvited(platform: Platform, wrong: dict[str, Any], code: str) -> None:
    client = platform.client("sts", **wrong)
    error = refusal(client.get_caller_identity)
    assert (error["Code"], error["Status"]) == (code, 403)
    client.close()


def test_operations_that_are_not_there_say_so(platform: Platform) -> None:
    error = refusal(platform.client("sts").decode_authorization_message, EncodedMessage="x")
    assert (error["Code"], error["Status"]) == ("NotImplemented", 501)
    assert "DecodeAuthorizationMessage" in error["Message"]


def test_credentials_resolve_as_botocore_makes_them(platform: Platform) -> None:
    """The root key's file is what `credential_process` of the SDKs prints."""
    kept = json.loads((platform.data / "credentials.json").read_text())
    assert kept["Version"] == 1
    assert Credentials(kept["AccessKeyId"], kept["SecretAccessKey"]).token is None
