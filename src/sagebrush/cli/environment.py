"""The environment variables that point AWS clients at a platform."""

from collections.abc import Mapping

from sagebrush.cli.platform import Platform
from sagebrush.kernel.base import files

_FOREIGN = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
_EXECUTION_ROLE = "role/service-role/AmazonSageMaker-ExecutionRole"
_SDK_CONFIG = b"""SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""


def foreign(outer: Mapping[str, str]) -> list[str]:
    """Return the variables of another AWS set-up, which would come before ours or mix with it."""
    return [*_FOREIGN, *(name for name in outer if name.startswith("AWS_ENDPOINT_URL_"))]


def plain(platform: Platform, outer: Mapping[str, str]) -> dict[str, str]:
    """Return what a client needs that lets its endpoint be set: address, keys, region, the execution role.

    A region that `outer` names stays. The SageMaker SDKs' administrator's defaults turn their telemetry off.
    """
    key, secret = platform.keys
    region = outer.get("AWS_REGION") or outer.get("AWS_DEFAULT_REGION") or platform.region
    defaults = platform.data / "sagemaker-config.yaml"
    if not defaults.exists():
        files.write(defaults, _SDK_CONFIG)
    return {
        "AWS_ENDPOINT_URL": platform.endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_ROLE_ARN": f"arn:aws:iam::{platform.account}:{_EXECUTION_ROLE}",
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(defaults),
    }


def door(platform: Platform, outer: Mapping[str, str]) -> dict[str, str]:
    """Return what a client needs that knows nothing of endpoints: the door, and whom to trust for it."""
    bundle = str(platform.data / "ca" / "bundle.pem")
    loopback = "127.0.0.1,localhost,::1"
    spared = ",".join(filter(None, (outer.get("NO_PROXY") or outer.get("no_proxy"), loopback)))
    return {
        "HTTPS_PROXY": platform.door,
        "https_proxy": platform.door,
        "NO_PROXY": spared,
        "no_proxy": spared,
        "AWS_CA_BUNDLE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "NODE_EXTRA_CA_CERTS": str(platform.data / "ca" / "ca.pem"),
    }
