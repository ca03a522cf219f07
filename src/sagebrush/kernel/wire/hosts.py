"""What the Host header says: a service's endpoint, or a bucket in virtual-host style.

Sources: "AWS service endpoints" (General Reference); "Virtual hosting of buckets" (S3 User Guide).
"""

import re
from functools import lru_cache
from ipaddress import ip_address

from sagebrush.kernel.wire.models import Head, by_endpoint_prefix

_AWS = re.compile(r"(.+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)")
_REGION = r"[a-z]{2}(?:-[a-z]+)+-\d"
_TRAIT = re.compile(rf"{_REGION}|dualstack|fips")
_S3 = re.compile(
    rf"(?:(.+)\.)?s3(?:-fips|-accelerate|-external-1|-{_REGION})?(?:\.dualstack)?(?:\.{_REGION})?"
    r"\.amazonaws\.com(?:\.cn)?"
)


def host_name(header: str) -> str:
    """Return the name in a Host header, without the port and in lower case."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].rstrip(".").lower()


@lru_cache(maxsize=1024)
def services_at(host: str) -> tuple[Head, ...]:
    """Return the services whose endpoint of AWS a host is: `runtime.sagemaker.us-east-1.amazonaws.com`."""
    labels = _labels(host)
    for start in range(len(labels)):
        found = by_endpoint_prefix(".".join(labels[start:]))
        if found:
            return found
    return ()


@lru_cache(maxsize=1024)
def bucket_at(host: str, bases: tuple[str, ...]) -> str:
    """Return the bucket that a host names, or nothing in path style.

    `bases` are the names under which this platform is reached: `my-bucket.localhost` and `my-bucket.s3.localhost` name a
    bucket where `localhost` is one. An IP address never names a bucket.
    """
    if _is_address(host):
        return ""
    found = _S3.fullmatch(host)
    if found:
        return found[1] or ""
    for base in bases:
        if host.endswith(f".{base}"):
            return _below(host.removesuffix(f".{base}"))
    return ""


def _below(name: str) -> str:
    return "" if name == "s3" else name.removesuffix(".s3")


def _labels(host: str) -> list[str]:
    """Return the labels of an AWS host before its domain, without region and network traits."""
    found = _AWS.fullmatch(host)
    return [label for label in found[1].split(".") if _TRAIT.fullmatch(label) is None] if found else []


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
