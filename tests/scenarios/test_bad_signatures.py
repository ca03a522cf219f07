"""Requests that were not signed by somebody known, or changed on their way: refused in AWS's words, nothing stored."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3
from botocore import UNSIGNED, auth
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.crt import auth as crt_auth
from botocore.exceptions import ClientError
from tests.conftest import Platform
from tests.unit.signing import SetClock, identities

SERVICES = ("sagemaker", "sagemaker-runtime", "s3", "iam")
"""One for each protocol: json, rest-json, rest-xml, query."""

BUCKET = "bad-signatures"
_TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'


class World:
    """One change per service, and a look whether it was made."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.name = f"n-{uuid.uuid4().hex[:12]}"

    def change(self, service: str, client: Any) -> None:
        """Make the change through a client."""
        match service:
            case "sagemaker":
                container = {"Image": "x", "Environment": {"A": "a"}}
                client.create_model(
                    ModelName=self.name, PrimaryContainer=container, ExecutionRoleArn=self.platform.role
                )
            case "sagemaker-runtime":
                client.invoke_endpoint(EndpointName=self.name, Body=b"1,2,3", ContentType="text/csv")
            case "s3":
                client.put_object(Bucket=BUCKET, Key=self.name, Body=b"body" * 50, ContentType="text/plain")
            case "iam":
                client.create_role(RoleName=self.name, AssumeRolePolicyDocument=_TRUST)

    def is_made(self, service: str) -> bool:
        """Tell whether the change was made."""
        match service:
            case "sagemaker":
                return bool(self.platform.client("sagemaker").list_models(NameContains=self.name)["Models"])
            case "s3":
                return bool(self.platform.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=self.name)["KeyCount"])
            case "iam":
                roles = self.platform.client("iam").list_roles()["Roles"]
                return self.name in [role["RoleName"] for role in roles]
        return False

    def refused(self, service: str, client: Any, clock: float = 0.0) -> tuple[str, int]:
        """Return the code and the status with which the change is refused; the client's clock is off by so much."""
        with pytest.raises(ClientError) as error, clock_off(clock):
            self.change(service, client)
        told = error.value.response
        assert told["Error"]["Message"]
        assert told["ResponseMetadata"]["RequestId"]
        assert not self.is_made(service)
        return told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def world(platform: Platform) -> World:
    platform.client("s3").create_bucket(Bucket=BUCKET)
    return World(platform)


def answers(json: tuple[str, int], rest_xml: tuple[str, int], query: tuple[str, int]) -> pytest.MarkDecorator:
    """Return pytest's marks for what each service answers; rest-json answers as json does."""
    return pytest.mark.parametrize(
        ("service", "answer"), list(zip(SERVICES, (json, json, rest_xml, query), strict=True))
    )


MISMATCH = answers(("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("SignatureDoesNotMatch", 403))


@MISMATCH
def test_a_wrong_secret(world: World, service: str, answer: tuple[str, int]) -> None:
    client = world.platform.client(service, aws_secret_access_key="x" * 40)
    assert world.refused(service, client) == answer


@answers(("UnrecognizedClientException", 403), ("InvalidAccessKeyId", 403), ("InvalidClientTokenId", 403))
def test_an_unknown_key(world: World, service: str, answer: tuple[str, int]) -> None:
    client = world.platform.client(service, aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    assert world.refused(service, client) == answer


@answers(("MissingAuthenticationToken", 403), ("AccessDenied", 403), ("MissingAuthenticationToken", 403))
def test_a_request_without_a_signature(world: World, service: str, answer: tuple[str, int]) -> None:
    client = world.platform.client(service, config=Config(signature_version=UNSIGNED))
    assert world.refused(service, client) == answer


@answers(("ExpiredTokenException", 403), ("ExpiredToken", 400), ("ExpiredToken", 403))
def test_a_session_that_has_ended(world: World, service: str, answer: tuple[str, int]) -> None:
    """The session is one of two hours ago, of which a quarter of an hour was asked."""
    clock = SetClock()
    clock.time -= 7200
    old = identities(world.platform.data, clock).vend(world.platform.role, "old", 900)
    client = world.platform.client(service, **_keys(old.access_key, old.secret, old.token))
    assert world.refused(service, client) == answer


@answers(("UnrecognizedClientException", 403), ("InvalidToken", 400), ("InvalidClientTokenId", 403))
def test_a_session_token_that_is_not_the_keys_own(world: World, service: str, answer: tuple[str, int]) -> None:
    role = world.platform.role
    made = world.platform.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    client = world.platform.client(service, **_keys(made["AccessKeyId"], made["SecretAccessKey"], "x" * 300))
    assert world.refused(service, client) == answer


@answers(("InvalidSignatureException", 403), ("RequestTimeTooSkewed", 403), ("SignatureDoesNotMatch", 403))
@pytest.mark.parametrize("clock", [-1800, 1800], ids=["slow", "fast"])
def test_a_clock_that_is_off(world: World, service: str, answer: tuple[str, int], clock: float) -> None:
    assert world.refused(service, world.platform.client(service), clock) == answer


def tampered(platform: Platform, service: str, change: Callable[[AWSPreparedRequest], None]) -> Any:
    """Return a client whose requests are changed after they were signed."""
    client = platform.client(service, config=Config(read_timeout=30))
    client.meta.events.register("before-send", lambda request, **_: change(request))
    return client


def _header(name: str, value: str) -> Callable[[AWSPreparedRequest], None]:
    def change(request: AWSPreparedRequest) -> None:
        request.headers[name] = value

    return change


def _body(request: AWSPreparedRequest) -> None:
    held: Any = request.body
    body = held if isinstance(held, str | bytes) else held.read()
    octets = bytearray(body.encode() if isinstance(body, str) else body)
    octets[-2] ^= 1
    request.body = bytes(octets)


def _query(request: AWSPreparedRequest) -> None:
    request.url += f"{'&' if '?' in request.url else '?'}x-id=Other"


@answers(("InvalidSignatureException", 403), ("XAmzContentSHA256Mismatch", 400), ("SignatureDoesNotMatch", 403))
def test_a_body_that_was_changed(world: World, service: str, answer: tuple[str, int]) -> None:
    assert world.refused(service, tampered(world.platform, service, _body)) == answer


@MISMATCH
def test_a_header_that_was_changed(world: World, service: str, answer: tuple[str, int]) -> None:
    kind = {"sagemaker": "application/x-amz-json-1.1; x", "iam": "application/x-www-form-urlencoded; x"}
    change = _header("Content-Type", kind.get(service, "text/html"))
    assert world.refused(service, tampered(world.platform, service, change)) == answer


@MISMATCH
def test_a_query_that_was_changed(world: World, service: str, answer: tuple[str, int]) -> None:
    assert world.refused(service, tampered(world.platform, service, _query)) == answer


@answers(("InvalidSignatureException", 403), ("AccessDenied", 403), ("SignatureDoesNotMatch", 403))
def test_a_header_of_amazons_that_was_added(world: World, service: str, answer: tuple[str, int]) -> None:
    change = _header("x-amz-acl", "public-read")
    assert world.refused(service, tampered(world.platform, service, change)) == answer


@answers(("IncompleteSignature", 403), ("AuthorizationHeaderMalformed", 400), ("IncompleteSignature", 403))
def test_a_signature_that_is_cut_off(world: World, service: str, answer: tuple[str, int]) -> None:
    def change(request: AWSPreparedRequest) -> None:
        whole: Any = request.headers["Authorization"]
        request.headers["Authorization"] = whole[:-20]

    assert world.refused(service, tampered(world.platform, service, change)) == answer


def test_a_presigned_url_that_was_changed_or_has_expired(world: World) -> None:
    """For an upload by URL: another key than the one signed, and a URL of yesterday."""
    client = world.platform.client("s3", config=Config(signature_version="s3v4"))
    params = {"Bucket": BUCKET, "Key": f"{world.name}-signed"}
    url = client.generate_presigned_url("put_object", params)
    answer = urllib3.request("PUT", url.replace("-signed", "-other"), body=b"x")
    assert (answer.status, b"<Code>SignatureDoesNotMatch</Code>" in answer.data) == (403, True)
    with clock_off(-86_400):
        url = client.generate_presigned_url("put_object", params, ExpiresIn=3600)
    answer = urllib3.request("PUT", url, body=b"x")
    assert (answer.status, b"<Code>AccessDenied</Code>" in answer.data) == (403, True)
    assert b"Request has expired" in answer.data
    assert not world.is_made("s3")


def _keys(access_key: str, secret: str, token: str) -> dict[str, str]:
    return {"aws_access_key_id": access_key, "aws_secret_access_key": secret, "aws_session_token": token}


@contextmanager
def clock_off(offset: float) -> Iterator[None]:
    """Put the clock of botocore's signers, in Python and in C, off by so many seconds."""

    def now(remove_tzinfo: bool = True) -> datetime:
        found = datetime.now(UTC) + timedelta(seconds=offset)
        return found.replace(tzinfo=None) if remove_tzinfo else found

    with pytest.MonkeyPatch.context() as patch:
        for module in (auth, crt_auth):
            patch.setattr(module, "get_current_datetime", now)
        yield
