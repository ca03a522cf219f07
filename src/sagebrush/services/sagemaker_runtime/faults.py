"""What InvokeEndpoint answers when something is wrong. Source: the errors of InvokeEndpoint in the API reference."""

from dataclasses import dataclass

from sagebrush.kernel.base.errors import AwsError

_SHOWN = 1024  # characters of a container's own message

TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for each"
    " container in Amazon CloudWatch, resolve the issue, and try again."
)


@dataclass(frozen=True, slots=True)
class Target:
    """The endpoint that was asked."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """The endpoint's ARN."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:endpoint/{self.name.lower()}"


def invalid(message: str) -> AwsError:
    """Return the refusal of a request."""
    return AwsError("ValidationError", message)


def not_found(target: Target) -> AwsError:
    """Return the refusal of an endpoint that does not exist, or does not serve yet, or any more."""
    return invalid(f"Endpoint {target.name} of account {target.account} not found.")


def unavailable(target: Target) -> AwsError:
    """Return the answer while no instance of the variant is up; clients try again."""
    return AwsError("ServiceUnavailable", f"No instance of endpoint {target.name} can answer now. Try again.", 503)


def model_error(target: Target, status: int, told: str) -> AwsError:
    """Return what a container's own error becomes; status 0 stands for no answer at all."""
    told = told[:_SHOWN]
    kind = "client" if 400 <= status < 500 else "server"
    group = f"/aws/sagemaker/Endpoints/{target.name}"
    console = (
        f"https://{target.region}.console.aws.amazon.com/cloudwatch/home?region={target.region}"
        f"#logEventViewer:group={group}"
    )
    message = (
        f'Received {kind} error ({status}) from primary with message "{told}". See {console} in account'
        f" {target.account} for more information."
    )
    fields = {
        "OriginalStatusCode": status,
        "OriginalMessage": told,
        "LogStreamArn": f"arn:aws:logs:{target.region}:{target.account}:log-group:{group}",
    }
    return AwsError("ModelError", message, 424, fields=fields)
