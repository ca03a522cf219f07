"""What can be wrong with how a request is put on the wire: lengths, chunks, signatures. Applied to any draft."""

import re
from random import Random

from tests.scenarios.bad_bodies import Mutation
from tests.scenarios.raw_requests import Draft


def lying_length(draft: Draft, source: Random) -> None:
    """Announce another length than the body has."""
    true = len(draft.body)
    told = source.choice([
        str(true + 1), str(true + 10_000), str(max(true - 1, 0)), "0", "-1", "x", "", "9" * 30, "+1", "1,1", "0x10",
        f"{true}\r\nContent-Length: {true + 1}", str(40 * 2**20), str(6 * 2**30), "\xb2", f" {true}",
    ])  # fmt: skip
    draft.broken = draft.ends = True
    draft.frame = lambda ready: ready.top() + f"Content-Length: {told}\r\n\r\n".encode("latin-1") + ready.body


def without_length(draft: Draft, _: Random) -> None:
    draft.broken = draft.ends = True
    draft.frame = lambda ready: ready.top() + b"\r\n" + ready.body


def chunks(draft: Draft, source: Random) -> None:
    """Send the body in HTTP chunks, whole or broken."""
    way = source.randrange(8)

    def frame(ready: Draft) -> bytes:
        pieces = [ready.body[at : at + 50] for at in range(0, len(ready.body), 50)][:200]
        good = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        ways = [
            good + b"0\r\n\r\n",
            good,
            good[:-3],
            b"zz\r\n" + good,
            b"ffffffffffffffffff\r\n" + good,
            good + b"0\r\nX-Trailer: 1\r\n\r\n",
            b"-1\r\n",
            b"5\r\nx",
        ]
        both = b"Content-Length: 5\r\n" if way == 5 else b""
        return ready.top() + both + b"Transfer-Encoding: chunked\r\n\r\n" + ways[way]

    draft.broken = draft.ends = True
    draft.frame = frame


def aws_chunks(draft: Draft, source: Random) -> None:
    """Send the body as aws-chunked, whole or broken."""
    size = b"%x" % len(draft.body)
    good = size + b"\r\n" + draft.body + b"\r\n0\r\n"
    signed = (
        size
        + b";chunk-signature="
        + b"0" * 64
        + b"\r\n"
        + draft.body
        + b"\r\n0;chunk-signature="
        + b"0" * 64
        + b"\r\n\r\n"
    )
    draft.put(
        "X-Amz-Decoded-Content-Length",
        source.choice([str(len(draft.body))] * 4 + ["0", "x", str(len(draft.body) + 1), "9" * 20, ""]),
    )
    draft.put("Content-Encoding", source.choice(["aws-chunked", "aws-chunked", "aws-chunked,gzip", ""]))
    draft.put("X-Amz-Content-Sha256", source.choice([
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD",
    ]))  # fmt: skip
    if source.random() < 0.5:
        draft.put(
            "X-Amz-Trailer", source.choice(["x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-checksum-x", "x"])
        )
    ends = [
        b"\r\n",
        b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        b"x-amz-checksum-crc32:x\r\n\r\n",
        b"x\r\n\r\n",
        b"x:" + b"y" * 20_000 + b"\r\n\r\n",
        b"",
    ]
    draft.body = source.choice([
        good + source.choice(ends), good + source.choice(ends), signed, good[:-4], b"zz\r\n", b"f" * 16 + b"\r\nx",
        b"x" * 5000, b"0\r\n", b"", b"\r\n", b"-1\r\n\r\n",
    ])  # fmt: skip


def _edit_signature(draft: Draft, pattern: str, instead: str) -> None:
    def frame(ready: Draft) -> bytes:
        ready.put("Authorization", re.sub(pattern, lambda _: instead, ready.header("authorization"), count=1))
        return ready.top() + f"Content-Length: {len(ready.body)}\r\n\r\n".encode() + ready.body

    draft.frame = frame


_EDITS = [
    (r"Signature=\w{4}", "Signature=beef"), (r"Signature=.*", ""), (r"Signature=.*", "Signature=é"),
    (r"Credential=[^/]*", "Credential=AKIANOBODY"), (r"Credential=[^,]*", "Credential=x"),
    (r"Credential=[^,]*", "Credential=a/b/c/d/e"), (r"SignedHeaders=[^,]*", "SignedHeaders=host"),
    (r"SignedHeaders=[^,]*", "SignedHeaders=;;"), (r"SignedHeaders=[^,]*", "SignedHeaders="), (r"us-east-1", "mars"),
    (r"us-east-1/[^/]*", "us-east-1/ec2"), (r"us-east-1/[^/]*", "us-east-1/nope"),
    (r"us-east-1/[^/]*", "us-east-1/\xff"), (r"aws4_request", "aws5"), (r"/\d{8}/", "/20200101/"),
    (r"AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), (r"AWS4-HMAC-SHA256", "AWS4"), (r"AWS4-HMAC-SHA256", "Bearer"),
    (r".*", ""), (r".*", "AWS a:b"), (r".*", "AWS :"), (r".*", "AWS \xff:\xff"), (r".*", "Basic eDp4"), (r", ", ","),
    (r", ", ",,"), (r".*", "AWS4-HMAC-SHA256 " + "x" * 5000), (r"/\d{8}/", "/\xb2\xb2\xb2\xb21121/"),
]  # fmt: skip


def odd_signature(draft: Draft, source: Random) -> None:
    pattern, instead = source.choice(_EDITS)
    draft.strays = True
    _edit_signature(draft, pattern, instead.encode("latin-1", "replace").decode("latin-1"))


def odd_date(draft: Draft, source: Random) -> None:
    """Sign for now, and then say another time."""
    told = source.choice([
        "", "x", "20200101T000000Z", "99991231T235959Z", "00000101T000000Z", "20261399T999999Z", "2026-11-21",
        "Sat, 21 Nov 2026 08:26:21 GMT", "\xb20261121T08262Z", "\xff",
    ])  # fmt: skip

    def frame(ready: Draft) -> bytes:
        ready.put("X-Amz-Date", told.encode("latin-1", "replace").decode("latin-1"))
        return ready.top() + f"Content-Length: {len(ready.body)}\r\n\r\n".encode() + ready.body

    draft.frame = frame


def odd_octets(draft: Draft, source: Random) -> None:
    """Change octets of the head, after it was signed."""
    count = source.choice([1, 2, 5])

    def frame(ready: Draft) -> bytes:
        top = bytearray(ready.top())
        for _ in range(count):
            top[source.randrange(len(top))] = source.randrange(256)
        return bytes(top) + f"Content-Length: {len(ready.body)}\r\n\r\n".encode() + ready.body

    draft.strays = draft.broken = draft.ends = True
    draft.frame = frame


FRAMES: list[Mutation] = [
    lying_length,
    without_length,
    chunks,
    aws_chunks,
    aws_chunks,
    odd_signature,
    odd_signature,
    odd_date,
    odd_octets,
]
