"""Ordered keys with common prefixes: the arithmetic of S3's listings, over any rows that have a key.

Strings compare by code point in Python and by UTF-8 byte in SQLite's BINARY collation, which is the same order.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar


class Keyed(Protocol):
    """A row that has a key."""

    @property
    def key(self) -> str:
        """The key."""
        ...


K = TypeVar("K", bound=Keyed)


def after(key: str) -> str:
    """Return the smallest string that is larger than `key`."""
    return key + "\0"


def beyond(prefix: str) -> str | None:
    """Return the smallest string that is larger than every string with this prefix; None where there is none."""
    kept = prefix.rstrip(chr(0x10FFFF))
    if not kept:
        return None
    last = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if last == 0xD800 else last)  # surrogates have no UTF-8


def walk(seek: Callable[[str], Iterable[K]], prefix: str, delimiter: str, start: str) -> Iterator[K | str]:
    """Yield, from `start` on, rows whose key has the prefix; those with a delimiter after it as one common prefix.

    `seek` returns rows in key order from a key on. What a common prefix covers is passed over, not read, and no more
    than one row is held.
    """
    position: str | None = max(prefix, start)
    while position is not None:
        for row in seek(position):
            if not row.key.startswith(prefix):
                return
            cut = row.key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                yield row
                continue
            common = row.key[: cut + len(delimiter)]
            yield common
            position = beyond(common)
            break
        else:
            return
