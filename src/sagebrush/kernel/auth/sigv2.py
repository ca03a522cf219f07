"""Signature Version 2 of S3: presigned URLs, as boto3 makes them for custom endpoints, and its header form.

Source: "Signing and authenticating REST requests (AWS signature version 2)" (S3 User Guide).
"""

import base64
import hmac
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from sagebrush.kernel.auth.canonical import octets
from sagebrush.kernel.auth.claims import MAX_SKEW, UNSIGNED
from sagebrush.kernel.auth.identities import Credential
from sagebrush.kernel.auth.refusals import refuse
from sagebrush.kernel.auth.sigv4 import Signed, Terms, check_session, iso, same, too_skewed
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Request

_S3 = "rest-xml"
_MARKS = frozenset({"AWSAccessKeyId", "Signature", "Expires"})
_SUBRESOURCES = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "encryption", "inventory", "legal-hold",
    "lifecycle", "location", "logging", "metrics", "notification", "object-lock", "partNumber", "policy",
    "publicAccessBlock", "replication", "requestPayment", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-content-type", "response-expires", "restore",
    "retention", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId",
    "versioning", "versions", "website",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Claim:
    """A signature, the date it is made over, and the headers that the query carries."""

    access_key: str
    signature: str
    date: str
    carried: dict[str, str]


def verify_query(request: Request, terms: Terms) -> Signed:
    """Return what a presigned URL (`AWSAccessKeyId`, `Signature`, `Expires`) proves. Raises AwsError in S3's words."""
    given = {name: _decode(value) for name, _, value in _pairs(request.query)}
    if not given.keys() >= _MARKS:
        message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        raise AwsError("AccessDenied", message, 403)
    expires = given["Expires"]
    if re.fullmatch(r"[0-9]{1,11}", expires) is None:
        raise AwsError("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}", 403)
    if int(expires) < terms.now:
        fields = {"Expires": iso(int(expires)), "ServerTime": iso(terms.now)}
        raise AwsError("AccessDenied", "Request has expired", 403, fields=fields)
    carried = {name.lower(): value for name, value in given.items() if _travels(name.lower())}
    return _prove(request, _Claim(given["AWSAccessKeyId"], given["Signature"], expires, carried), terms)


def verify_header(request: Request, terms: Terms) -> Signed:
    """Return what `Authorization: AWS key:signature` proves. Raises AwsError in S3's words."""
    access_key, colon, signature = request.headers.get("authorization").removeprefix("AWS ").strip().partition(":")
    if not colon:
        message = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"
        raise AwsError("InvalidArgument", message, fields={"ArgumentName": "Authorization"})
    given = request.headers.get("x-amz-date") or request.headers.get("date")
    try:
        signed_at = parsedate_to_datetime(given).timestamp()
    except ValueError as error:
        message = "AWS authentication requires a valid Date or x-amz-date header"
        raise AwsError("AccessDenied", message, 403) from error
    if abs(signed_at - terms.now) > MAX_SKEW:
        raise too_skewed(given, terms.now)
    date = "" if "x-amz-date" in request.headers else given
    return _prove(request, _Claim(access_key, signature, date, {}), terms)


def _prove(request: Request, claim: _Claim, terms: Terms) -> Signed:
    credential = terms.keys(claim.access_key)
    if credential is None:
        raise refuse("unknown", _S3, AWSAccessKeyId=claim.access_key)
    text = _to_sign(request, claim, terms.bucket)
    if not same(_sign(credential, text), claim.signature):
        fields = {"AWSAccessKeyId": claim.access_key, "StringToSign": text, "SignatureProvided": claim.signature}
        raise refuse("mismatch", _S3, **fields, StringToSignBytes=octets(text).hex(" "))
    token = claim.carried.get("x-amz-security-token") or request.headers.get("x-amz-security-token")
    check_session(credential, token, terms)
    return Signed(credential.identity, payload=request.headers.get("x-amz-content-sha256") or UNSIGNED)


def _sign(credential: Credential, text: str) -> str:
    return base64.b64encode(hmac.digest(credential.secret.encode(), octets(text), "sha1")).decode()


def _to_sign(request: Request, claim: _Claim, bucket: str) -> str:
    """Return the string to sign. Headers that a presigned URL carries in its query count as headers."""
    headers = dict(claim.carried)
    for name, value in request.headers:
        if _travels(name):
            before = None if name in claim.carried else headers.get(name)
            headers[name] = value.strip() if before is None else f"{before},{value.strip()}"
    kept = sorted(
        name + (f"={_decode(value)}" if equals else "")
        for name, equals, value in _pairs(request.query)
        if name in _SUBRESOURCES
    )
    path = f"/{bucket}{request.path}" if bucket else request.path
    lines = [
        request.method,
        headers.get("content-md5", ""),
        headers.get("content-type", ""),
        claim.date,
        *[f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("x-amz-")],
        path + (f"?{'&'.join(kept)}" if kept else ""),
    ]
    return "\n".join(lines)


def _pairs(query: str) -> list[tuple[str, str, str]]:
    return [part.partition("=") for part in query.split("&")] if query else []


def _decode(text: str) -> str:
    return unquote(text, encoding="latin-1")


def _travels(name: str) -> bool:
    return name.startswith("x-amz-") or name in {"content-md5", "content-type"}
