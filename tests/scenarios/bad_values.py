"""Odd values, and documents with odd values in them."""

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

RAW = re.compile(rb'"@raw:([^"]*)@"')
"""What stands, in a document made with `json.dumps`, for octets that it would not write."""

DEEP = '{"a":' * 3000 + "1" + "}" * 3000


def raw(text: str) -> str:
    """Return what becomes `text` itself in the document."""
    return f"@raw:{text.encode('utf-8', 'surrogatepass').hex()}@"


TEXTS = [
    "", " ", "x" * 64, "x" * 1025, "x" * 70_000, "\x00", "a\x00b", "\x01\x1f", "\x7f\x85", "\u2028", "𐐷漢字✓",
    "é" * 200, "\ufeff", "\uffff", "\u202eabc", "../../etc/passwd", "..", ".", "/", "//", "a/b", "%00", "%", "%zz",
    "%s%n", "${x}", "{{7}}", "'", '"', "\\", "'; DROP TABLE records; --", "$.x", "$[0]", "*", "?", "-", "_",
    "a" * 63 + "-", "-a", "NaN", "Infinity", "null", "true", "1e999", "0x10", "١٢٣", "\uff12", "1_000", "+1", " 1",
    "-0", "s3://", "s3:///", "s3://b", "s3://bad-input/\x00", "s3://bad-input/../x", "s3://bad-input",
    "s3://BAD_bucket/x", "http://127.0.0.1:1/", "file:///etc/passwd", "arn:aws:iam::123456789012:role/none", "arn:",
    "arn:aws:sagemaker:us-east-1:123456789012:model/none", "arn:::::", "2026-11-21T08:26:21Z", "9999-12-31T23:59:59Z",
    "(", "(a+)+$", "[", "a{1,99999}", "W/\"x\"", "bytes=0-", "bytes=9-1", "bytes=-0", "=?utf-8?b?eA==?=",
    "eyJ4IjoxfQ==", "=", "==", "a=b&a=c", "a=b;c=d", ",", ";",
]  # fmt: skip
NUMBERS = [
    "0", "-0", "-1", "1", "2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "18446744073709551616", "1" + "0" * 400, "1e308", "1e400", "-1e400", "1e-400", "0.1",
    "1.5", "NaN", "Infinity", "-Infinity", "1E5", "01", "+1", ".5", "1.", "253402300800", "-62135596801", "1e15",
    "1e18", "4294967296", "1" * 5000,
]  # fmt: skip
TOKENS = [
    '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\x"', "'a'", "tru", "True", "undefined", "/**/", "", "{", "}",
    "[", "]", "[[]", DEEP, "[" * 3000 + "]" * 3000, '"\x01"', '"\n"', "{\"a\":1,\"a\":2}", "{,}", "[,]", "[1,]",
    "{1:2}", '{"":{"":""}}',
]  # fmt: skip


def value(source: Random) -> Any:
    """Return an odd value of any kind."""
    kind = source.randrange(12)
    if kind < 4:
        return source.choice(TEXTS)
    if kind < 6:
        return raw(source.choice(NUMBERS))
    if kind == 6:
        return raw(source.choice(TOKENS))
    return source.choice([
        None, True, False, 0, -1, 1.5, [], {}, [[]], [{}], [None], {"": None}, {"a": {"b": [1, "x", None]}},
        ["x"] * 300, [1, "1"], 2**31, 2**53, 2**63,
    ])  # fmt: skip


def dump(document: Any) -> bytes:
    """Return a document as JSON, with raw octets where it has them."""
    written = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return RAW.sub(lambda found: bytes.fromhex(found[1].decode()), written)


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a document: the container and the key or index."""
    if isinstance(document, dict):
        for key, item in document.items():
            yield document, key
            yield from places(item)
    elif isinstance(document, list):
        for number, item in enumerate(document):
            yield document, number
            yield from places(item)


def swapped(item: Any, source: Random) -> Any:
    """Return a value of another kind that says about the same."""
    ways = [
        [item], {"a": item}, {"value": item}, None, str(item), raw(str(item)), not item, [item, item], {}, [], 0,
        [item] * 200, "", item * 2 if isinstance(item, str | list | int | float) else item,
        list(item) if isinstance(item, dict | str) else item,
    ]  # fmt: skip
    return source.choice(ways)
