"""Requests as botocore signs and sends them, and the identities they are verified against."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from sagebrush.kernel.auth.identities import Credential, Identities
from sagebrush.kernel.auth.sigv4 import Signed, Terms
from sagebrush.kernel.auth.verify import verify
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.state.records import SCHEMA, Records
from sagebrush.kernel.state.sqlite import Database
from sagebrush.kernel.wire.http import Headers, Request


class SetClock:
    """A clock that stands where a test puts it."""

    def __init__(self) -> None:
        self.time = time.time()

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time


def identities(folder: Path, clock: SetClock | None = None, **settings: Any) -> Identities:
    """Return the identities of a platform whose data is in `folder`."""
    records = Records(Database(folder / "state.db", SCHEMA))
    return Identities(records, Settings(data=folder, **settings), clock or SetClock())


def received(prepared: AWSPreparedRequest) -> Request:
    """Return a request as the gateway hands it on: the host added, everything one character per octet."""
    url = urlsplit(prepared.url)
    headers = [(name, _text(value)) for name, value in prepared.headers.items()]
    if "host" not in (name.lower() for name, _ in headers):
        headers.append(("Host", url.netloc))
    held: Any = prepared.body or b""
    body = held.read() if hasattr(held, "read") else held
    body = body.encode() if isinstance(body, str) else bytes(body)
    return Request(prepared.method, url.path or "/", url.query, Headers(headers), body=body)


def signed(
    credential: Credential,
    method: str = "POST",
    url: str = "http://127.0.0.1:4566/",
    *,
    service: str = "sagemaker",
    signer: type[SigV4Auth] = SigV4Auth,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    **options: Any,
) -> Request:
    """Return a request signed by one of botocore's signers."""
    request = AWSRequest(method=method, url=url, data=body, headers=headers or {})
    keys = Credentials(credential.access_key, credential.secret, credential.token or None)
    signer(keys, service, "us-east-1", **options).add_auth(request)
    return received(request.prepare())


def sent(credential: Credential, service: str, call: Callable[[Any], object], **options: Any) -> Request:
    """Return what a boto3 client would send for a call."""
    config = Config(retries={"max_attempts": 0}).merge(options.pop("config", Config()))
    options = {"endpoint_url": "http://127.0.0.1:4566", "region_name": "us-east-1", **options}
    keys = {"aws_access_key_id": credential.access_key, "aws_secret_access_key": credential.secret}
    make: Any = boto3.client
    client = make(service, config=config, aws_session_token=credential.token or None, **keys, **options)
    caught: list[AWSPreparedRequest] = []

    class StopError(Exception):
        pass

    def catch(request: AWSPreparedRequest, **_: Any) -> None:
        caught.append(request)
        raise StopError

    client.meta.events.register("before-send", catch)
    try:
        call(client)
    except StopError:
        pass
    finally:
        client.close()
    return received(caught[0])


def terms(known: Identities, protocol: str = "json", **more: Any) -> Terms:
    """Return terms at this moment."""
    return Terms(known.find, more.pop("now", time.time()), protocol, **more)


def accepted(request: Request, known: Identities, protocol: str = "json", **more: Any) -> Signed:
    """Verify a request."""
    return verify(request, terms(known, protocol, **more))


def with_header(request: Request, name: str, value: str | None) -> Request:
    """Return a request with a header replaced; None removes it."""
    kept = [(held, text) for held, text in request.headers if held != name.lower()]
    return replace(request, headers=Headers(kept if value is None else [*kept, (name, value)]))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
