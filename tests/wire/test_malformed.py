"""Whatever a client sends, the answer is its operation or AWS's refusal; never a failure of ours."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.faults import fault
from sagebrush.kernel.wire.http import Headers, Request
from sagebrush.kernel.wire.models import service_model
from sagebrush.kernel.wire.parse import parse
from sagebrush.kernel.wire.route import Route, Router
from sagebrush.kernel.wire.validate import validate

ROUTER = Router(("sagemaker", "sagemaker-runtime", "s3", "iam", "sts", "logs", "cloudwatch"))
MANY = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

JSON_TARGETS = [
    "SageMaker.CreateTrainingJob", "SageMaker.CreateEndpointConfig", "SageMaker.ListTrainingJobs", "SageMaker.CreatePipeline",
    "SageMaker.Search", "Logs_20140328.PutLogEvents", "Logs_20140328.FilterLogEvents", "GraniteServiceVersion20100801.PutMetricData",
    "GraniteServiceVersion20100801.GetMetricData", "DynamoDB_20120810.PutItem",
]  # fmt: skip
FORM_ACTIONS = [
    ("AssumeRole", "2011-06-15"), ("CreateRole", "2010-05-08"), ("SimulatePrincipalPolicy", "2010-05-08"), ("PutMetricData", "2010-08-01"),
]  # fmt: skip
S3_BODIES = [
    ("POST", "/b", "delete"), ("POST", "/b/k", "uploadId=u"), ("PUT", "/b", "tagging"), ("PUT", "/b", "lifecycle"), ("PUT", "/b", ""),
    ("PUT", "/b/k", "acl"), ("PUT", "/b", "notification"),
]  # fmt: skip

texts = st.text(max_size=12)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(["", "2026-11-21", "AAA=", "NaN", "-1"])
)


def names_of(target: str) -> list[str]:
    """Return names that an operation's input has, at any depth: documents made of them reach deep into the readers."""
    route = ROUTER.match(Request("POST", "/", headers=Headers([("x-amz-target", target)])))
    names: set[str] = set()

    def collect(shape: Any, seen: set[str]) -> None:
        if shape is None or shape.name in seen or len(names) > 120:
            return
        seen.add(shape.name)
        for name, member in getattr(shape, "members", {}).items():
            names.add(name)
            collect(member, seen)
        for inner in ("member", "key", "value"):
            collect(getattr(shape, inner, None), seen)

    collect(route.operation.input_shape, set())
    return sorted(names)


def documents(names: list[str]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(names) | texts
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
    )


def answered(request: Request) -> None:
    """Take a request through the wire; whatever refuses it must be an AwsError that a client can read."""
    route: Route | None = None
    try:
        route = ROUTER.match(request)
        validate(route.operation, parse(route, request))
    except AwsError as error:
        assert 400 <= error.status < 500, error
        response = fault(route, request, error, "id")
        assert error.status in (response.status, 400)
        for name, value in response.headers:
            assert f"{name}{value}".encode("latin-1").isascii()
            assert "\n" not in value


@pytest.mark.parametrize("target", JSON_TARGETS)
def test_json_of_any_shape(target: str) -> None:
    @MANY
    @given(documents(names_of(target)))
    def check(document: Any) -> None:
        body = json.dumps(document).encode()
        answered(Request("POST", "/", headers=Headers([("x-amz-target", target)]), body=body))

    check()


@MANY
@given(st.sampled_from(JSON_TARGETS), st.binary(max_size=200))
@example("SageMaker.CreateTrainingJob", b'{"TrainingJobName": "\\ud800"}')
@example("SageMaker.CreateTrainingJob", b"[" * 100_000)
@example("SageMaker.CreateTrainingJob", b'{"TrainingJobName":' * 2_000)
@example("SageMaker.CreateTrainingJob", b'{"StoppingCondition": {"MaxRuntimeInSeconds": 1e400}}')
@example("SageMaker.ListTrainingJobs", b'{"CreationTimeAfter": 1e18}')
@example("SageMaker.ListTrainingJobs", b'{"CreationTimeAfter": "-99999-01-01"}')
@example("SageMaker.ListTrainingJobs", b'{"MaxResults": 99999999999999999999999}')
@example("DynamoDB_20120810.PutItem", b'{"Item":{"a":' + b'{"M":{"a":' * 1_000 + b'{"S":"x"}' + b"}}" * 1_000 + b"}}")
@example("SageMaker.CreateTrainingJob", b"\xff\xfe")
@example("SageMaker.CreateTrainingJob", b"null")
def test_bytes_in_place_of_json(target: str, body: bytes) -> None:
    answered(Request("POST", "/", headers=Headers([("x-amz-target", target)]), body=body))


@MANY
@given(
    st.sampled_from(FORM_ACTIONS),
    st.dictionaries(
        st.lists(
            st.sampled_from(
                [
                    "RoleArn",
                    "Tags",
                    "MetricData",
                    "Dimensions",
                    "member",
                    "entry",
                    "1",
                    "2",
                    "-1",
                    "x",
                    "",
                    "Key",
                    "key",
                    "value",
                ]
            ),
            min_size=1,
            max_size=6,
        ).map(".".join),
        texts,
        max_size=8,
    ),
)
@example(("AssumeRole", "2011-06-15"), {"Tags": "", "Tags.member.1.Key": "k"})
@example(("AssumeRole", "2011-06-15"), {"Tags.member.1.Key": "k", "Tags": ""})
@example(("AssumeRole", "2011-06-15"), {".".join(["Tags", *["member"] * 5000]): "deep"})
@example(("AssumeRole", "2011-06-15"), {"DurationSeconds": "soon"})
def test_forms_of_any_shape(action: tuple[str, str], fields: dict[str, str]) -> None:
    from urllib.parse import urlencode

    body = urlencode({"Action": action[0], "Version": action[1], **fields}, errors="replace").encode()
    answered(Request("POST", "/", headers=Headers([("content-type", "application/x-www-form-urlencoded")]), body=body))


@MANY
@given(st.binary(max_size=100))
@example(b"Action=AssumeRole&Version=2011-06-15&RoleArn=%ff%fe")
@example(b"Action=AssumeRole&Version=2011-06-15&RoleArn=\xff")
def test_bytes_in_place_of_a_form(body: bytes) -> None:
    answered(Request("POST", "/", headers=Headers([("content-type", "application/x-www-form-urlencoded")]), body=body))


tags = st.sampled_from(
    ["Delete", "Object", "Key", "VersionId", "Quiet", "CompleteMultipartUpload", "Part", "PartNumber", "ETag", "Tagging", "TagSet", "Tag", "Value",
     "LifecycleConfiguration", "Rule", "Expiration", "Days", "Date", "AccessControlPolicy", "AccessControlList", "Grant", "Grantee"],
)  # fmt: skip
elements = st.recursive(
    st.text("abc<>&;\"' 0123456789-", max_size=6),
    lambda inner: st.builds(lambda tag, inside: f"<{tag}>{''.join(inside)}</{tag}>", tags, st.lists(inner, max_size=4)),
    max_leaves=20,
)
BOMB = (
    '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>'
)


@MANY
@given(st.sampled_from(S3_BODIES), elements)
@example(("POST", "/b", "delete"), BOMB)
@example(("POST", "/b", "delete"), "<Delete>" * 5000)
@example(("POST", "/b", "delete"), "<Delete xmlns='http://x'><Object><Key>k</Key></Object></Delete>")
@example(
    ("POST", "/b/k", "uploadId=u"),
    "<CompleteMultipartUpload><Part><PartNumber>one</PartNumber></Part></CompleteMultipartUpload>",
)
@example(("PUT", "/b", "tagging"), "<WrongRoot/>")
def test_xml_of_any_shape(operation: tuple[str, str, str], body: str) -> None:
    method, path, query = operation
    answered(Request(method, path, query, body=body.encode()))


def test_a_document_type_is_refused_before_anything_of_it_is_read() -> None:
    route = ROUTER.match(Request("POST", "/b", "delete"))
    with pytest.raises(AwsError, match="MalformedXML"):
        parse(route, Request("POST", "/b", "delete", body=BOMB.encode()))
    for encoding in ("utf-16", "utf-16-be", "utf-7"):
        with pytest.raises(AwsError, match="MalformedXML"):
            parse(route, Request("POST", "/b", "delete", body=BOMB.encode(encoding)))
    harmless = b"<Delete><Object><Key><![CDATA[<!DOCTYPE html>]]></Key></Object></Delete>"
    assert parse(route, Request("POST", "/b", "delete", body=harmless))["Delete"] == {
        "Objects": [{"Key": "<!DOCTYPE html>"}]
    }


headers = st.dictionaries(
    st.sampled_from(["range", "if-modified-since", "x-amz-expected-bucket-owner", "x-amz-object-lock-retain-until-date", "content-length",
                     "x-amz-server-side-encryption-bucket-key-enabled", "x-amz-object-attributes", "x-amz-meta-a", "x-amz-acl", "expires",
                     "authorization", "host", "x-amz-target", "content-type", "x-amz-copy-source"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
    max_size=6,
)  # fmt: skip


@MANY
@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
    | st.sampled_from(["max-keys=many", "partNumber=x&uploadId=u", "list-type=2&max-keys=9999999999"]),
    headers,
)
@example("GET", "/b/%ff", "", {})
@example("GET", "b", "%ff=1", {})
@example("GET", "/b", "", {"authorization": "AWS4-HMAC-SHA256 Credential=/////, SignedHeaders"})
@example("GET", "/b", "", {"host": "[::1"})
@example("GET", "/b", "", {"host": "..s3.amazonaws.com"})
def test_heads_of_any_kind(method: str, path: str, query: str, given_headers: dict[str, str]) -> None:
    answered(Request(method, path, query, Headers(given_headers.items())))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (Request("POST", "/", headers=Headers([("x-amz-target", "SageMaker.ListModels")]), body=b"{"), "SerializationException"),
        (Request("GET", "/b", "max-keys=many"), "InvalidArgument"),
        (Request("POST", "/b", "delete", body=b"<Delete>"), "MalformedXML"),
        (Request("POST", "/", headers=Headers([("content-type", "application/x-www-form-urlencoded")]),
                 body=b"Action=AssumeRole&Version=2011-06-15&DurationSeconds=x"), "MalformedInput"),
    ],
)  # fmt: skip
def test_each_protocol_has_its_own_code_for_what_cannot_be_read(asked: Request, code: str) -> None:
    with pytest.raises(AwsError) as refused:
        parse(ROUTER.match(asked), asked)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"MaxResults": "5"}', "STRING_VALUE can not be converted to an Integer"),
        (b'{"NameContains": 5}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"NameContains": true}', "BOOLEAN_VALUE can not be converted to a String"),
        (b'{"NameContains": {}}', "Start of structure or map found where not expected."),
        (b'{"CreationTimeAfter": []}', "Start of list found where not expected"),
        (b"[]", "Start of list found where not expected"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_in_awss_words(body: bytes, text: str) -> None:
    asked = Request("POST", "/", headers=Headers([("x-amz-target", "SageMaker.ListModels")]), body=body)
    with pytest.raises(AwsError) as refused:
        parse(ROUTER.match(asked), asked)
    assert (refused.value.code, refused.value.message) == ("SerializationException", text)


def test_a_service_of_a_protocol_that_is_not_spoken_says_so() -> None:
    route = Route("ec2", service_model("ec2").operation_model("DescribeImages"), {}, "ec2")
    with pytest.raises(AwsError) as refused:
        parse(route, Request("POST", "/"))
    assert (refused.value.status, refused.value.code) == (501, "NotImplemented")
