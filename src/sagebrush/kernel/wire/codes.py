"""What services call a request that cannot be read, or that breaks the model's constraints: codes, as data.

Sources: "Common Errors" of the API references; S3: "Error responses"; CloudWatch Logs answers InvalidParameterException
where its neighbours answer ValidationException.
"""

from botocore.model import OperationModel

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.models import name_of
from sagebrush.kernel.wire.scalars import MalformedError
from sagebrush.kernel.wire.shapes import exceptions

_MALFORMED = {
    "json": "SerializationException",
    "rest-json": "SerializationException",
    "rest-xml": "MalformedInput",
    "query": "MalformedInput",
}
_S3 = "s3"
_INVALID = {"logs": "InvalidParameterException"}


def malformed(operation: OperationModel, protocol: str, error: MalformedError) -> AwsError:
    """Return the refusal of a request that cannot be read."""
    if name_of(operation.service_model) != _S3:
        return AwsError(_MALFORMED.get(protocol, "SerializationException"), str(error))
    if not error.argument:
        return AwsError("MalformedXML", str(error))
    fields = {"ArgumentName": error.argument, "ArgumentValue": error.value}
    return AwsError("InvalidArgument", str(error), fields=fields)


def invalid(operation: OperationModel, message: str, *, in_body: bool) -> AwsError:
    """Return the refusal of a request that breaks the model's constraints, in its body or outside of it."""
    model = operation.service_model
    name = name_of(model)
    if name == _S3:
        return AwsError("MalformedXML" if in_body else "InvalidArgument", message)
    if name in _INVALID:
        return AwsError(_INVALID[name], message)
    named_error = "query" in (model.resolved_protocol, *model.metadata.get("protocols", ()))
    if named_error or (_models(operation, "ValidationError") and not _models(operation, "ValidationException")):
        return AwsError("ValidationError", message)
    return AwsError("ValidationException", message)


def not_spoken(operation: OperationModel, protocol: str) -> AwsError:
    """Return the refusal of a protocol, or of event streams, that this platform does not speak yet."""
    streams = operation.has_event_stream_input or operation.has_event_stream_output
    what = "event streams" if streams else f"the {protocol} protocol"
    service = name_of(operation.service_model)
    return AwsError("NotImplemented", f"{operation.name} of {service} needs {what}, which this platform lacks.", 501)


def _models(operation: OperationModel, code: str) -> bool:
    return code in exceptions(operation.service_model)
