"""How each protocol says no to a caller: the codes, statuses and texts, as data.

Sources: "Common Errors" of the SageMaker, STS and IAM API references; "Error responses" of the S3 API reference.
"""

from typing import Any, Literal

from sagebrush.kernel.base.errors import AwsError

Reason = Literal[
    "missing", "unknown", "token", "expired", "mismatch", "skew", "malformed", "unsigned", "payload", "denied"
]

_NO_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_NO_MATCH_S3 = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
_SKEWED = "The difference between the request time and the current time is too large."
_INVALID_TOKEN = "The security token included in the request is invalid."  # noqa: S105  (AWS's text)
_UNSIGNED = "There were headers present in the request which were not signed"
_NOT_HASHED = "The provided 'x-amz-content-sha256' header does not match what was computed."

_JSON: dict[Reason, tuple[str, int, str]] = {
    "missing": ("MissingAuthenticationToken", 403, "Missing Authentication Token"),
    "unknown": ("UnrecognizedClientException", 403, _INVALID_TOKEN),
    "token": ("UnrecognizedClientException", 403, _INVALID_TOKEN),
    "expired": ("ExpiredTokenException", 403, "The security token included in the request is expired"),
    "mismatch": ("InvalidSignatureException", 403, _NO_MATCH),
    "skew": ("InvalidSignatureException", 403, ""),
    "malformed": ("IncompleteSignature", 403, ""),
    "unsigned": ("InvalidSignatureException", 403, _UNSIGNED),
    "payload": ("InvalidSignatureException", 403, _NO_MATCH),
    "denied": ("AccessDeniedException", 400, ""),
}
_TABLES: dict[str, dict[Reason, tuple[str, int, str]]] = {
    "json": _JSON,
    "rest-json": {**_JSON, "denied": ("AccessDeniedException", 403, "")},
    "query": {
        "missing": ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        "unknown": ("InvalidClientTokenId", 403, _INVALID_TOKEN),
        "token": ("InvalidClientTokenId", 403, _INVALID_TOKEN),
        "expired": ("ExpiredToken", 403, "The security token included in the request is expired"),
        "mismatch": ("SignatureDoesNotMatch", 403, _NO_MATCH),
        "skew": ("SignatureDoesNotMatch", 403, ""),
        "malformed": ("IncompleteSignature", 403, ""),
        "unsigned": ("SignatureDoesNotMatch", 403, _UNSIGNED),
        "payload": ("SignatureDoesNotMatch", 403, _NO_MATCH),
        "denied": ("AccessDenied", 403, ""),
    },
    "rest-xml": {
        "missing": ("AccessDenied", 403, "Access Denied"),
        "unknown": ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
        "token": ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
        "expired": ("ExpiredToken", 400, "The provided token has expired."),
        "mismatch": ("SignatureDoesNotMatch", 403, _NO_MATCH_S3),
        "skew": ("RequestTimeTooSkewed", 403, _SKEWED),
        "malformed": ("AuthorizationHeaderMalformed", 400, "The authorization header is malformed"),
        "unsigned": ("AccessDenied", 403, _UNSIGNED),
        "payload": ("XAmzContentSHA256Mismatch", 400, _NOT_HASHED),
        "denied": ("AccessDenied", 403, "Access Denied"),
    },
}
_ALIASES = {"ec2": "query"}


def refuse(reason: Reason, protocol: str, message: str = "", **fields: Any) -> AwsError:
    """Return the refusal for `reason` as services of `protocol` (botocore's name for it) word it.

    `message` replaces the table's text; `fields` are further members of the error (S3's `StringToSign`, say).
    """
    code, status, text = _TABLES.get(_ALIASES.get(protocol, protocol), _JSON)[reason]
    return AwsError(code, message or text, status, fields=fields)
