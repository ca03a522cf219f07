"""Whatever a client sends, S3 answers with an error of its own: never a failure of the server, nothing half-written."""

import re
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

import pytest
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Platform
from tests.services.s3_help import exchange, new_bucket, signed

ODD = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["", "*", '"', '""', "bytes=", "bytes=-", "bytes=1-0", "bytes=99999999999999999999-", "0", "-1", "NaN", "true", "/",
                     "//", "a/b", "%", "%zz", "%ff", "=", "&", "a=b", "=b&", "AES256", "COPY", "Thu, 99 Foo 2020", "2020-01-01T00:00:00Z"]),
)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Content-MD5", "Content-Type",
         "Content-Encoding", "Cache-Control", "Expires", "x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-checksum-mode",
         "x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-trailer", "x-amz-tagging",
         "x-amz-storage-class", "x-amz-acl", "x-amz-copy-source", "x-amz-copy-source-range", "x-amz-copy-source-if-match",
         "x-amz-metadata-directive", "x-amz-meta-odd", "x-amz-expected-bucket-owner", "x-amz-server-side-encryption",
         "x-amz-mp-object-size", "x-amz-object-lock-mode", "x-amz-write-offset-bytes", "x-amz-decoded-content-length"]
    ),
    ODD, max_size=4,
)  # fmt: skip
QUERY = st.dictionaries(
    st.sampled_from(
        ["list-type", "prefix", "delimiter", "max-keys", "marker", "continuation-token", "start-after", "encoding-type", "fetch-owner",
         "versions", "key-marker", "version-id-marker", "uploads", "uploadId", "partNumber", "part-number-marker", "max-parts",
         "max-uploads", "versionId", "tagging", "attributes", "delete", "location", "versioning", "acl", "response-content-type",
         "response-expires", "x-id"]
    ),
    ODD, max_size=4,
)  # fmt: skip
BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([
        b"<", b"<a/>", b"<Delete/>", b"<Delete><Object/></Delete>", b"<Delete><Object><Key/></Object></Delete>", b"<Tagging/>",
        b"<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>", b"<CompleteMultipartUpload/>",
        b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Part><ETag>e</ETag></Part></CompleteMultipartUpload>",
        b"<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    ]),
)  # fmt: skip


@pytest.fixture(scope="module")
def bucket(platform: Platform) -> str:
    s3 = platform.client("s3")
    name = new_bucket(s3)
    s3.put_object(Bucket=name, Key="key", Body=b"content")
    return name


@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"]), st.sampled_from(["", "/", "/key", "/odd", "/%00", "/%F0%9F%98%80"]),
    HEADERS, QUERY, BODIES,
)  # fmt: skip
def test_no_request_makes_the_server_fail(
    platform: Platform, bucket: str, method: str, path: str, headers: dict[str, str], query: dict[str, str], body: bytes
) -> None:
    where = f"/{bucket if method != 'DELETE' or path not in ('', '/') else f'{bucket}-not'}{path}"
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    request = signed(
        platform, method, f"{where}?{text}" if text else where, {**headers, "Content-Length": str(len(body))}, body
    )
    status, _, answer = exchange(platform, request, body)
    assert status < 500 or status == 501, answer
    if status >= 400 and method != "HEAD":
        assert re.search(rb"<Error><Code>[A-Za-z0-9]+</Code><Message>[^<]+</Message>", answer), answer


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_get_and_put(platform: Platform, bucket: str, version: str) -> None:
    s3: Any = platform.client("s3", config=Config(signature_version=version), region_name="us-east-1")
    where = {"Bucket": bucket, "Key": f"presigned {version}/ü"}
    url = s3.generate_presigned_url("put_object", Params=where)
    urllib.request.urlopen(
        urllib.request.Request(url, b"by anyone", method="PUT", headers={"Content-Type": ""})
    ).close()
    url = s3.generate_presigned_url("get_object", Params={**where, "ResponseContentType": "text/csv"})
    with urllib.request.urlopen(url) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"by anyone", "text/csv")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("presigned", "another"))
    assert caught.value.code == 403
    caught.value.close()
