"""Version 4 signatures: what botocore signs is accepted; whatever is changed afterwards is refused in AWS's words."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.signing import SetClock, accepted, identities, sent, signed, with_header

from sagebrush.kernel.auth.identities import Credential, Identities
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Headers, Request


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return identities(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def session(known: Identities) -> Credential:
    return known.vend(known.roles.execution_arn, "job", 3600)


def refusal(request: Request, known: Identities, protocol: str = "json", **more: object) -> AwsError:
    with pytest.raises(AwsError) as caught:
        accepted(request, known, protocol, **more)
    return caught.value


@pytest.mark.parametrize("service", ["sagemaker", "sts", "s3", "logs", "iam", "sagemaker-runtime"])
def test_every_client_call_is_accepted(known: Identities, service: str) -> None:
    calls: dict[str, Callable[..., object]] = {
        "sagemaker": lambda client: client.list_models(NameContains="ünïcode ~*'()"),
        "sts": lambda client: client.get_caller_identity(),
        "s3": lambda client: client.list_objects_v2(Bucket="bucket", Prefix="a b/+*~'()ü", Delimiter="/"),
        "logs": lambda client: client.describe_log_groups(),
        "iam": lambda client: client.get_role(RoleName="a+b=c,d.e@f-g"),
        "sagemaker-runtime": lambda client: client.invoke_endpoint(
            EndpointName="e", Body=b"\0\1\2", CustomAttributes="two  spaces", InferenceId="1"
        ),
    }
    protocol = {"s3": "rest-xml", "sts": "query", "iam": "query", "sagemaker-runtime": "rest-json"}.get(service, "json")
    request = sent(known.root, service, calls[service])
    proof = accepted(request, known, protocol)
    assert proof.identity == known.root.identity
    assert (proof.region, proof.service) == ("us-east-1", service.removesuffix("-runtime"))


def test_a_session_is_accepted_with_its_token_only(known: Identities, session: Credential) -> None:
    request = signed(session)
    assert accepted(request, known).identity.arn.endswith(":assumed-role/AmazonSageMaker-ExecutionRole/job")
    other = known.vend(known.roles.execution_arn, "other", 3600)
    for forged in (replace(session, token=""), replace(session, token=other.token)):
        assert refusal(signed(forged), known).code == "UnrecognizedClientException"
        assert refusal(signed(forged, service="sts"), known, "query").code == "InvalidClientTokenId"
        s3 = signed(forged, "GET", service="s3", signer=S3SigV4Auth)
        assert refusal(s3, known, "rest-xml").code == "InvalidToken"


SEGMENTS = st.text(st.characters(codec="utf-8", exclude_characters="/?#"), min_size=1, max_size=8)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(
    segments=st.lists(SEGMENTS, max_size=4), query=st.lists(st.tuples(NAMES, NAMES), max_size=4), trail=st.booleans()
)
def test_odd_keys_and_queries_verify_for_s3(
    known: Identities, segments: list[str], query: list[tuple[str, str]], *, trail: bool
) -> None:
    path = "/bucket/" + "/".join(quote(segment, safe="~") for segment in segments) + ("/" if trail else "")
    asked = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    request = signed(known.root, "GET", f"http://localhost{path}?{asked}", service="s3", signer=S3SigV4Auth)
    assert accepted(request, known, "rest-xml").service == "s3"


@given(
    segments=st.lists(st.one_of(SEGMENTS, st.sampled_from(["", ".", "..", "%2F", "a b", "ü"])), max_size=6),
    query=st.lists(st.tuples(NAMES, st.one_of(NAMES, st.just(""))), max_size=4),
)
def test_odd_paths_and_queries_verify_for_other_services(
    known: Identities, segments: list[str], query: list[tuple[str, str]]
) -> None:
    path = "/" + "/".join(quote(segment, safe="~:@!$&'()*+,;=") for segment in segments)
    url = f"http://localhost{path}?{urlencode(query, quote_via=quote, safe='-_.~')}"
    assert accepted(signed(known.root, "GET", url, body=b""), known, "rest-json").service == "sagemaker"


@given(value=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_header_values_are_folded_as_botocore_folds_them(known: Identities, value: str) -> None:
    request = signed(known.root, headers={"X-Amz-Meta-Note": value, "Content-Type": f" {value}\t {value} "})
    assert accepted(request, known).service == "sagemaker"


def test_equal_escapes_are_one_signature(known: Identities) -> None:
    request = signed(known.root, "GET", "http://h/b/a%20b%2B%28%29?x=a%20b", service="s3", signer=S3SigV4Auth)
    for path, query in (("/b/a b+()", "x=a+b"), ("/b/a%20b%2b()", "x=a%20b")):
        assert accepted(replace(request, path=path, query=query), known, "rest-xml").service == "s3"
    assert refusal(replace(request, path="/b/a%2520b+()"), known, "rest-xml").code == "SignatureDoesNotMatch"


TAMPERINGS: dict[str, Callable[[Request], Request]] = {
    "method": lambda request: replace(request, method="PUT"),
    "path": lambda request: replace(request, path="/other"),
    "query": lambda request: replace(request, query="a=1"),
    "host": lambda request: with_header(request, "Host", "127.0.0.1:1"),
    "target": lambda request: with_header(request, "X-Amz-Target", "SageMaker.DeleteModel"),
    "type": lambda request: with_header(request, "Content-Type", "text/plain"),
    "date": lambda request: with_header(request, "X-Amz-Date", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + 9))),
    "repeated header": lambda request: replace(request, headers=Headers([*request.headers, ("X-Amz-Target", "more")])),
    "signature": lambda request: with_header(request, "Authorization", request.headers["authorization"][:-64] + "0" * 64),
    "region": lambda request: with_header(
        request, "Authorization", request.headers["authorization"].replace("us-east-1", "us-west-2")
    ),
    "body": lambda request: replace(request, body=request.body + b" "),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERINGS)
@pytest.mark.parametrize(
    ("protocol", "code"), [("json", "InvalidSignatureException"), ("query", "SignatureDoesNotMatch")]
)
def test_a_changed_request_is_refused(known: Identities, what: str, protocol: str, code: str) -> None:
    headers = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
    request = signed(known.root, body=b"{}", headers=headers)
    assert accepted(request, known, protocol)
    error = refusal(TAMPERINGS[what](request), known, protocol)
    assert (error.code, error.status) == (code, 403)
    assert error.message.startswith("The request signature we calculated does not match the signature you provided.")


def test_s3_says_what_should_have_been_signed(known: Identities) -> None:
    request = signed(known.root, "GET", "http://h/bucket/key", service="s3", signer=S3SigV4Auth)
    error = refusal(replace(request, path="/bucket/other"), known, "rest-xml")
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)
    assert error.fields["CanonicalRequest"].startswith("GET\n/bucket/other\n\nhost:h\n")
    assert error.fields["StringToSign"].startswith("AWS4-HMAC-SHA256\n")
    assert bytes.fromhex(error.fields["StringToSignBytes"]).decode() == error.fields["StringToSign"]
    assert error.fields["AWSAccessKeyId"] == known.root.access_key
    assert known.root.secret not in repr(error.fields)


def test_an_amazon_header_must_be_signed(known: Identities) -> None:
    request = signed(known.root, "GET", "http://h/bucket", service="s3", signer=S3SigV4Auth)
    error = refusal(with_header(request, "X-Amz-Acl", "public-read"), known, "rest-xml")
    assert (error.code, error.fields) == ("AccessDenied", {"HeadersNotSigned": "x-amz-acl"})
    assert refusal(with_header(signed(known.root), "X-Amz-Target", "SageMaker.DeleteModel"), known).status == 403


def test_the_host_must_be_signed(known: Identities) -> None:
    request = signed(known.root)
    bare = request.headers["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    error = refusal(with_header(request, "Authorization", bare), known)
    assert (error.code, "Host" in error.message) == ("IncompleteSignature", True)


@pytest.mark.parametrize(
    ("protocol", "code", "status"),
    [
        ("json", "UnrecognizedClientException", 403),
        ("query", "InvalidClientTokenId", 403),
        ("rest-xml", "InvalidAccessKeyId", 403),
    ],
)
def test_an_unknown_key_is_refused(known: Identities, protocol: str, code: str, status: int) -> None:
    stranger = replace(known.root, identity=replace(known.root.identity, access_key="AKIAUNKNOWNUNKNOWN12"))
    error = refusal(signed(stranger, signer=S3SigV4Auth, service="s3"), known, protocol)
    assert (error.code, error.status) == (code, status)


@pytest.mark.parametrize(
    ("protocol", "code"),
    [("json", "MissingAuthenticationToken"), ("query", "MissingAuthenticationToken"), ("rest-xml", "AccessDenied")],
)
def test_an_unsigned_request_is_refused(known: Identities, protocol: str, code: str) -> None:
    error = refusal(Request("GET", "/", headers=Headers([("Host", "h")])), known, protocol)
    assert (error.code, error.status) == (code, 403)


@pytest.mark.parametrize(
    ("protocol", "code", "status"),
    [("json", "ExpiredTokenException", 403), ("query", "ExpiredToken", 403), ("rest-xml", "ExpiredToken", 400)],
)
def test_an_ended_session_is_refused(tmp_path: Path, protocol: str, code: str, status: int) -> None:
    clock = SetClock()
    clock.time -= 3600
    known = identities(tmp_path, clock)
    ended = known.vend(known.roles.execution_arn, "job", 900)
    error = refusal(signed(ended, signer=S3SigV4Auth, service="s3"), known, protocol)
    assert (error.code, error.status) == (code, status)


def test_a_clock_that_is_off_by_more_than_a_quarter_of_an_hour_is_refused(known: Identities) -> None:
    request, now = signed(known.root), time.time()
    for offset in (-890, 890):
        assert accepted(request, known, now=now + offset)
    late = refusal(request, known, now=now + 1000)
    assert late.code == "InvalidSignatureException"
    assert late.message.startswith("Signature expired: ")
    assert late.message.endswith(" - 15 min.)")
    assert "Signature not yet current: " in refusal(request, known, "query", now=now - 1000).message
    s3 = refusal(signed(known.root, service="s3", signer=S3SigV4Auth), known, "rest-xml", now=now + 1000)
    assert (s3.code, s3.fields["MaxAllowedSkewMilliseconds"]) == ("RequestTimeTooSkewed", "900000")


def test_a_signature_for_one_service_does_not_open_another(known: Identities) -> None:
    request = signed(known.root, service="sts")
    assert "correct service: 'iam'" in refusal(request, known, "query", service="iam").message
    assert refusal(request, known, "rest-xml", service="s3").code in ("InvalidRequest", "AuthorizationHeaderMalformed")


@pytest.mark.parametrize(
    ("authorization", "protocol", "code", "says"),
    [
        ("Basic abc", "json", "IncompleteSignature", "requires 'Credential' parameter"),
        ("Basic abc", "rest-xml", "InvalidArgument", "Unsupported Authorization Type"),
        ("AWS4-HMAC-SHA256 Credential=x", "query", "IncompleteSignature", "requires 'Signature' parameter"),
        ("AWS4-HMAC-SHA256 Credential=x", "rest-xml", "AuthorizationHeaderMalformed", "SignedHeaders"),
        (
            f"AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature={'0' * 64}",
            "json",
            "IncompleteSignature",
            "5 slash-delimited elements",
        ),
        (
            f"AWS4-HMAC-SHA256 Credential=a/20200101/r/s/aws4_request, SignedHeaders=host, Signature={'0' * 64}",
            "json",
            "InvalidSignatureException",
            "Date in Credential scope does not match",
        ),
    ],
)  # fmt: skip
def test_a_malformed_header_is_refused(
    known: Identities, authorization: str, protocol: str, code: str, says: str
) -> None:
    error = refusal(
        with_header(signed(known.root, signer=S3SigV4Auth), "Authorization", authorization), known, protocol
    )
    assert error.code == code
    assert says in error.message


@given(text=st.text(st.characters(max_codepoint=255), max_size=80), where=st.sampled_from(["header", "query", "date"]))
def test_garbage_is_refused_and_never_breaks_anything(known: Identities, text: str, where: str) -> None:
    request = signed(known.root)
    if where == "header":
        request = with_header(request, "Authorization", f"AWS4-HMAC-SHA256 Credential={text}")
    elif where == "date":
        request = with_header(with_header(request, "X-Amz-Date", text), "Date", text)
    else:
        request = with_header(
            replace(request, query=f"X-Amz-Signature={text}&X-Amz-Date={text}"), "Authorization", None
        )
    for protocol in ("json", "query", "rest-xml"):
        assert refusal(request, known, protocol).status in (400, 403)


def test_s3_needs_the_hash_of_the_payload(known: Identities) -> None:
    request = signed(known.root, service="s3", signer=SigV4Auth)
    assert "x-amz-content-sha256" in refusal(request, known, "rest-xml").message
    bad = signed(known.root, service="s3", headers={"X-Amz-Content-SHA256": "md5"})
    assert refusal(bad, known, "rest-xml").code == "InvalidArgument"


def test_verifying_takes_microseconds(known: Identities, session: Credential) -> None:
    """A bound that a slow machine keeps; the figure for a fast one is in the benchmarks."""
    body = b"1,2,3\n" * 20
    request = signed(session, "POST", "http://127.0.0.1:4566/endpoints/e/invocations", body=body)
    started = time.process_time()
    for _ in range(500):
        accepted(request, known, "rest-json", service="sagemaker")
    assert (time.process_time() - started) / 500 < 400e-6
