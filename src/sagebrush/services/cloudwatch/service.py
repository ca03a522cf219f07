"""The service object of CloudWatch, and the words and checks that its families share."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.service import Service

service = Service("cloudwatch")


def invalid(message: str) -> AwsError:
    """Return the refusal of a parameter's value."""
    return AwsError("InvalidParameterValue", message)


def unsuitable(message: str) -> AwsError:
    """Return the refusal of parameters that do not go together."""
    return AwsError("InvalidParameterCombination", message)


def required(parameter: str) -> AwsError:
    """Return the refusal of a call that lacks a parameter."""
    return AwsError("MissingParameter", f"The parameter {parameter} is required.")


def failed(message: str) -> AwsError:
    """Return the refusal of a GetMetricData query."""
    return AwsError("ValidationError", message)


def dimensions(listed: Sequence[Mapping[str, str]], parameter: str) -> dict[str, str]:
    """Return dimensions by name. Raises InvalidParameterValue where a name comes twice."""
    found = {dimension["Name"]: dimension["Value"] for dimension in listed}
    if len(found) < len(listed):
        raise invalid(f"The parameter {parameter} must not contain a dimension name more than once.")
    return found


def times(start: datetime, end: datetime) -> tuple[float, float]:
    """Return a request's time range in epoch seconds. Raises InvalidParameterValue for one that is empty."""
    if start >= end:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    return start.timestamp(), end.timestamp()


def check_period(period: int, parameter: str) -> None:
    """Refuse a period that CloudWatch does not have."""
    if period % 60 and period not in (1, 5, 10, 20, 30):
        raise invalid(f"The parameter {parameter} must be 1, 5, 10, 20, 30 or a multiple of 60.")
