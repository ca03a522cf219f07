"""What the tests of S3 share."""

import http.client
import itertools
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.conftest import Platform

_NUMBERS = itertools.count()

MIB = 2**20


def new_bucket(s3: Any, stem: str = "bucket") -> str:
    """Return the name of a bucket made for one test."""
    name = f"{stem}-{next(_NUMBERS)}-{id(s3):x}"
    s3.create_bucket(Bucket=name)
    return name


def refused(code: str, text: str = "") -> Any:
    """Expect a ClientError of this code whose message contains this text."""

    def fits(error: ClientError) -> bool:
        found = error.response["Error"]
        assert (found["Code"], text in found["Message"]) == (code, True), found
        return True

    return pytest.RaisesExc(ClientError, check=fits)


class _Auth(S3SigV4Auth):
    """Signs the payload hash that the request states, where it states one."""

    def add_auth(self, request: AWSRequest) -> None:
        self.stated = request.headers.get("X-Amz-Content-SHA256")
        super().add_auth(request)

    def payload(self, request: AWSRequest) -> str:
        return self.stated or str(super().payload(request))


def signed(platform: Platform, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> AWSRequest:
    """Return a request with a signature over `headers`; the payload's hash is what `headers` say, or the body's."""
    request = AWSRequest(method, platform.endpoint + path, headers=dict(headers), data=body)
    keys = platform.keys
    auth = _Auth(Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "s3", "us-east-1")
    auth.add_auth(request)
    return request


def exchange(platform: Platform, request: AWSRequest, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Send a signed request as it is, without botocore's own headers; return status, headers and body."""
    where = urlsplit(platform.endpoint)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    try:
        path = (request.url or "").partition("//")[2].partition("/")[2]
        connection.request(request.method or "", f"/{path}", body, dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
