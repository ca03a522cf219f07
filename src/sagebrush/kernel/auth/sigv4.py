"""AWS Signature Version 4: the header form and the presigned query form.

Sources: "AWS Signature Version 4 for API requests" (IAM User Guide), "Authenticating Requests" (S3 API Reference).
A request is verified as it came on the wire, before gzip or aws-chunked are undone.
"""

import hmac
from calendar import timegm
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from sagebrush.kernel.auth import canonical, claims
from sagebrush.kernel.auth.claims import MAX_SKEW, UNSIGNED, Claim, malformed
from sagebrush.kernel.auth.identities import Credential, Identity
from sagebrush.kernel.auth.refusals import refuse
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Request

Keys = Callable[[str], Credential | None]

_SIMPLE = frozenset({"s3", "s3-outposts", "s3-object-lambda", "s3express"})  # services that take a path as it is


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified request: who sent it, for which region and service, and what its payload must be.

    `payload` is the hex SHA-256 of the body, or UNSIGNED-PAYLOAD, or one of the STREAMING-… forms, whose chunks are
    signed in a chain that begins with `signature`.
    """

    identity: Identity
    region: str = ""
    service: str = "s3"
    payload: str = UNSIGNED
    time: str = ""  # 20261121T082621Z
    signature: str = ""
    key: bytes = field(default=b"", repr=False)

    @property
    def scope(self) -> str:
        """The credential scope: `20261121/us-east-1/s3/aws4_request`."""
        return f"{self.time[:8]}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a signature is held against.

    `keys` finds the credential of an access key id. `now` is wall-clock time in epoch seconds. `protocol` is botocore's
    name of the protocol whose errors are raised. `service` is the signing name that a scope must carry; empty: any.
    `bucket` is the bucket that the Host header names; empty in path style.
    """

    keys: Keys
    now: float
    protocol: str = "json"
    service: str = ""
    bucket: str = ""


def verify_header(request: Request, terms: Terms) -> Signed:
    """Return what the `Authorization` header proves. Raises AwsError in the words of the protocol."""
    return _prove(request, claims.from_header(request, terms.protocol), terms)


def verify_query(request: Request, terms: Terms) -> Signed:
    """Return what a presigned URL (`X-Amz-Signature`) proves. Raises AwsError in the words of the protocol."""
    return _prove(request, claims.from_query(request, terms.protocol), terms)


def _prove(request: Request, claim: Claim, terms: Terms) -> Signed:
    protocol, service = terms.protocol, terms.service
    _check_time(claim, terms.now, protocol)
    credential = terms.keys(claim.access_key)
    if credential is None:
        raise refuse("unknown", protocol, AWSAccessKeyId=claim.access_key)
    if service and claim.service != service:
        raise _out_of_scope(protocol, f"Credential should be scoped to correct service: '{service}'. ")
    headers = _signed_headers(request, claim, protocol)
    key = signing_key(credential.secret, claim.date, claim.region, claim.service)
    forms = canonical.requests(
        request.method, request.path, claim.query, headers, claim.signed, claim.payload,
        simple=claim.service in _SIMPLE,
    )  # fmt: skip
    first = ""
    for form in forms:
        if same(sign(key, claim.to_sign(form)), claim.signature):
            break
        first = first or form
    else:
        raise _mismatch(claim, first, protocol)
    check_session(credential, claim.token, terms)
    return Signed(credential.identity, claim.region, claim.service, claim.payload, claim.time, claim.signature, key)


def check_session(credential: Credential, token: str, terms: Terms) -> None:
    """Refuse a token that is not the credential's own, and a session that has ended."""
    if not same(credential.token, token):
        raise refuse("token", terms.protocol)
    expires = credential.identity.expires
    if expires is not None and expires <= terms.now:
        raise refuse("expired", terms.protocol)


def same(one: str, other: str) -> bool:
    """Compare two texts in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Return the key that a secret yields for a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, canonical.octets(part), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """Return the hex signature of a string to sign."""
    return hmac.digest(key, canonical.octets(text), "sha256").hex()


def stamp(epoch: float) -> str:
    """Return a time as signatures write it: 20261121T082621Z."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y%m%dT%H%M%SZ")


def iso(epoch: float) -> str:
    """Return a time as S3's errors write it: 2026-11-21T08:26:21Z."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def too_skewed(time: str, now: float) -> AwsError:
    """Return S3's refusal of a request time that is more than 15 minutes off."""
    allowed = str(MAX_SKEW * 1000)
    return refuse("skew", "rest-xml", RequestTime=time, ServerTime=iso(now), MaxAllowedSkewMilliseconds=allowed)


def _signed_headers(request: Request, claim: Claim, protocol: str) -> str:
    """Return the canonical headers. Refuse a request that leaves its host, or an x-amz-… header, unsigned."""
    values: dict[str, str | None] = dict.fromkeys(claim.signed.split(";"))
    if "host" not in values:
        raise malformed(protocol, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    loose = []
    for name, value in request.headers:
        if name in values:
            before = values[name]
            values[name] = canonical.fold(value) if before is None else f"{before},{canonical.fold(value)}"
        elif name.startswith("x-amz-") and name != "x-amz-security-token":
            loose.append(name)
    if loose:
        raise refuse("unsigned", protocol, HeadersNotSigned=", ".join(loose))
    return "".join([f"{name}:{value or ''}\n" for name, value in values.items()])


@lru_cache(maxsize=256)
def _epoch(time: str) -> int:
    return timegm(datetime.strptime(time, "%Y%m%dT%H%M%SZ").timetuple())  # noqa: DTZ007  (the Z is in the format)


def _check_time(claim: Claim, now: float, protocol: str) -> None:
    """Refuse a time that the scope contradicts, or that is too far from now."""
    try:
        signed_at = _epoch(claim.time)
    except ValueError as error:
        raise malformed(protocol, f"Date must be in ISO-8601 'basic format'. Got '{claim.time}'.") from error
    if claim.time[:8] != claim.date:
        message = (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{claim.time[:8]}', from '{claim.time}'."
        )
        raise _out_of_scope(protocol, message)
    lifetime = MAX_SKEW if claim.expires is None else claim.expires
    if now - lifetime <= signed_at <= now + MAX_SKEW:
        return
    if protocol == "rest-xml" and claim.expires is None:
        raise too_skewed(claim.time, now)
    late = signed_at < now
    if protocol == "rest-xml":
        fields = {"X-Amz-Expires": str(lifetime), "Expires": iso(signed_at + lifetime), "ServerTime": iso(now)}
        raise AwsError(
            "AccessDenied", "Request has expired" if late else "Request is not yet valid", 403, fields=fields
        )
    raise refuse("skew", protocol, _early(claim.time, now, lifetime) if late else _ahead(claim.time, now))


def _early(time: str, now: float, lifetime: int) -> str:
    limit = f"{stamp(now - lifetime)} ({stamp(now)} - {lifetime // 60} min.)"
    return f"Signature expired: {time} is now earlier than {limit}"


def _ahead(time: str, now: float) -> str:
    limit = f"{stamp(now + MAX_SKEW)} ({stamp(now)} + {MAX_SKEW // 60} min.)"
    return f"Signature not yet current: {time} is still later than {limit}"


def _out_of_scope(protocol: str, message: str) -> AwsError:
    return malformed(protocol, message) if protocol == "rest-xml" else refuse("mismatch", protocol, message)


def _mismatch(claim: Claim, form: str, protocol: str) -> AwsError:
    if protocol != "rest-xml":
        return refuse("mismatch", protocol)
    to_sign = claim.to_sign(form)
    return refuse(
        "mismatch", protocol, AWSAccessKeyId=claim.access_key, StringToSign=to_sign, SignatureProvided=claim.signature,
        StringToSignBytes=canonical.octets(to_sign).hex(" "), CanonicalRequest=form,
        CanonicalRequestBytes=canonical.octets(form).hex(" "),
    )  # fmt: skip
