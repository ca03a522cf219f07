"""The canonical request of Signature Version 4: the text that client and server must agree on.

Source: "Create a signed AWS API request" (IAM User Guide). Texts hold one character per octet (latin-1), so that
whatever octets a client sent and signed come back unchanged.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

_BLANKS = re.compile(r"[ \t]+")
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*")


def requests(
    method: str, path: str, query: str, headers: str, signed: str, payload: str, *, simple: bool
) -> Iterator[str]:
    """Yield the canonical forms that a request may have been signed in, the likeliest first.

    The first takes path and query with the escapes that the client chose; a client that signed other, equal escapes
    than it sent is found by the strict forms that follow. `simple` is S3's rule: the path is neither normalised nor
    escaped a second time.
    """
    tail = f"{headers}\n{signed}\n{payload}"
    seen = set()
    for strict_path in (False, True):
        uri = _path(path, simple=simple, strict=strict_path)
        for strict_query in (False, True):
            text = f"{method}\n{uri}\n{_query(query, strict=strict_query)}\n{tail}"
            if text not in seen:
                seen.add(text)
                yield text


def fold(value: str) -> str:
    """Return a header's value without outer blanks, and with each inner run of them as one space."""
    value = value.strip(" \t")
    return _BLANKS.sub(" ", value) if "  " in value or "\t" in value else value


def octets(text: str) -> bytes:
    """Return the octets that a text of one character per octet stands for."""
    return text.encode("latin-1", "xmlcharrefreplace")


@lru_cache(maxsize=1024)
def _path(path: str, *, simple: bool, strict: bool) -> str:
    if simple:
        return _escape(path, "/") if strict else path or "/"
    normal = _normal(path)
    if _PLAIN.fullmatch(normal):
        return normal
    return quote(octets(_escape(normal, "/") if strict else normal), safe="/~")


def _normal(path: str) -> str:
    """Return a path without empty and dot segments (RFC 3986, 5.2.4; AWS also joins repeated slashes)."""
    if "//" not in path and "/." not in path:
        return path or "/"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return f"/{'/'.join(kept)}{'/' if kept and path.endswith('/') else ''}"


def _query(query: str, *, strict: bool) -> str:
    if not query:
        return ""
    if strict:
        query = query.replace("+", "%20")
    pairs = [part.partition("=") for part in query.split("&")]
    texts = [(_escape(name), _escape(value)) if strict else (name, value) for name, _, value in pairs]
    return "&".join([f"{name}={value}" for name, value in sorted(texts)])


def _escape(text: str, safe: str = "") -> str:
    """Return `text` with the escapes that AWS prescribes, whichever it came with."""
    return quote(unquote_to_bytes(octets(text)), safe=f"{safe}-_.~")
