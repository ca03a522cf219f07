"""Requests made for tests of routing."""

from sagebrush.kernel.wire.http import Headers, Request
from sagebrush.kernel.wire.route import Router

REGISTERED = (
    "sagemaker", "sagemaker-runtime", "sagemaker-metrics", "s3", "iam", "sts", "logs", "cloudwatch",
)  # fmt: skip
ROUTER = Router(REGISTERED)


def request(method: str = "POST", url: str = "/", body: bytes = b"", scope: str = "", **headers: str) -> Request:
    """Return a request; `scope` is the service that its signature names. Header names have `_` for `-`."""
    path, _, query = url.partition("?")
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given.setdefault("host", "127.0.0.1:4566")
    if scope:
        given["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-west-1/{scope}/aws4_request, SignedHeaders=host, Signature=00"
        )
    return Request(method, path, query, Headers(given.items()), body)


def found(asked: Request, router: Router = ROUTER) -> tuple[str, str, str]:
    route = router.match(asked)
    return route.service, route.operation.name, route.protocol
