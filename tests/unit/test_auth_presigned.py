"""Presigned URLs of version 4: they hold as they were made, for as long as they say, and no longer."""

import time
from dataclasses import replace

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4QueryAuth
from tests.unit.signing import accepted, identities, signed

from sagebrush.kernel.auth.claims import MAX_EXPIRY
from sagebrush.kernel.auth.identities import Credential, Identities
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Request


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return identities(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def session(known: Identities) -> Credential:
    return known.vend(known.roles.execution_arn, "job", 3600)


def refusal(request: Request, known: Identities, protocol: str = "rest-xml", **more: object) -> AwsError:
    with pytest.raises(AwsError) as caught:
        accepted(request, known, protocol, **more)
    return caught.value


def presigned(credential: Credential, expires: int = 300, url: str = "http://h/bucket/a%20key?versionId=1") -> Request:
    return signed(credential, "GET", url, service="s3", signer=S3SigV4QueryAuth, expires=expires)


def test_a_presigned_url_holds_until_it_expires(known: Identities, session: Credential) -> None:
    for credential in (known.root, session):
        request = presigned(credential)
        proof = accepted(request, known, "rest-xml", now=time.time() + 290)
        assert (proof.identity, proof.payload) == (credential.identity, "UNSIGNED-PAYLOAD")
        error = refusal(request, known, "rest-xml", now=time.time() + 310)
        assert (error.code, error.status, error.message) == ("AccessDenied", 403, "Request has expired")
        assert error.fields["X-Amz-Expires"] == "300"


@pytest.mark.parametrize(("name", "value"), [
    ("versionId", "2"), ("X-Amz-Expires", "9999"), ("X-Amz-SignedHeaders", "host%3Bx"), ("X-Amz-Signature", "%C3%BC"),
    ("added", "1"),
])  # fmt: skip
def test_a_changed_presigned_url_is_refused(known: Identities, name: str, value: str) -> None:
    request = presigned(known.root)
    parts = [part for part in request.query.split("&") if not part.startswith(f"{name}=")]
    error = refusal(replace(request, query="&".join([*parts, f"{name}={value}"])), known, "rest-xml")
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)


@pytest.mark.parametrize(("expires", "says"), [
    (MAX_EXPIRY + 1, "must be less than a week"), (-1, "must be non-negative"), ("soon", "should be a number"),
])  # fmt: skip
def test_the_life_of_a_presigned_url_is_bounded(known: Identities, expires: int, says: str) -> None:
    error = refusal(presigned(known.root, expires), known, "rest-xml")
    assert (error.code, error.status) == ("AuthorizationQueryParametersError", 400)
    assert says in error.message


def test_a_presigned_url_lacking_a_parameter_is_refused(known: Identities) -> None:
    request = presigned(known.root)
    query = "&".join(part for part in request.query.split("&") if not part.startswith("X-Amz-Date"))
    assert refusal(replace(request, query=query), known, "rest-xml").code == "AuthorizationQueryParametersError"


def test_a_presigned_call_of_sts_is_accepted(known: Identities) -> None:
    url = "http://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    request = signed(known.root, "GET", url, service="sts", signer=SigV4QueryAuth, expires=60)
    assert accepted(request, known, "query", service="sts").identity == known.root.identity
    assert "Signature expired" in refusal(request, known, "query", now=time.time() + 61).message


def test_two_signatures_on_one_request_are_refused(known: Identities) -> None:
    request = signed(known.root, "GET", service="s3", signer=S3SigV4Auth)
    doubled = replace(request, query=presigned(known.root).query)
    assert "Only one auth mechanism allowed" in refusal(doubled, known, "rest-xml").message
