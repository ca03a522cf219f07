"""Version 2 signatures of S3: boto3's presigned URLs on a custom endpoint, and the header form."""

import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.auth import HmacV1Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.signing import accepted, identities, received, with_header

from sagebrush.kernel.auth.identities import Credential, Identities
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Headers, Request

KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return identities(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def clients(known: Identities) -> dict[str, Any]:
    session = known.vend(known.roles.execution_arn, "job", 3600)
    styles = {"path": (known.root, "path"), "virtual": (known.root, "virtual"), "session": (session, "path")}
    return {name: client(credential, style) for name, (credential, style) in styles.items()}


def client(credential: Credential, style: str) -> Any:
    return boto3.client(
        "s3", endpoint_url="http://sage.test:4566", region_name="eu-west-1", aws_access_key_id=credential.access_key,
        aws_secret_access_key=credential.secret, aws_session_token=credential.token or None,
        config=Config(s3={"addressing_style": style}),  # type: ignore[arg-type]
    )  # fmt: skip


def fetched(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> Request:
    parts = urlsplit(url)
    held = [("Host", parts.netloc), *(headers or {}).items()]
    return Request(method, parts.path, parts.query, Headers(held))


def refusal(request: Request, known: Identities, **more: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        accepted(request, known, "rest-xml", **more)
    return caught.value


@given(key=KEYS, style=st.sampled_from(["path", "virtual", "session"]))
def test_a_url_that_boto3_presigns_by_default_opens_its_object(
    known: Identities, clients: dict[str, Any], key: str, style: str
) -> None:
    params = {"Bucket": "my-bucket", "Key": key, "ResponseContentType": "text/plain; a=b"}
    url = clients[style].generate_presigned_url("get_object", params)
    assert "AWSAccessKeyId=" in url
    bucket = "my-bucket" if style == "virtual" else ""
    proof = accepted(fetched(url), known, "rest-xml", bucket=bucket)
    assert proof.identity == known.find(proof.identity.access_key).identity  # type: ignore[union-attr]


def test_a_presigned_upload_binds_its_headers(known: Identities, clients: dict[str, Any]) -> None:
    params = {"Bucket": "b", "Key": "k", "ContentType": "text/csv", "Metadata": {"a": "1"}}
    url = clients["path"].generate_presigned_url("put_object", params)
    sent = {"Content-Type": "text/csv", "x-amz-meta-a": "1"}
    assert accepted(fetched(url, "PUT", sent), known, "rest-xml")
    assert accepted(fetched(url, "PUT"), known, "rest-xml")  # they travel in the query
    for wrong in ({"Content-Type": "text/html"}, {"x-amz-meta-a": "2"}, {"x-amz-acl": "public-read"}):
        assert refusal(fetched(url, "PUT", {**sent, **wrong}), known).code == "SignatureDoesNotMatch"


def test_a_changed_url_is_refused(known: Identities, clients: dict[str, Any]) -> None:
    request = fetched(clients["path"].generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}))
    for changed in (
        replace(request, path="/b/other"),
        replace(request, method="DELETE"),
        replace(request, query=request.query + "&uploads"),
        replace(request, query=request.query.replace("Expires=", "Expires=1")),
        replace(request, query=request.query.replace("Signature=", "Signature=A")),
    ):
        error = refusal(changed, known)
        assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)
        assert known.root.secret not in repr(error.fields)
    assert refusal(request, known, bucket="b").code == "SignatureDoesNotMatch"


def test_a_url_expires(known: Identities, clients: dict[str, Any]) -> None:
    request = fetched(clients["path"].generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}, ExpiresIn=60))
    assert accepted(request, known, "rest-xml", now=time.time() + 50)
    error = refusal(request, known, now=time.time() + 62)
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")


def test_a_session_needs_its_token(known: Identities, clients: dict[str, Any]) -> None:
    request = fetched(clients["session"].generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}))
    bare = "&".join(part for part in request.query.split("&") if not part.startswith("x-amz-security-token"))
    assert refusal(replace(request, query=bare), known).status == 403


@pytest.mark.parametrize("query", ["AWSAccessKeyId=a&Signature=b", "AWSAccessKeyId=a&Signature=b&Expires=x%C3%BC"])
def test_a_malformed_url_is_refused(known: Identities, query: str) -> None:
    assert refusal(fetched(f"http://h/b/k?{query}"), known).code == "AccessDenied"


def test_an_unknown_key_is_refused(known: Identities) -> None:
    expires = int(time.time()) + 60
    error = refusal(fetched(f"http://h/b/k?AWSAccessKeyId=AKIANONE&Signature=x%3D&Expires={expires}"), known)
    assert error.code == "InvalidAccessKeyId"


def header_signed(credential: Credential, key: str = "k") -> Request:
    request = AWSRequest("PUT", f"http://h/b/{quote(key)}?tagging", headers={"x-amz-meta-b": "2", "x-amz-meta-a": "1"})
    request.auth_path = f"/b/{quote(key)}"
    HmacV1Auth(Credentials(credential.access_key, credential.secret)).add_auth(request)
    return received(request.prepare())


def test_the_header_form_is_accepted_and_guarded(known: Identities) -> None:
    request = header_signed(known.root, "a b/ü")
    assert accepted(request, known, "rest-xml").identity == known.root.identity
    assert refusal(with_header(request, "x-amz-meta-a", "3"), known).code == "SignatureDoesNotMatch"
    assert refusal(request, known, now=time.time() + 1000).code == "RequestTimeTooSkewed"
    assert refusal(with_header(request, "Authorization", "AWS nonsense"), known).code == "InvalidArgument"
    assert refusal(with_header(request, "Date", "yesterday"), known).code == "AccessDenied"
