"""S3's URLs: in path style, in virtual-host style, and as boto3 makes them."""

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from tests.wire.requests import REGISTERED, ROUTER, request

from sagebrush.kernel.wire.http import Headers, Request
from sagebrush.kernel.wire.parse import parse
from sagebrush.kernel.wire.route import Route, Router
from sagebrush.kernel.wire.serialise import serialise


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
    assert route.labels.get("Bucket") == (None if wanted == "ListBuckets" else "b")
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
        url = urlsplit(str(request.url))
        headers = [("host", url.netloc), *((name, as_bytes(value).decode()) for name, value in request.headers.items())]
        self.asked = Request(str(request.method), url.path, url.query, Headers(headers), as_bytes(request.body))
        self.route = ROUTER.match(self.asked)
        response = serialise(self.route, self.answer, "id")
        return AWSResponse(str(request.url), response.status, dict(response.headers), Raw(response.body))  # type: ignore[arg-type]


class Raw:
    """A body as urllib3 gives it."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


def as_bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else str(body or "").encode()


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
