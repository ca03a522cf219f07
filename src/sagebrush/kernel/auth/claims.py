"""What a request says about its own Version 4 signature, in its header or its query."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from sagebrush.kernel.auth.canonical import octets
from sagebrush.kernel.auth.refusals import refuse
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Request

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
MAX_SKEW = 900  # seconds
MAX_EXPIRY = 604800  # seconds: seven days

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{64})"
)
_SCOPE = re.compile(r"([^/]+)/((\d{8})/([^/]+)/([^/]+)/aws4_request)")
_TIME = re.compile(r"\d{8}T\d{6}Z")
_PAYLOAD = re.compile(
    r"[0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-UNSIGNED-PAYLOAD-TRAILER|STREAMING-AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?"
)
_PAYLOADS = (
    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
)
_QUERY = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders")


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature and what it is made over. `expires` (seconds) is set in the presigned form."""

    access_key: str
    scope: str
    date: str
    region: str
    service: str
    time: str
    signed: str
    signature: str
    token: str
    payload: str
    query: str
    expires: int | None = None

    def to_sign(self, text: str) -> str:
        """Return the string to sign for a canonical request."""
        return f"{ALGORITHM}\n{self.time}\n{self.scope}\n{hashlib.sha256(octets(text)).hexdigest()}"


def from_header(request: Request, protocol: str) -> Claim:
    """Read the `Authorization` header. Raises AwsError where it, the date or the payload's hash is malformed."""
    headers = request.headers
    found = _AUTHORIZATION.fullmatch(headers.get("authorization").strip())
    if found is None:
        raise _bad_authorization(request, protocol)
    credential, signed, signature = found.groups()
    payload = headers.get("x-amz-content-sha256")
    if not payload:
        if protocol == "rest-xml":
            raise AwsError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        payload = hashlib.sha256(request.body).hexdigest()
    _check_payload(payload, protocol)
    time, token = _header_time(request, protocol), headers.get("x-amz-security-token")
    return Claim(*_scope(credential, protocol), time, signed, signature, token, payload, request.query)


def from_query(request: Request, protocol: str) -> Claim:
    """Read a presigned URL's `X-Amz-…` parameters. Raises AwsError where one is missing or malformed."""
    parts = request.query.split("&")
    given = {_decode(name): _decode(value) for name, _, value in (part.partition("=") for part in parts)}
    s3 = protocol == "rest-xml"
    if any(name not in given for name in _QUERY) or (s3 and "X-Amz-Expires" not in given):
        names = f"{', '.join(_QUERY)}, and X-Amz-Expires"
        raise _bad_query(protocol, f"Query-string authentication version 4 requires the {names} parameters.")
    if given["X-Amz-Algorithm"] != ALGORITHM:
        raise _bad_query(protocol, f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    if _TIME.fullmatch(given["X-Amz-Date"]) is None:
        raise _bad_query(protocol, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    payload = request.headers.get("x-amz-content-sha256") or given.get("X-Amz-Content-Sha256", "")
    payload = payload or (UNSIGNED if s3 else hashlib.sha256(request.body).hexdigest())
    _check_payload(payload, protocol)
    return Claim(
        *_scope(given["X-Amz-Credential"], protocol), given["X-Amz-Date"], given["X-Amz-SignedHeaders"],
        given["X-Amz-Signature"], given.get("X-Amz-Security-Token", ""), payload,
        query="&".join([part for part in parts if not part.startswith("X-Amz-Signature=")]),
        expires=_expires(given.get("X-Amz-Expires", str(MAX_SKEW)), protocol),
    )  # fmt: skip


def malformed(protocol: str, message: str) -> AwsError:
    """Return the refusal of an authorisation that is not well formed."""
    prefix = "The authorization header is malformed; " if protocol == "rest-xml" else ""
    return refuse("malformed", protocol, prefix + message)


def _decode(text: str) -> str:
    return unquote(text, encoding="latin-1")


def _expires(text: str, protocol: str) -> int:
    if re.fullmatch(r"-?[0-9]{1,12}", text) is None:
        raise _bad_query(protocol, "X-Amz-Expires should be a number")
    if int(text) < 0:
        raise _bad_query(protocol, "X-Amz-Expires must be non-negative")
    if int(text) > MAX_EXPIRY:
        message = (
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{MAX_EXPIRY} seconds"
        )
        raise _bad_query(protocol, message)
    return int(text)


def _scope(credential: str, protocol: str) -> tuple[str, str, str, str, str]:
    found = _SCOPE.fullmatch(credential)
    if found is None:
        message = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        raise malformed(protocol, f"{message}, got '{credential}'")
    access_key, scope, date, region, service = found.groups()
    return access_key, scope, date, region, service


def _header_time(request: Request, protocol: str) -> str:
    given = request.headers.get("x-amz-date") or request.headers.get("date")
    if _TIME.fullmatch(given):
        return given
    try:
        parsed = datetime.strptime(given, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError as error:
        if protocol == "rest-xml":
            message = "AWS authentication requires a valid Date or x-amz-date header"
            raise AwsError("AccessDenied", message, 403) from error
        message = f"Date must be in ISO-8601 'basic format'. Got '{given}'. See http://en.wikipedia.org/wiki/ISO_8601"
        raise malformed(protocol, message) from error
    return parsed.strftime("%Y%m%dT%H%M%SZ")


def _check_payload(payload: str, protocol: str) -> None:
    if _PAYLOAD.fullmatch(payload) is None:
        raise AwsError("InvalidArgument", _PAYLOADS) if protocol == "rest-xml" else malformed(protocol, _PAYLOADS)


def _bad_query(protocol: str, message: str) -> AwsError:
    if protocol == "rest-xml":
        return AwsError("AuthorizationQueryParametersError", message)
    return refuse("malformed", protocol, message)


def _bad_authorization(request: Request, protocol: str) -> AwsError:
    """Say what an `Authorization` header lacks, without repeating it."""
    authorization = request.headers.get("authorization")
    if protocol == "rest-xml":
        if not authorization.startswith(ALGORITHM):
            fields = {"ArgumentName": "Authorization"}
            return AwsError("InvalidArgument", "Unsupported Authorization Type", fields=fields)
        part = next((name for name in ("Credential", "SignedHeaders", "Signature") if name not in authorization), "")
        return malformed(protocol, f"the authorization component '{part or 'Signature'}' is missing or malformed.")
    lacks = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if f"{name}=" not in authorization
    ]
    if not (request.headers.get("x-amz-date") or request.headers.get("date")):
        lacks.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    return malformed(protocol, " ".join(lacks) or "Authorization header is not well formed.")
