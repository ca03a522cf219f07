"""What can be wrong around a body: method, path, query, headers, framing. Each mutation changes a draft in place."""

from random import Random
from urllib.parse import quote

from botocore.model import Shape, StructureShape
from tests.scenarios import bad_values
from tests.scenarios.bad_bodies import Mutation, UnfitError
from tests.scenarios.raw_requests import Draft

_LINE_ENDS = str.maketrans({"\r": " ", "\n": " ", "\x00": " "})


def _in_header(text: str) -> str:
    return text.encode().decode("latin-1").translate(_LINE_ENDS)


def _escaped(text: str) -> str:
    return quote(text, safe="")


# ---------------------------------------------------------------------- headers

_ODD_HEADERS = {
    "content-type": [
        "", "text/plain", "application/json", "application/xml", "application/x-www-form-urlencoded",
        "multipart/form-data", "x" * 5000, ";", "application/x-amz-json-9.9", "application/cbor", "\xff",
        "application/x-amz-json-1.1; charset=utf-7",
    ],
    "accept": ["", "application/cbor", "*/*;q=x", "\xff"],
    "host": [
        "", ".", "..", "x", "bad-input.localhost", "BAD-INPUT.localhost:1", ".localhost", "a..b.localhost",
        "localhost:99999", "[::1]", "[", "s3.amazonaws.com", "\xff", "%00.localhost",
        "bad-input.s3.us-east-1.amazonaws.com", "x" * 3000, "s3.localhost", "127.0.0.1:0x50", "a/b.localhost",
        "_.localhost", "none.s3.amazonaws.com",
    ],
    "content-md5": ["x", "", "1B2M2Y8AsgTpgAmY7PhCfg==", "=", "\xff", "AAAA"],
    "content-encoding": ["gzip", "br", "aws-chunked", "aws-chunked,gzip", "identity", "", "\xff"],
    "expect": ["100-continue", "x", "200-ok"],
    "x-amz-content-sha256": [
        "x", "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "0" * 64, "STREAMING-", "E" * 64,
    ],
    "x-amz-decoded-content-length": ["0", "-1", "x", "9" * 15, "9" * 40, "9" * 5000, "\xb2", "1.5", ""],
    "x-amz-trailer": ["x", "x-amz-checksum-crc32", "x-amz-checksum-crc32,x-amz-checksum-sha256", ",", "\xff"],
    "x-amz-sdk-checksum-algorithm": ["CRC32", "x", "sha256", ""],
    "x-amz-checksum-crc32": ["AAAAAA==", "x", "", "AAAA", "\xff"],
    "x-amz-checksum-sha256": ["AAAAAA==", "x", ""],
    "x-amz-copy-source": [
        "", "/", "x", "/bad-input", "bad-input/", "bad-input/kept", "/bad-input/kept?versionId=",
        "bad-input/kept?versionId=x", "%00/%00", "bad-input/%ff", "%", "a/b/c?x=y",
        "arn:aws:s3:us-east-1:123456789012:accesspoint/x/object/y", "bad-input/kept?versionId=null&x=1",
    ],
    "x-amz-copy-source-range": ["bytes=0-0", "bytes=5-1", "bytes=-", "x", "bytes=0-99999999999999999999"],
    "x-amz-metadata-directive": ["REPLACE", "x", ""],
    "x-amz-tagging": [
        "a=b", "a", "=", "&", "a=b&a=c", "%", "%ff=%ff", "a=" + "b" * 300, "&".join(f"k{n}=v" for n in range(11)),
        "\xff",
    ],
    "x-amz-meta-a": ["b", "\xff", "=?utf-8?q?=00?=", "x" * 3000, "=?x?y?z?=", "é✓", "  ", ""],
    "x-amz-meta-": ["b"],
    "x-amz-storage-class": ["STANDARD", "x", "GLACIER"],
    "x-amz-acl": ["private", "public-read", "x"],
    "x-amz-object-attributes": ["ETag", "x", "", ",", "ETag,,Checksum", '"'],
    "x-amz-mp-object-size": ["0", "-1", "x", "9" * 30, "1.5"],
    "x-amz-expected-bucket-owner": ["123456789012", "000000000000", "x"],
    "x-amz-security-token": ["x", "", "\xff", "x" * 3000],
    "x-amz-target": [
        "", "x", ".", "SageMaker.", "SageMaker.Nope", "SageMaker.CreateModel", "Logs_20140328.PutLogEvents",
        "DynamoDB_20120810.ListTables", "\xff", "x" * 5000, "a.b.c.d",
    ],
    "x-amzn-query-mode": ["true", "x"],
    "x-amzn-sagemaker-custom-attributes": ["x" * 1025, "\xff", ""],
    "x-amzn-sagemaker-target-variant": ["x", "\xff", "a b"],
    "range": [
        "bytes=0-0", "bytes=5-", "bytes=-1", "bytes=-0", "bytes=9-1", "bytes=0-1,3-4", "x", "bytes=", "bytes=a-b",
        "bytes=99999999999999999999999-", "items=0-1", "bytes=" + "9" * 5000 + "-", "bytes=\xb2-",
    ],
    "if-match": ["*", '"x"', "x", "", '"', '"a","b"', "\xff"],
    "if-none-match": ["*", '"x"', "x", ""],
    "if-modified-since": [
        "x", "Sat, 21 Nov 2026 08:26:21 GMT", "Sat, 21 Nov 0000 08:26:21 GMT", "Sat, 31 Feb 2026 08:26:21 GMT", "0",
        "-1", "1e400", "9999-99-99", "Sat, 21 Nov 2026 08:26:21 +9999", "Fri, 31 Dec 9999 23:59:59 -2359", ",",
    ],
    "if-unmodified-since": ["x", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +2359"],
    "x-amz-if-match-last-modified-time": ["x", "0", "Sat, 21 Nov 2026 08:26:21 GMT"],
    "x-amz-if-match-size": ["x", "0", "9" * 30, "-1"],
    "expires": ["x", "0", "Sat, 21 Nov 2026 08:26:21 GMT", "\xff"],
    "cache-control": ["\xff", "x" * 3000],
    "connection": ["close", "x"],
    "transfer-encoding": ["identity"],
    "x-amz-object-lock-retain-until-date": ["x", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"],
    "x-amz-server-side-encryption": ["AES256", "aws:kms", "x"],
    "x-amz-max-keys": ["x"],
    "x-amz-user-agent": ["\xff"],
}  # fmt: skip


def odd_header(draft: Draft, source: Random) -> None:
    name = source.choice(list(_ODD_HEADERS))
    draft.put(
        name,
        _ODD_HEADERS[name][source.randrange(len(_ODD_HEADERS[name]))].encode("latin-1", "replace").decode("latin-1"),
    )
    draft.strays |= name in {"host", "x-amz-target", "content-type", "x-amz-copy-source"}
    draft.broken |= name in {"transfer-encoding", "host"}


def odd_value_in_header(draft: Draft, source: Random) -> None:
    """Give a header that the operation knows an odd value."""
    names = [each.serialization["name"] for each in _located(draft.operation.input_shape, "header")]
    if not names:
        raise UnfitError
    value = _in_header(source.choice([*bad_values.TEXTS, *bad_values.NUMBERS]))[:9000]
    name = source.choice(names)
    draft.put(name, value)
    draft.broken |= name == "Content-Length" or not value.isprintable()


def many_headers(draft: Draft, source: Random) -> None:
    count = source.choice([50, 90, 200])
    draft.headers.extend(
        (f"x-amz-meta-{source.choice(['a', 'b', str(number)])}", "x" * source.choice([1, 200]))
        for number in range(count)
    )
    draft.broken = True  # a server may bound the size of the head


def without_header(draft: Draft, source: Random) -> None:
    if not draft.headers:
        raise UnfitError
    name = source.choice(draft.headers)[0]
    draft.drop(name)
    draft.strays = True


def _located(shape: Shape | None, location: str) -> list[Shape]:
    members = shape.members.values() if isinstance(shape, StructureShape) else ()
    return [each for each in members if each.serialization.get("location") == location]


# ---------------------------------------------------------------------- request line

_SEGMENTS = [
    "%00", "%2F", "%2f%2f", "..", ".", "", "%2e%2e", "%ff", "%", "%zz", "%u0041", "\xff", "é", "a" * 1025, "a" * 9000,
    "%F0%9F%98%80", "%ED%A0%80", "%0d%0a", "*", "{Bucket}", "%25%30%30", "a;b", "a:b", "@", "~", "+", "!", "'", '"',
    "<", "|", "\\", "^", "[", "%01", "%7f", "none", "bad-input", "kept", "-", "(", ",",
]  # fmt: skip


def odd_path(draft: Draft, source: Random) -> None:
    segments = draft.path.split("/")
    at = source.randrange(len(segments))
    odd = source.choice(_SEGMENTS)
    segments[at] = source.choice([odd, segments[at] + odd, odd + segments[at]])
    if source.random() < 0.3:
        segments.insert(source.randrange(1, len(segments) + 1), source.choice(_SEGMENTS))
    path = "/".join(segments)
    draft.path = path if path.startswith("/") else f"/{path}"
    draft.strays = draft.broken = True


_SUBRESOURCES = [
    "acl", "uploads", "uploadId=x", "partNumber=1", "tagging", "versioning", "location", "versions", "delete",
    "list-type=2", "list-type=3", "website", "lifecycle", "policy", "cors", "attributes", "torrent", "restore",
    "select&select-type=2", "encryption", "x-id=PutObject", "x-id=Nope", "versionId=null", "versionId=x",
    "continuation-token=x", "max-keys=0", "max-keys=-1", "max-keys=99999999999", "max-keys=x", "max-keys=",
    "delimiter=", "delimiter=%00", "prefix=%ff", "encoding-type=url", "encoding-type=x", "start-after=%F4%8F%BF%BF",
    "marker=%00", "partNumber=0", "partNumber=10001", "partNumber=x", "part-number-marker=x", "key-marker=%00",
    "upload-id-marker=x", "response-content-type=a%0D%0Ab", "response-expires=x",
    "response-content-disposition=%00%ff", "Action=CreateRole", "Action=", "Action=Nope&Version=2010-05-08",
    "X-Amz-Signature=x", "Signature=x&AWSAccessKeyId=x&Expires=1", "session", "object-lock", "metadataTable",
    "fetch-owner=x", "a=b&a=c", "&&&", "=", "%", "%zz=%zz", "%ff=%ff", "\xff", "a" * 9000, "a[]=1", "x" * 2000 + "=1",
    "?", "#x",
]  # fmt: skip


def odd_query(draft: Draft, source: Random) -> None:
    parts = draft.query.split("&") if draft.query else []
    for _ in range(source.choice([1, 1, 2, 3])):
        parts.insert(source.randrange(len(parts) + 1), source.choice(_SUBRESOURCES))
    draft.query = "&".join(parts)
    draft.strays = draft.broken = True


def odd_value_in_query(draft: Draft, source: Random) -> None:
    """Give a parameter that the operation knows an odd value, or two."""
    names = [each.serialization["name"] for each in _located(draft.operation.input_shape, "querystring")]
    if not names:
        raise UnfitError
    name = source.choice(names)
    parts = [part for part in draft.query.split("&") if part and part.partition("=")[0] != name]
    odd = source.choices([*bad_values.TEXTS, *bad_values.NUMBERS], k=source.choice([1, 1, 2]))
    parts.extend(f"{name}={_escaped(each)[:9000]}" for each in odd)
    draft.query = "&".join(parts)


def without_query(draft: Draft, source: Random) -> None:
    parts = draft.query.split("&")
    if not draft.query:
        raise UnfitError
    parts.pop(source.randrange(len(parts)))
    draft.query = "&".join(parts)
    draft.strays = True


def odd_method(draft: Draft, source: Random) -> None:
    draft.method = source.choice([
        "GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "SEARCH", "get", "X",
        "CONNECT",
    ])  # fmt: skip
    draft.strays = draft.broken = True


HEADERS: list[Mutation] = [odd_header, odd_header, odd_header, odd_value_in_header, many_headers, without_header]
LINE: list[Mutation] = [
    odd_path,
    odd_path,
    odd_query,
    odd_query,
    odd_value_in_query,
    odd_value_in_query,
    without_query,
    odd_method,
]
