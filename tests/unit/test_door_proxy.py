"""The door behind a company's own proxy."""

import asyncio
from pathlib import Path

import pytest
import urllib3
import uvloop
from tests.unit.test_door import Opened, serving

from sagebrush.kernel.gateway.authority import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def test_other_hosts_are_reached_through_the_proxy_that_the_environment_names(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amazon's hosts never are: an own door stands in for the company's proxy here, and sees only the others."""
    with serving("gateway") as gateway, serving("other") as other, serving("wrong") as wrong:
        company = Opened(wrong, authority, uvloop.new_event_loop)
        proxy = f"http://me:secret@127.0.0.1:{company.door.port}"
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy)
            monkeypatch.delenv(name.upper(), raising=False)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        opened = Opened(gateway, authority, uvloop.new_event_loop)
        seen: list[bytes] = []
        admit = company.door.admit

        def noted(transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
            seen.append(head)
            admit(transport, head, rest)

        company.door.admit = noted  # type: ignore[method-assign]
        with opened.http() as http:
            url = f"http://localhost:{other}/x"
            assert http.request("GET", url).data.decode() == f"other localhost:{other} /x None"
            host = "sts.us-east-1.amazonaws.com"
            assert http.request("GET", f"https://{host}/").data.decode() == f"gateway {host} / None"
            assert http.request("GET", f"http://{host}/").data.decode() == f"gateway {host} / None"
        with pytest.raises(urllib3.exceptions.HTTPError), opened.http() as http:
            http.request("GET", f"https://localhost:{other}/x")  # a server without TLS, but reached
        opened.close()
        company.close()
    asked = [head.partition(b" HTTP/1.")[0].decode() for head in seen]
    assert asked == [f"GET http://localhost:{other}/x", f"CONNECT localhost:{other}"]
    assert all(b"Proxy-Authorization: Basic bWU6c2VjcmV0" in head for head in seen)
