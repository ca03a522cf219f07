"""The one exception that crosses rooms: a refusal that a client understands."""

from collections.abc import Mapping
from typing import Any


class AwsError(Exception):
    """A refusal as AWS states it.

    `code` and `message` are what `ClientError.response["Error"]` shows; `status` is the HTTP status; `fields` are
    further members of the modelled exception shape (`OriginalStatusCode` of a `ModelError`, say). `headers` go out
    with the answer.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        *,
        fields: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields: dict[str, Any] = dict(fields or {})
        self.headers: dict[str, str] = dict(headers or {})


def validation(message: str) -> AwsError:
    """Return the refusal of bad input, as SageMaker and its neighbours word it."""
    return AwsError("ValidationException", message)


def not_implemented(service: str, operation: str) -> AwsError:
    """Return the refusal of an operation that this platform does not have.

    Status 501 and not 500, because botocore retries 500, 502, 503 and 504.
    """
    return AwsError("NotImplemented", f"{operation} of {service} is not implemented by this platform.", 501)
