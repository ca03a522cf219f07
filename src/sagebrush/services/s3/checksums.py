"""Digests of objects and parts: ETags, Content-MD5 and the flexible checksums.

Sources: "Checking object integrity for data uploads" and "Tutorial: checking the integrity of data with additional
checksums" (S3 User Guide). Checksums are base64 of the big-endian digest. A multipart object has either the checksum
of the whole (FULL_OBJECT; CRCs only, since those of parts can be combined) or a checksum over the parts' digests
followed by `-` and their number (COMPOSITE). Where a client names none, S3 keeps a CRC64NVME of its own.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from awscrt import checksums as crt

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Headers
from sagebrush.services.s3.errors import refusal

DEFAULT = "CRC64NVME"
FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"


class Hash(Protocol):
    """A digest in the making."""

    def update(self, data: bytes, /) -> object:
        """Take more bytes."""
        ...

    def digest(self) -> bytes:
        """Return the digest of all bytes taken."""
        ...


class _Crc:
    def __init__(self, function: Callable[[bytes, int], int], width: int) -> None:
        self._function = function
        self._width = width
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


class _XxHash:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._hash = make()

    def update(self, data: bytes, /) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        value: bytes = self._hash.finalize()
        return value


def md5() -> Hash:
    """Return the hash that ETags are made of."""
    return hashlib.md5(usedforsecurity=False)


ALGORITHMS: dict[str, Callable[[], Hash]] = {
    "CRC32": partial(_Crc, zlib.crc32, 4),
    "CRC32C": partial(_Crc, crt.crc32c, 4),
    "CRC64NVME": partial(_Crc, crt.crc64nvme, 8),
    "SHA1": partial(hashlib.sha1, usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": md5,
    "XXHASH64": partial(_XxHash, crt.XXHash.new_xxhash64),
    "XXHASH3": partial(_XxHash, crt.XXHash.new_xxhash3_64),
    "XXHASH128": partial(_XxHash, crt.XXHash.new_xxhash3_128),
}
_COMBINE: dict[str, Callable[[int, int, int], int]] = {
    "CRC32": crt.combine_crc32,
    "CRC32C": crt.combine_crc32c,
    "CRC64NVME": crt.combine_crc64nvme,
}


def encoded(digest: bytes) -> str:
    """Return a digest as S3 writes it."""
    return base64.b64encode(digest).decode()


def checksum_type(algorithm: str, wanted: str | None) -> str:
    """Return the type that a multipart upload's checksum has. Raises AwsError where S3 knows no such pair."""
    kind = wanted or (FULL_OBJECT if algorithm == DEFAULT else COMPOSITE)
    if kind == FULL_OBJECT and algorithm not in _COMBINE or kind == COMPOSITE and algorithm == DEFAULT:  # noqa: RUF021
        name = algorithm.lower()
        raise refusal("InvalidRequest", f"The {kind} checksum type cannot be used with the {name} checksum algorithm.")
    return kind


def whole(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """Return the checksum of the whole from those of its parts, given with their sizes in bytes."""
    combine = _COMBINE[algorithm]
    digests = ((base64.b64decode(checksum), size) for checksum, size in parts)
    value, width = 0, 0
    for digest, size in digests:
        width = len(digest)
        value = combine(value, int.from_bytes(digest, "big"), size)
    return encoded(value.to_bytes(width, "big"))


def composite(algorithm: str, checksums: Sequence[str]) -> str:
    """Return the checksum over the parts' checksums."""
    made = ALGORITHMS[algorithm]()
    for checksum in checksums:
        made.update(base64.b64decode(checksum))
    return f"{encoded(made.digest())}-{len(checksums)}"


def multipart_etag(etags: Sequence[str]) -> str:
    """Return the ETag of a multipart object from the MD5s of its parts."""
    made = md5()
    for etag in etags:
        made.update(bytes.fromhex(etag))
    return f"{made.digest().hex()}-{len(etags)}"


def shown(algorithm: str, checksum: str, kind: str = "") -> dict[str, str]:
    """Return the members of a result that say a checksum; none where the client named no algorithm."""
    if not algorithm:
        return {}
    return {f"Checksum{algorithm}": checksum, **({"ChecksumType": kind} if kind else {})}


class Promise:
    """What a client promised about a body: its MD5, and one checksum, in a header or in a trailer to come."""

    def __init__(self, params: Mapping[str, Any], announced: Sequence[str] = ()) -> None:
        """Read the members, and the names of announced trailers. Raises AwsError where they contradict themselves."""
        self.md5 = _decoded(params.get("ContentMD5"), 16, refusal("InvalidDigest"))
        given = {name: params[f"Checksum{name}"] for name in ALGORITHMS if f"Checksum{name}" in params}
        trailing = [name for name in ALGORITHMS if _header(name) in announced]
        if len(given) + len(trailing) > 1:
            text = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            raise refusal("InvalidRequest", text)
        self.algorithm = next(iter((*given, *trailing)), "")
        self.trailing = bool(trailing)
        self._digest = self._read(given.get(self.algorithm))

    def trailer(self, trailers: Mapping[str, str]) -> None:
        """Take the promise from the trailers that came."""
        self._digest = self._read(trailers.get(_header(self.algorithm), ""))

    def check(self, found: "Digests") -> None:
        """Raise AwsError BadDigest unless the body is as promised."""
        if self.md5 not in {None, found.md5}:
            raise refusal("BadDigest")
        if self._digest is not None and self._digest != found.digest(self.algorithm):
            raise bad_digest(self.algorithm)

    def _read(self, text: str | None) -> bytes | None:
        size = len(ALGORITHMS[self.algorithm]().digest()) if self.algorithm else 0
        error = refusal("InvalidRequest", f"Value for {_header(self.algorithm)} header is invalid.")
        return _decoded(text, size, error)


class Digests:
    """The digests of a body in the making. The two updates may run at the same time, on two threads."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._md5 = md5()
        self._checksums = {name: ALGORITHMS[name]() for name in algorithms}

    def update_etag(self, chunks: Iterable[bytes]) -> None:
        """Take more bytes into the MD5, the slowest of all."""
        for chunk in chunks:
            self._md5.update(chunk)

    def update_checksums(self, chunks: Sequence[bytes]) -> None:
        """Take more bytes into the checksums."""
        for made in self._checksums.values():
            for chunk in chunks:
                made.update(chunk)

    @property
    def md5(self) -> bytes:
        """The MD5 so far."""
        return self._md5.digest()

    def digest(self, algorithm: str) -> bytes:
        """Return a checksum."""
        return self._checksums[algorithm].digest()


def promised(headers: Headers, trailers: Mapping[str, str]) -> Promise:
    """Return what the headers and trailers of a request with a whole body promise. Raises AwsError."""
    members = {"Content-MD5": "ContentMD5", **{_header(name): f"Checksum{name}" for name in ALGORITHMS}}
    found = {member: trailers.get(name) or headers.get(name) for name, member in members.items()}
    return Promise({member: value for member, value in found.items() if value})


def bad_digest(algorithm: str) -> AwsError:
    """Return the refusal of a body that has another checksum than the client says."""
    return refusal("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def _header(algorithm: str) -> str:
    return f"x-amz-checksum-{algorithm.lower()}"


def _decoded(text: str | None, size: int, error: AwsError) -> bytes | None:
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error, and what is not ASCII
        raise error from None
    if len(digest) != size:
        raise error
    return digest
