"""Bodies: what was signed arrives; what was changed, cut off or blown up is refused."""

import asyncio
import gzip
import hashlib
import io
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, CrtCrc32Checksum
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.signing import accepted, identities, sent

from sagebrush.kernel.auth import payload
from sagebrush.kernel.auth.identities import Identities
from sagebrush.kernel.auth.sigv4 import Signed, sign
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Headers, Request

EMPTY = hashlib.sha256().hexdigest()


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return identities(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def proof(known: Identities) -> Signed:
    return Signed(known.root.identity, "us-east-1", time="20261121T082621Z", signature="5" * 64, key=b"k" * 32)


def read(pieces: Iterable[bytes], signed: Signed, headers: Headers) -> tuple[bytes, dict[str, str]]:
    """Read a streaming body to its end."""

    async def arrive() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def go() -> tuple[bytes, dict[str, str]]:
        stream = payload.Stream(arrive(), signed, headers)
        return b"".join([piece async for piece in stream]), stream.trailers

    return asyncio.run(go())


def refusal(pieces: Iterable[bytes], signed: Signed, headers: Headers) -> AwsError:
    with pytest.raises(AwsError) as caught:
        read(pieces, signed, headers)
    return caught.value


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    """Cut a body into pieces of the given sizes, over and over."""
    pieces: list[bytes] = []
    at = 0
    while at < len(body):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(body[at : at + size])
        at += size
    return pieces


@dataclass
class SignedChunks:
    """A body in signed chunks, made as the S3 API Reference tells clients to."""

    signed: Signed
    trailers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        self.signed = replace(
            self.signed, payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + "-TRAILER" * bool(self.trailers)
        )
        self.previous = self.signed.signature

    def encode(self, chunks: Iterable[bytes]) -> bytes:
        out = b"".join(self.chunk(data) for data in (*chunks, b""))
        if not self.trailers:
            return out
        lines = "".join(f"{name}:{value}\n" for name, value in self.trailers)
        last = self.step("AWS4-HMAC-SHA256-TRAILER", [hashlib.sha256(lines.encode()).hexdigest()])
        held = "".join(f"{name}:{value}\r\n" for name, value in self.trailers)
        return out.removesuffix(b"\r\n") + f"{held}x-amz-trailer-signature:{last}\r\n\r\n".encode()

    def chunk(self, data: bytes) -> bytes:
        signature = self.step("AWS4-HMAC-SHA256-PAYLOAD", [EMPTY, hashlib.sha256(data).hexdigest()])
        return f"{len(data):x};chunk-signature={signature}\r\n".encode() + data + b"\r\n"

    def step(self, kind: str, hashes: list[str]) -> str:
        text = "\n".join([kind, self.signed.time, self.signed.scope, self.previous, *hashes])
        self.previous = sign(self.signed.key, text)
        return self.previous

    def headers(self, length: int) -> Headers:
        named = ",".join(name for name, _ in self.trailers)
        return Headers([("x-amz-decoded-content-length", str(length)), *([("x-amz-trailer", named)] if named else [])])


def unsigned(proof: Signed) -> Signed:
    return replace(proof, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")


def trailing(length: int) -> Headers:
    return Headers([
        ("Content-Encoding", "aws-chunked"), ("X-Amz-Trailer", "x-amz-checksum-crc32"),
        ("X-Amz-Decoded-Content-Length", str(length)),
    ])  # fmt: skip


def wrapped(body: bytes, chunk_size: int = 1024) -> bytes:
    wrapper: Any = AwsChunkedWrapper(io.BytesIO(body), CrtCrc32Checksum, "x-amz-checksum-crc32", chunk_size)
    encoded: bytes = wrapper.read()
    return encoded


def test_what_boto3_uploads_over_https_arrives(known: Identities) -> None:
    data = b"a,b\n1,2\n" * 300_000
    options = {"endpoint_url": "https://127.0.0.1:4566"}
    request = sent(known.root, "s3", lambda s3: s3.put_object(Bucket="b", Key="k", Body=data), **options)
    signed = accepted(request, known, "rest-xml")
    assert signed.payload == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    body, trailers = read(cut(request.body, [65536]), signed, request.headers)
    assert body == data
    assert list(trailers) == ["x-amz-checksum-crc32"]


def test_what_boto3_uploads_over_http_arrives(known: Identities) -> None:
    data = b"a,b\n1,2\n" * 30_000
    request = sent(known.root, "s3", lambda s3: s3.put_object(Bucket="b", Key="k", Body=data))
    signed = accepted(replace(request, body=b""), known, "rest-xml")  # verified before the body is read
    assert read(cut(request.body, [65536]), signed, request.headers) == (data, {})
    changed = request.body[:-1] + b"!"
    error = refusal([changed], signed, request.headers)
    assert (error.code, error.status) == ("XAmzContentSHA256Mismatch", 400)
    assert error.fields["S3ComputedContentSHA256"] == hashlib.sha256(changed).hexdigest()
    assert refusal([request.body[:-1]], signed, request.headers).code == "IncompleteBody"


SIZES = st.lists(st.integers(1, 3000), min_size=1, max_size=4)


@given(body=st.binary(max_size=9000), chunk=st.integers(1, 4000), sizes=SIZES)
def test_chunks_are_undone_wherever_the_wire_cuts_them(
    proof: Signed, body: bytes, chunk: int, sizes: list[int]
) -> None:
    checksum: Any = CrtCrc32Checksum()
    checksum.update(body)
    pieces = cut(wrapped(body, chunk), sizes)
    assert read(pieces, unsigned(proof), trailing(len(body))) == (body, {"x-amz-checksum-crc32": checksum.b64digest()})


@given(
    sizes=st.lists(st.integers(8192, 12000), max_size=3), last=st.integers(1, 9000), wire=SIZES, trailer=st.booleans()
)
def test_signed_chunks_are_undone(
    proof: Signed, sizes: list[int], last: int, wire: list[int], *, trailer: bool
) -> None:
    chunks = [bytes([at]) * size for at, size in enumerate([*sizes, last])]
    body = b"".join(chunks)
    maker = SignedChunks(proof, (("x-amz-checksum-crc32c", "sOO8/Q=="),) if trailer else ())
    encoded = maker.encode(chunks)
    expected = (body, dict(maker.trailers))
    assert read(cut(encoded, wire), maker.signed, maker.headers(len(body))) == expected


def test_the_trailer_layout_of_the_reference_is_understood(proof: Signed) -> None:
    maker = SignedChunks(proof, (("x-amz-checksum-crc32c", "sOO8/Q=="),))
    encoded = maker.encode([b"data"]).replace(b"sOO8/Q==\r\n", b"sOO8/Q==\n\r\n")
    assert read([encoded], maker.signed, maker.headers(4))[1] == {"x-amz-checksum-crc32c": "sOO8/Q=="}


@pytest.mark.parametrize("what", ["data", "signature", "order", "trailer", "trailer signature", "no trailer signature"])
def test_a_changed_signed_body_is_refused(proof: Signed, what: str) -> None:
    maker = SignedChunks(proof, (("x-amz-checksum-crc32c", "sOO8/Q=="),))
    one, two = b"1" * 9000, b"2" * 9000
    encoded = maker.encode([one, two])
    first = encoded.index(b"\r\n", 9000) + 2
    changed = {
        "data": encoded.replace(b"2\r\n", b"3\r\n", 1),
        "signature": encoded[:24] + (b"0" if encoded[24:25] != b"0" else b"1") + encoded[25:],
        "order": encoded[first : 2 * first] + encoded[:first] + encoded[2 * first :],
        "trailer": encoded.replace(b"sOO8", b"sOO9"),
        "trailer signature": encoded[:-8] + b"0000\r\n\r\n",
        "no trailer signature": encoded[: encoded.index(b"x-amz-trailer-signature")] + b"\r\n",
    }[what]
    assert changed != encoded
    assert read([encoded], maker.signed, maker.headers(18000))[0] == one + two
    error = refusal([changed], maker.signed, maker.headers(18000))
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)


def test_small_signed_chunks_are_for_the_end(proof: Signed) -> None:
    maker = SignedChunks(proof)
    assert refusal([maker.encode([b"1", b"2"])], maker.signed, maker.headers(2)).code == "InvalidChunkSizeError"


def test_unsigned_chunks_do_not_pass_for_signed_ones(proof: Signed) -> None:
    signed = SignedChunks(proof).signed
    headers = Headers([("x-amz-decoded-content-length", "4")])
    assert refusal([b"4\r\ndata\r\n0\r\n\r\n"], signed, headers).status in (400, 403)


@given(at=st.integers(0, 3100))
def test_a_cut_off_body_is_refused(proof: Signed, at: int) -> None:
    body = b"x" * 3000
    encoded = wrapped(body)
    if at < len(encoded) - 4:  # the last line ends carry nothing
        error = refusal([encoded[:at]], unsigned(proof), trailing(len(body)))
        assert error.code in ("IncompleteBody", "MalformedTrailerError")
        assert error.status == 400


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (b"zz\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
        (b"4\r\ndataX\r\n0\r\n\r\n", "InvalidRequest"),
        (b"-4\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
        (b"4" * 5000, "InvalidRequest"),
        (b"5\r\ndata!\r\n0\r\n\r\n", "IncompleteBody"),
        (b"3\r\ndat\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "IncompleteBody"),
        (b"4\r\ndata\r\n0\r\n\r\n", "MalformedTrailerError"),
        (b"4\r\ndata\r\n0\r\nx-amz-checksum-sha1:AAAAAA==\r\n\r\n", "MalformedTrailerError"),
        (b"4\r\ndata\r\n0\r\nno trailer\r\n\r\n", "MalformedTrailerError"),
        (b"4\r\ndata\r\n0\r\n" + b"x" * 20000, "MalformedTrailerError"),
    ],
)
def test_malformed_chunks_are_refused(proof: Signed, encoded: bytes, code: str) -> None:
    for pieces in ([encoded], cut(encoded, [1]), cut(encoded, [7])):
        assert refusal(pieces, unsigned(proof), trailing(4)).code == code


@given(encoded=st.binary(max_size=200))
def test_garbage_is_refused_and_never_breaks_anything(proof: Signed, encoded: bytes) -> None:
    assert refusal([encoded], unsigned(proof), trailing(4)).status in (400, 403)


def test_chunks_without_a_length_are_refused(proof: Signed) -> None:
    assert refusal([b"0\r\n\r\n"], unsigned(proof), Headers()).status == 411


def test_a_signed_hash_is_checked_whatever_the_encoding_says(known: Identities) -> None:
    request = sent(known.root, "s3", lambda s3: s3.put_object(Bucket="b", Key="k", Body=b"data"))
    signed = accepted(request, known, "rest-xml")
    chunked = Headers([
        ("Content-Encoding", "aws-chunked"), ("X-Amz-Trailer", ""), ("X-Amz-Decoded-Content-Length", "4"),
    ])  # fmt: skip
    assert refusal([b"4\r\nevil\r\n0\r\n\r\n"], signed, chunked).code == "XAmzContentSHA256Mismatch"


@pytest.mark.parametrize(
    ("protocol", "code"), [("json", "InvalidSignatureException"), ("query", "SignatureDoesNotMatch")]
)
def test_a_whole_body_is_held_against_the_stated_hash(known: Identities, protocol: str, code: str) -> None:
    request = sent(known.root, "sagemaker", lambda client: client.list_models())
    stated = Request("POST", "/", headers=Headers([("x-amz-content-sha256", hashlib.sha256(b"{}").hexdigest())]))
    signed = replace(accepted(request, known), payload=stated.headers["x-amz-content-sha256"])
    assert payload.whole(b"{}", signed, stated.headers, protocol) == (b"{}", {})
    with pytest.raises(AwsError) as caught:
        payload.whole(b"{ }", signed, stated.headers, protocol)
    assert (caught.value.code, caught.value.status) == (code, 403)


@given(body=st.binary(max_size=5000))
def test_gzip_is_undone(body: bytes) -> None:
    assert payload.gunzip(gzip.compress(body)) == body


@pytest.mark.parametrize(
    "broken", [b"", b"plain", gzip.compress(b"x" * 100, mtime=0)[:-3], gzip.compress(b"x", mtime=0) + b"more"]
)
def test_what_is_no_gzip_is_refused(broken: bytes) -> None:
    with pytest.raises(AwsError, match="MalformedHttpRequest"):
        payload.gunzip(broken)


def test_a_gzip_bomb_is_refused_before_it_unfolds() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(AwsError) as caught:
        payload.gunzip(bomb, limit=1_000_000)
    assert caught.value.status == 413
