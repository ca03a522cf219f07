"""Request bodies: checked against what was signed and promised, and taken out of their wrapping.

Sources: "Signature calculations: transferring payload in multiple chunks" and "… with trailing headers" (S3 API
Reference), RFC 1952 (gzip). Every error is S3's own, but for gzip, which S3 does not undo.
"""

import hashlib
import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol

from sagebrush.kernel.auth.claims import UNSIGNED
from sagebrush.kernel.auth.refusals import refuse
from sagebrush.kernel.auth.sigv4 import Signed, same, sign
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Headers

GZIP_LIMIT = 64 * 1024 * 1024  # octets that a compressed body may unfold to

_EMPTY = hashlib.sha256().hexdigest()
_HEADER_LIMIT = 4096  # octets of one chunk's header
_TRAILER_LIMIT = 16384  # octets of all trailers
_SMALLEST = 8192  # octets of a signed chunk that is not the last
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})(?:;([^\r\n]*))?")
_TRAILER = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([^\r\n]*?)[ \t]*")
_SIGNATURE = b"x-amz-trailer-signature"


class Decoder(Protocol):
    """Turns the octets on the wire into those of the body, checking both."""

    trailers: dict[str, str]

    def feed(self, data: bytes) -> list[bytes]:
        """Take octets off the wire; return the body's octets among them. Raises AwsError."""
        ...

    def finish(self) -> None:
        """Say that nothing more comes. Raises AwsError where something is missing or does not match."""
        ...


class Plain:
    """A body that comes as it is: its length and its SHA-256 are checked at the end."""

    def __init__(self, signed: Signed, headers: Headers, protocol: str) -> None:
        self.trailers: dict[str, str] = {}
        self._expected = signed.payload if signed.payload != UNSIGNED else ""
        self._hash = hashlib.sha256()
        self._length = headers.get("content-length")
        self._seen = 0
        self._protocol = protocol

    def feed(self, data: bytes) -> list[bytes]:
        """Take octets, give them back."""
        self._seen += len(data)
        if self._expected:
            self._hash.update(data)
        return [data]

    def finish(self) -> None:
        """Check the length, then the hash."""
        if self._length.isdecimal() and self._seen != int(self._length):
            raise _incomplete()
        if self._expected and not same(self._hash.hexdigest(), self._expected):
            fields = {"ClientComputedContentSHA256": self._expected, "S3ComputedContentSHA256": self._hash.hexdigest()}
            raise refuse("payload", self._protocol, **(fields if self._protocol == "rest-xml" else {}))


class Chunked:
    """An `aws-chunked` body: chunks, each signed or not, and trailers after the last.

    Octets are given out before their chunk's signature can be checked: whoever takes them must keep nothing until
    `finish` has returned.
    """

    def __init__(self, signed: Signed, headers: Headers) -> None:
        self.trailers: dict[str, str] = {}
        self._signed = signed if signed.payload.startswith("STREAMING-AWS4-HMAC-SHA256") else None
        self._announced = set() if signed.payload.endswith("PAYLOAD") and self._signed else _announced(headers)
        self._length = _decoded_length(headers)
        self._seen = 0
        self._held = b""  # octets that are not yet enough to go on
        self._left = 0  # octets to come of the present chunk
        self._size = _SMALLEST  # of the present chunk
        self._ended = False
        self._hash = hashlib.sha256()
        self._previous = signed.signature
        self._claimed = ""

    def feed(self, data: bytes) -> list[bytes]:
        """Take octets off the wire, cut anywhere."""
        out: list[bytes] = []
        if self._held:
            data = self._held + data
            self._held = b""
        at = 0
        while at < len(data):
            if self._ended:
                self._held = data[at:]
                if len(self._held) > _TRAILER_LIMIT:
                    raise _bad_trailer()
                break
            if self._left > 0:
                piece = data[at : at + self._left]
                at += len(piece)
                self._take(piece)
                out.append(piece)
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._held = data[at:]
                if len(self._held) > _HEADER_LIMIT:
                    raise _bad_chunk()
                break
            self._line(data[at:end].removesuffix(b"\r"))
            at = end + 1
        return out

    def finish(self) -> None:
        """Check that the last chunk came, the announced trailers with it, and the length that was promised."""
        if not self._ended:
            raise _incomplete()
        if self._held and not self._held.endswith(b"\n"):  # cut off within a trailer
            raise _incomplete()
        lines = [line.rstrip(b"\r") for line in self._held.split(b"\n")]
        signature = self._read_trailers([line for line in lines if line])
        if self._signed and self._signed.payload.endswith("-TRAILER"):
            text = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
            self._check("AWS4-HMAC-SHA256-TRAILER", [hashlib.sha256(text.encode("latin-1")).hexdigest()], signature)
        if self._seen != self._length:
            raise _incomplete()

    def _take(self, piece: bytes) -> None:
        self._left -= len(piece)
        self._seen += len(piece)
        if self._seen > self._length:
            raise _incomplete()
        if self._signed:
            self._hash.update(piece)
        if self._left == 0:
            self._left = -1  # the line end that closes a chunk's data

    def _line(self, line: bytes) -> None:
        if self._left < 0:
            if line:
                raise _bad_chunk()
            self._left = 0
            self._end_chunk()
            return
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise _bad_chunk()
        size = int(found[1], 16)
        if self._signed:
            if size and self._size < _SMALLEST:
                message = f"Only the last chunk is allowed to have a size less than {_SMALLEST} bytes"
                raise AwsError("InvalidChunkSizeError", message, 403)
            self._claimed = _extension(found[2] or b"")
        self._size = self._left = size
        if size == 0:
            self._end_chunk()
            self._ended = True

    def _end_chunk(self) -> None:
        if self._signed:
            self._check("AWS4-HMAC-SHA256-PAYLOAD", [_EMPTY, self._hash.hexdigest()], self._claimed)
            self._hash = hashlib.sha256()

    def _check(self, kind: str, hashes: list[str], claimed: str) -> None:
        assert self._signed is not None
        signed = self._signed
        text = "\n".join([kind, signed.time, signed.scope, self._previous, *hashes])
        self._previous = sign(signed.key, text)
        if not same(self._previous, claimed):
            raise refuse("mismatch", "rest-xml", StringToSign=text, SignatureProvided=claimed)

    def _read_trailers(self, lines: list[bytes]) -> str:
        """Take in the trailers; return their signature. None may be missing, none may come unannounced."""
        signature = ""
        for line in lines:
            found = _TRAILER.fullmatch(line)
            if found is None:
                raise _bad_trailer()
            name, value = found[1].lower(), found[2].decode("latin-1")
            if name == _SIGNATURE:
                signature = value
            else:
                self.trailers[name.decode()] = value
        if self.trailers.keys() != self._announced:
            raise _bad_trailer()
        return signature


class Stream(AsyncIterator[bytes]):
    """The decoded body of a streaming operation, as an async iterator that checks it to the end.

    Whoever reads it must throw away what was read unless the iteration ends by itself. `trailers` is filled then.
    """

    def __init__(self, raw: AsyncIterable[bytes], signed: Signed, headers: Headers, protocol: str = "rest-xml") -> None:
        self._decoder = decoder(signed, headers, protocol)
        self._pieces = _decoded(raw, self._decoder)

    @property
    def trailers(self) -> dict[str, str]:
        """Trailing headers by lower-case name (`x-amz-checksum-crc32`), once the body is read."""
        return self._decoder.trailers

    async def __anext__(self) -> bytes:
        """Return the next octets. Raises AwsError where the body is not what was signed and promised."""
        return await anext(self._pieces)


async def _decoded(raw: AsyncIterable[bytes], decode: Decoder) -> AsyncIterator[bytes]:
    async for data in raw:
        for piece in decode.feed(data):
            yield piece
    decode.finish()


def decoder(signed: Signed, headers: Headers, protocol: str = "rest-xml") -> Decoder:
    """Return what undoes the transfer coding of a request's body."""
    unsigned = signed.payload == UNSIGNED and "aws-chunked" in headers.get("content-encoding")
    if unsigned or signed.payload.startswith("STREAMING-"):
        return Chunked(signed, headers)
    return Plain(signed, headers, protocol)


def whole(body: bytes, signed: Signed, headers: Headers, protocol: str) -> tuple[bytes, dict[str, str]]:
    """Return a buffered body, checked and with aws-chunked undone, and its trailers. Raises AwsError."""
    decode = decoder(signed, headers, protocol)
    pieces = decode.feed(body)
    decode.finish()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), decode.trailers


def gunzip(body: bytes, limit: int = GZIP_LIMIT) -> bytes:
    """Undo `Content-Encoding: gzip`. Raises AwsError for what is no gzip, and 413 for more than `limit` octets."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        data = inflate.decompress(body, limit + 1)
    except zlib.error as error:
        raise _not_gzip() from error
    if len(data) > limit:
        raise AwsError("RequestEntityTooLargeException", f"The request is larger than {limit} bytes.", 413)
    if not inflate.eof or inflate.unused_data:
        raise _not_gzip()
    return data


def _extension(text: bytes) -> str:
    for part in text.split(b";"):
        name, _, value = part.partition(b"=")
        if name.strip() == b"chunk-signature":
            return value.strip().decode("latin-1")
    raise _bad_chunk()


def _announced(headers: Headers) -> set[str]:
    return {name.strip().lower() for name in headers.get("x-amz-trailer").split(",") if name.strip()}


def _decoded_length(headers: Headers) -> int:
    text = headers.get("x-amz-decoded-content-length")
    if re.fullmatch(r"[0-9]{1,15}", text) is None:
        raise AwsError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    return int(text)


def _incomplete() -> AwsError:
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    return AwsError("IncompleteBody", message)


def _bad_chunk() -> AwsError:
    return AwsError("InvalidRequest", "The body is not a well-formed aws-chunked stream.")


def _bad_trailer() -> AwsError:
    message = "The request contained trailing data that was not well-formed or did not conform to our published schema."
    return AwsError("MalformedTrailerError", message)


def _not_gzip() -> AwsError:
    message = "The body cannot be decompressed as its Content-Encoding, gzip, says."
    return AwsError("MalformedHttpRequestException", message)
