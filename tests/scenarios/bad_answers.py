"""What any answer must be: never a failure of the platform's own, and something that the client's parser can read."""

import io
import re
from typing import Any

from botocore.awsrequest import HeadersDict
from botocore.parsers import ResponseParserError, create_parser
from tests.scenarios.raw_requests import Answer, Draft

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.:_-]+")
_REQUEST_IDS = ("x-amzn-requestid", "x-amz-request-id")


def problem(draft: Draft, answer: Answer) -> str:
    """Return what is wrong with an answer, or nothing."""
    if answer.status == 0:
        return "" if draft.broken else "hung up without a word"
    if draft.broken and answer.status in {400, 431} and answer.headers.get("content-type", "").startswith("text/plain"):
        return ""  # not HTTP: refused before anything could tell whose it is
    if answer.status >= 500 and answer.status != 501:
        return f"answered {answer.status}"
    if not any(name in answer.headers for name in _REQUEST_IDS):
        return "has no request id"
    if draft.method == "HEAD":
        return "" if not answer.body else "a HEAD has a body"
    if answer.status in {204, 304}:
        return ""
    if answer.status < 300:
        return "" if draft.strays else _unreadable(draft, answer)
    return _refusal_problem(draft, answer)


def error_of(draft: Draft, answer: Answer) -> tuple[str, str]:
    """Return the code and the message that the client sees."""
    error = _parsed(_protocol(draft, answer), draft, answer).get("Error", {})
    return error.get("Code", ""), error.get("Message", "")


def _refusal_problem(draft: Draft, answer: Answer) -> str:
    if not draft.strays and _is_json(answer) != ("json" in draft.protocol):
        return "refused in another protocol"
    try:
        code, message = error_of(draft, answer)
    except ResponseParserError as error:
        return f"not to be parsed: {error}"
    if answer.status == 501 and code != "NotImplemented":
        return f"501 with the code {code}"
    if not _CODE.fullmatch(str(code)) or not message:
        return f"has the code {code!r} and the message {message!r}"
    if "Traceback" in message or ".py" in message or "object at 0x" in message:
        return f"tells what is inside: {message}"
    return ""


def _unreadable(draft: Draft, answer: Answer) -> str:
    try:
        _parsed(draft.protocol, draft, answer)
    except ResponseParserError as error:
        return f"not to be parsed: {error}"
    return ""


def _protocol(draft: Draft, answer: Answer) -> str:
    """Return the protocol of an answer: the request's, unless it may have been taken for another."""
    if not draft.strays:
        return draft.protocol
    if _is_json(answer):
        return draft.protocol if "json" in draft.protocol else "json"
    return "query" if b"<ErrorResponse" in answer.body else "rest-xml"


def _is_json(answer: Answer) -> bool:
    return "json" in answer.headers.get("content-type", "")


def _parsed(protocol: str, draft: Draft, answer: Answer) -> dict[str, Any]:
    streams = draft.operation.has_streaming_output and answer.status < 300
    raw = {
        "status_code": answer.status,
        "headers": HeadersDict(answer.headers),
        "body": io.BytesIO(answer.body) if streams else answer.body,
        "context": {"operation_name": draft.operation.name},
    }
    shape: Any = draft.operation.output_shape
    parsed: dict[str, Any] = create_parser(protocol).parse(raw, shape)
    return parsed
