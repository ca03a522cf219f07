"""Which operation a request is for: every way in which clients say so."""

import io
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Headers, Request
from sagebrush.kernel.wire.models import every_head, head, protocol_of
from sagebrush.kernel.wire.parse import parse
from sagebrush.kernel.wire.route import Route, Router
from sagebrush.kernel.wire.serialise import serialise

REGISTERED = (
    "sagemaker", "sagemaker-runtime", "sagemaker-metrics", "s3", "iam", "sts", "logs", "cloudwatch",
)  # fmt: skip
ROUTER = Router(REGISTERED)


def request(method: str = "POST", url: str = "/", body: bytes = b"", scope: str = "", **headers: str) -> Request:
    """Return a request; `scope` is the service that its signature names. Header names have `_` for `-`."""
    path, _, query = url.partition("?")
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given.setdefault("host", "127.0.0.1:4566")
    if scope:
        given["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-west-1/{scope}/aws4_request, SignedHeaders=host, Signature=00"
        )
    return Request(method, path, query, Headers(given.items()), body)


def found(asked: Request, router: Router = ROUTER) -> tuple[str, str, str]:
    route = router.match(asked)
    return route.service, route.operation.name, route.protocol


FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (request(x_amz_target="SageMaker.CreateModel"), ("sagemaker", "CreateModel", "json")),
        (request(x_amz_target="Logs_20140328.GetLogEvents"), ("logs", "GetLogEvents", "json")),
        (request(x_amz_target="GraniteServiceVersion20100801.PutMetricData"), ("cloudwatch", "PutMetricData", "json")),
        (
            request(x_amz_target="AnyScaleFrontendService.PutScalingPolicy"),
            ("application-autoscaling", "PutScalingPolicy", "json"),
        ),
    ],
)
def test_a_target_names_the_operation(asked: Request, wanted: tuple[str, str, str]) -> None:
    assert found(asked) == wanted


@pytest.mark.parametrize(
    ("body", "scope", "wanted"),
    [
        (b"Action=GetCallerIdentity&Version=2011-06-15", "sts", ("sts", "GetCallerIdentity", "query")),
        (b"Action=GetRole&Version=2010-05-08&RoleName=r", "iam", ("iam", "GetRole", "query")),
        (b"Action=ListMetrics&Version=2010-08-01", "monitoring", ("cloudwatch", "ListMetrics", "query")),
        (b"Action=DescribeImages&Version=2016-11-15", "ec2", ("ec2", "DescribeImages", "ec2")),
        (b"Action=SendEmail&Version=2010-12-01", "ses", ("ses", "SendEmail", "query")),
        (
            b"Action=CreateApplication&Version=2010-12-01",
            "elasticbeanstalk",
            ("elasticbeanstalk", "CreateApplication", "query"),
        ),
        (b"Action=GetCallerIdentity", "sts", ("sts", "GetCallerIdentity", "query")),
        (b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "", ("sts", "AssumeRoleWithWebIdentity", "query")),
    ],
)
def test_a_form_names_action_and_version(body: bytes, scope: str, wanted: tuple[str, str, str]) -> None:
    assert found(request(body=body, scope=scope, content_type=FORM)) == wanted


def test_an_action_may_stand_in_the_url_as_in_a_presigned_call() -> None:
    asked = request("GET", "/?Action=GetCallerIdentity&Version=2011-06-15")
    assert found(asked) == ("sts", "GetCallerIdentity", "query")


@pytest.mark.parametrize(
    ("method", "url", "scope", "wanted"),
    [
        ("POST", "/endpoints/my-end/invocations", "sagemaker", ("sagemaker-runtime", "InvokeEndpoint")),
        ("POST", "/endpoints/e/async-invocations", "sagemaker", ("sagemaker-runtime", "InvokeEndpointAsync")),
        ("PUT", "/BatchPutMetrics", "sagemaker", ("sagemaker-metrics", "BatchPutMetrics")),
        ("PUT", "/FeatureGroup/fg", "sagemaker", ("sagemaker-featurestore-runtime", "PutRecord")),
        ("POST", "/human-loops/stop", "sagemaker", ("sagemaker-a2i-runtime", "StopHumanLoop")),
        ("GET", "/schedules/x", "scheduler", ("scheduler", "GetSchedule")),
        ("PUT", "/schedules/x", "databrew", ("databrew", "UpdateSchedule")),
        ("POST", "/2015-03-31/functions/f/invocations", "lambda", ("lambda", "Invoke")),
        ("POST", "/agents/AAAAAAAAAA/", "bedrock", ("bedrock-agent", "PrepareAgent")),
        ("GET", "/v20180820/jobs/j", "s3", ("s3", "GetObject")),
    ],
)
def test_the_signatures_scope_and_the_path_name_a_rest_operation(
    method: str, url: str, scope: str, wanted: tuple[str, str]
) -> None:
    assert found(request(method, url, scope=scope))[:2] == wanted


def test_paths_that_bedrocks_services_share_are_told_apart() -> None:
    inline = request("POST", "/agents/AAAAAAAAAA/", scope="bedrock", content_length="25")
    assert found(inline)[:2] == ("bedrock-agent-runtime", "InvokeInlineAgent")
    session = "/tags/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Asession%2Fx"
    assert found(request("GET", session, scope="bedrock"))[0] == "bedrock-agent-runtime"
    agent = "/tags/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aagent%2Fx"
    assert found(request("GET", agent, scope="bedrock"))[0] == "bedrock-agent"


def test_an_account_header_makes_it_s3_control() -> None:
    asked = request("GET", "/v20180820/jobs/j", scope="s3", x_amz_account_id="123456789012")
    assert found(asked)[:2] == ("s3control", "DescribeJob")


@pytest.mark.parametrize(
    ("method", "host", "url", "wanted"),
    [
        (
            "POST",
            "runtime.sagemaker.us-east-1.amazonaws.com",
            "/endpoints/e/invocations",
            ("sagemaker-runtime", "InvokeEndpoint"),
        ),
        ("GET", "lambda.eu-central-1.amazonaws.com", "/2015-03-31/functions/", ("lambda", "ListFunctions")),
        ("GET", "s3.amazonaws.com", "/", ("s3", "ListBuckets")),
        ("GET", "s3.us-east-1.amazonaws.com", "/b", ("s3", "ListObjects")),
        ("GET", "my.bucket.s3.us-east-1.amazonaws.com", "/", ("s3", "ListObjects")),
        ("GET", "bucket.s3.amazonaws.com", "/k", ("s3", "GetObject")),
    ],
)
def test_an_unsigned_request_goes_by_its_host(method: str, host: str, url: str, wanted: tuple[str, str]) -> None:
    assert found(request(method, url, host=host))[:2] == wanted


@pytest.mark.parametrize(
    "asked",
    [
        request("GET", "/b/k"),
        request("GET", "/b/k", authorization="AWS AKID:c2ln"),
        request("GET", "/b/k?AWSAccessKeyId=AKID&Signature=s&Expires=1"),
        request(
            "GET", "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20261121%2Fus-east-1%2Fs3%2Faws4_request"
        ),
    ],
    ids=["anonymous", "version 2 header", "version 2 presigned", "version 4 presigned"],
)
def test_what_nobody_else_claims_is_for_s3(asked: Request) -> None:
    route = ROUTER.match(asked)
    assert (route.service, route.operation.name, route.labels) == ("s3", "GetObject", {"Bucket": "b", "Key": "k"})


S3_FORMS: list[tuple[str, str, dict[str, str], str]] = [
    ("GET", "/", {}, "ListBuckets"),
    ("PUT", "/b", {}, "CreateBucket"),
    ("PUT", "/b/", {}, "CreateBucket"),
    ("HEAD", "/b", {}, "HeadBucket"),
    ("DELETE", "/b", {}, "DeleteBucket"),
    ("GET", "/b", {}, "ListObjects"),
    ("GET", "/b?prefix=a&marker=b", {}, "ListObjects"),
    ("GET", "/b?list-type=2&prefix=a%2F", {}, "ListObjectsV2"),
    ("GET", "/b?list-type=1", {}, "ListObjects"),
    ("GET", "/b?versions", {}, "ListObjectVersions"),
    ("GET", "/b?uploads", {}, "ListMultipartUploads"),
    ("GET", "/b?location", {}, "GetBucketLocation"),
    ("GET", "/b?tagging=", {}, "GetBucketTagging"),
    ("GET", "/b?lifecycle", {}, "GetBucketLifecycleConfiguration"),
    ("GET", "/b?inventory", {}, "ListBucketInventoryConfigurations"),
    ("GET", "/b?inventory&id=i", {}, "GetBucketInventoryConfiguration"),
    ("POST", "/b?delete", {}, "DeleteObjects"),
    ("PUT", "/b/k", {}, "PutObject"),
    ("PUT", "/b/k?x-id=PutObject", {}, "PutObject"),
    ("PUT", "/b/k", {"x-amz-copy-source": "/a/b"}, "CopyObject"),
    ("PUT", "/b/k?partNumber=1&uploadId=u", {}, "UploadPart"),
    ("PUT", "/b/k?partNumber=1&uploadId=u", {"x-amz-copy-source": "/a/b"}, "UploadPartCopy"),
    ("PUT", "/b/k?partNumber=1", {}, "UploadPart"),
    ("PUT", "/b/k?tagging", {}, "PutObjectTagging"),
    ("PUT", "/b/k?acl", {}, "PutObjectAcl"),
    ("GET", "/b/k?versionId=v", {}, "GetObject"),
    ("GET", "/b/k?partNumber=2", {}, "GetObject"),
    ("GET", "/b/k?uploadId=u", {}, "ListParts"),
    ("GET", "/b/k?attributes", {"x-amz-object-attributes": "ETag"}, "GetObjectAttributes"),
    ("HEAD", "/b/k", {}, "HeadObject"),
    ("DELETE", "/b/k", {}, "DeleteObject"),
    ("DELETE", "/b/k?uploadId=u", {}, "AbortMultipartUpload"),
    ("DELETE", "/b/k?tagging", {}, "DeleteObjectTagging"),
    ("POST", "/b/k?uploads", {}, "CreateMultipartUpload"),
    ("POST", "/b/k?uploadId=u", {}, "CompleteMultipartUpload"),
    ("POST", "/b/k?select&select-type=2", {}, "SelectObjectContent"),
]


@pytest.mark.parametrize("style", ["path", "host"])
@pytest.mark.parametrize(
    ("method", "url", "headers", "wanted"), S3_FORMS, ids=[f"{each[0]} {each[1]}" for each in S3_FORMS]
)
def test_every_form_of_an_s3_url(method: str, url: str, headers: dict[str, str], wanted: str, style: str) -> None:
    host = "localhost:4566"
    if style == "host" and url != "/":
        rest = url.removeprefix("/b")
        host, url = f"b.{host}", rest if rest.startswith("/") else f"/{rest}"
    path, _, query = url.partition("?")
    asked = Request(method, path, query, Headers({"host": host, **headers}.items()))
    route = ROUTER.match(asked)
    assert route.operation.name == wanted
    assert route.labels.get("Bucket") == (None if url == "/" and style == "path" else route.labels.get("Bucket"))
    assert asked.bucket == ("b" if host.startswith("b.") else "")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/b/a//c", "a//c"),
        ("/b//", "/"),
        ("/b/a/", "a/"),
        ("/b/a%2Fb", "a/b"),
        ("/b/a+b%20c%2B", "a+b c+"),
        ("/b/%E6%BC%A2%25", "漢%"),
        ("/b/a%0Ab", "a\nb"),
        ("/b/../x", "../x"),
    ],
)
def test_a_key_is_what_the_path_says_and_no_more(path: str, key: str) -> None:
    assert ROUTER.match(request("GET", path)).labels == {"Bucket": "b", "Key": key}


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("localhost:4566", ""),
        ("s3.localhost", ""),
        ("my-bucket.localhost", "my-bucket"),
        ("my.dotted.bucket.localhost:80", "my.dotted.bucket"),
        ("my-bucket.s3.localhost:4566", "my-bucket"),
        ("127.0.0.1:4566", ""),
        ("[::1]:4566", ""),
        ("sm.example.org", ""),
        ("b.s3.eu-west-1.amazonaws.com", "b"),
        ("b.s3-eu-west-1.amazonaws.com", "b"),
        ("b.s3.dualstack.eu-west-1.amazonaws.com", "b"),
        ("b.s3.s3.amazonaws.com", "b.s3"),
        ("sm-pysdk-t-us-east-1.s3.us-east-1.amazonaws.com", "sm-pysdk-t-us-east-1"),
    ],
)
def test_a_host_names_a_bucket_or_does_not(host: str, bucket: str) -> None:
    asked = request("GET", "/some/key", host=host)
    route = ROUTER.match(asked)
    assert asked.bucket == bucket
    assert route.labels == ({"Bucket": bucket, "Key": "some/key"} if bucket else {"Bucket": "some", "Key": "key"})


def test_a_bucket_below_a_host_of_the_operators_choice() -> None:
    router = Router(REGISTERED, hosts=("sm.example.org",))
    asked = request("GET", "/k", host="my-bucket.sm.example.org")
    assert router.match(asked).labels == {"Bucket": "my-bucket", "Key": "k"}


@pytest.mark.parametrize(
    ("asked", "code", "status"),
    [
        (request(x_amz_target="SageMaker.FlyToTheMoon"), "UnknownOperationException", 400),
        (request(x_amz_target="Nobody.Knows"), "UnknownOperationException", 400),
        (request(x_amz_target="no dots at all"), "UnknownOperationException", 400),
        (request(body=b"Action=Fly&Version=2011-06-15", content_type=FORM), "InvalidAction", 400),
        (request(body=b"Action=Fly&Version=1999-01-01", content_type=FORM), "InvalidAction", 400),
        (request("POST", "/endpoints/e/nothing-here", scope="sagemaker"), "UnknownOperationException", 404),
        (request("PATCH", "/b/k"), "MethodNotAllowed", 405),
        (request("GET", "/b/%ff"), "InvalidURI", 400),
    ],
)
def test_what_no_operation_answers_is_refused_as_aws_refuses_it(asked: Request, code: str, status: int) -> None:
    with pytest.raises(AwsError) as refused:
        ROUTER.match(asked)
    assert (refused.value.code, refused.value.status) == (code, status)


def test_operations_nobody_registered_are_found_all_the_same() -> None:
    assert found(request(x_amz_target="AWSGlue.GetTable"), Router([])) == ("glue", "GetTable", "json")


def test_the_index_knows_every_service_and_its_protocols() -> None:
    heads = {each.name: each for each in every_head()}
    assert len(heads) > 400
    assert heads["cloudwatch"].protocol == "json"
    assert heads["sts"].protocol == "query"
    assert heads["s3"].protocol == "rest-xml"
    assert heads["sagemaker-runtime"].signing_name == "sagemaker"
    assert heads["sagemaker-runtime"].endpoint_prefix == "runtime.sagemaker"


def test_a_client_may_speak_an_older_protocol_than_botocore() -> None:
    assert protocol_of(head("cloudwatch"), request(content_type=FORM)) == "query"
    assert protocol_of(head("cloudwatch"), request(content_type="application/x-amz-json-1.0")) == "json"


class Wire:
    """What boto3 sends, caught before it leaves: the last request, and an answer of ours for it."""

    def __init__(self, service: str, **config: Any) -> None:
        self.client: Any = boto3.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            aws_access_key_id="AKID",
            aws_secret_access_key="secret",
            config=Config(**config),
        )
        self.client.meta.events.register("before-send.*.*", self._send)
        self.asked = Request("", "")
        self.route: Route | None = None
        self.answer: dict[str, Any] = {}

    def _send(self, request: AWSRequest, **_: Any) -> AWSResponse:
        rest = request.url.partition("://")[2]
        host, _, path = rest.partition("/")
        path, _, query = f"/{path}".partition("?")
        headers = {
            name: value if isinstance(value, str) else value.decode("latin-1")
            for name, value in request.headers.items()
        }
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        self.asked = Request(
            request.method,
            path,
            query,
            Headers({"host": host, **headers}.items()),
            body if isinstance(body, bytes) else b"",
        )
        self.route = ROUTER.match(self.asked)
        response = serialise(self.route, self.answer, "id")
        assert isinstance(response.body, bytes)
        raw = io.BytesIO(response.body)
        raw.stream = lambda *_args, **_kwargs: iter([response.body])  # type: ignore[attr-defined]
        return AWSResponse(request.url, response.status, dict(response.headers), raw)  # type: ignore[arg-type]


def test_boto3s_own_requests_find_their_operations_without_an_endpoint_url() -> None:
    s3 = Wire("s3")
    s3.client.list_objects_v2(Bucket="my-bucket", Prefix="a b/ü")
    assert s3.route is not None
    assert s3.route.operation.name == "ListObjectsV2"
    read = parse(s3.route, s3.asked)
    assert (read["Bucket"], read["Prefix"], read["EncodingType"]) == ("my-bucket", "a b/ü", "url")
    assert s3.asked.bucket == "my-bucket"
    sts = Wire("sts")
    sts.answer = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:root", "UserId": "u"}
    assert sts.client.get_caller_identity()["Account"] == "123456789012"


@pytest.mark.parametrize(("region", "seen"), [("eu-west-1", "eu-west-1"), (None, None)])
def test_a_buckets_location_is_the_root_of_its_document(region: str | None, seen: str | None) -> None:
    s3 = Wire("s3", s3={"addressing_style": "path"})
    s3.answer = {"LocationConstraint": region}
    assert s3.client.get_bucket_location(Bucket="my-bucket")["LocationConstraint"] == seen
