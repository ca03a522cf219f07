"""What the platform answers for itself, below `/_sagebrush/`, and what containers need to reach it."""

from collections.abc import Mapping

from sagebrush import __version__
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.compute.base import Link
from sagebrush.kernel.gateway.app import Own, json_response
from sagebrush.kernel.gateway.authority import Authority
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.wire.http import Request, Response


def routes(world: World) -> Mapping[str, Own]:
    """Return the platform's own answers by the first part of their path."""

    def health(_: Request) -> Response:
        return json_response(200, {"status": "ready", "version": __version__})

    def credentials(request: Request) -> Response:
        """Serve a task its role's credentials, as the container credentials endpoint of AWS does."""
        task = request.path.rpartition("/")[2]
        try:
            given = world.identities.container_credentials(task, request.headers.get("authorization"))
        except AwsError as error:
            return json_response(error.status, {"code": error.code, "message": error.message})
        return json_response(200, given)

    return {"health": health, "credentials": credentials}


_CERTIFICATE, _BUNDLE = "/opt/sagebrush/ca.pem", "/opt/sagebrush/bundle.pem"


def environment(settings: Settings, endpoint: str, door: str) -> dict[str, str]:
    """Return what a container needs in its environment so that every AWS call comes here, whatever SDK makes it."""
    local = "localhost,127.0.0.1,::1"
    return {
        "AWS_ENDPOINT_URL": endpoint,
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), door),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), local),
        "AWS_CA_BUNDLE": _CERTIFICATE,
        **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), _BUNDLE),
        "AWS_DEFAULT_REGION": settings.region,
    }


def certificates(authority: Authority) -> tuple[Link, ...]:
    """Return the files that `environment` names, to be seen by containers."""
    return (
        Link(authority.certificate, _CERTIFICATE, read_only=True),
        Link(authority.bundle, _BUNDLE, read_only=True),
    )
