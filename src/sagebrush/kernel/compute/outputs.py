"""Reading what a container left, without being led astray.

A container may leave symbolic links that lead anywhere on this machine, and would show the file behind one to whoever
sees the job's results. So nothing here follows a link.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


class Found(NamedTuple):
    """A file below a folder: its path relative to the folder, its size in bytes, its time of change in ns."""

    path: str
    size: int
    changed: int


@contextmanager
def _folder(folder: Path, parts: Sequence[str]) -> Iterator[int]:
    """Open a folder below another, step by step, and not through a link."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            inner = os.open(part, _FLAGS | os.O_DIRECTORY, dir_fd=place)
            os.close(place)
            place = inner
        yield place
    finally:
        os.close(place)


@contextmanager
def open_file(folder: Path, path: str) -> Iterator[IO[bytes]]:
    """Open a regular file below a folder. Raises OSError where there is none or the way to it goes through a link."""
    *parents, name = Path(path).parts
    if ".." in (*parents, name) or path.startswith("/"):
        message = f"{path} leads out of the folder"
        raise OSError(message)
    with _folder(folder, parents) as place:
        descriptor = os.open(name, _FLAGS, dir_fd=place)
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            message = f"{path} is not a file"
            raise OSError(message)
        yield source


def read(folder: Path, path: str, limit: int) -> str | None:
    """Return at most `limit` bytes of a text file below a folder, or None where there is no such file."""
    try:
        with open_file(folder, path) as source:
            return source.read(limit).decode("utf-8", "replace")
    except OSError:
        return None


def files(folder: Path, below: str = "") -> Iterator[Found]:
    """Yield all regular files of `folder`/`below` in the order of their paths, relative to that; links are left out.

    `folder` is a place that no container can replace by a link, `below` may be one that it can. What vanishes while
    this looks, because the container still runs, is left out too.
    """
    for name, status in _entries(folder, Path(below).parts):
        if stat.S_ISDIR(status.st_mode):
            for found in files(folder, f"{below}/{name}" if below else name):
                yield found._replace(path=f"{name}/{found.path}")
        elif stat.S_ISREG(status.st_mode):
            yield Found(name, status.st_size, status.st_mtime_ns)


def _entries(folder: Path, parts: Sequence[str]) -> list[tuple[str, os.stat_result]]:
    """Return what is in a folder below another, by name; nothing where it is gone, or is a link or a file by now."""
    found = []
    try:
        with _folder(folder, parts) as place, os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                with suppress(FileNotFoundError):
                    found.append((entry.name, entry.stat(follow_symlinks=False)))
    except OSError as error:
        if error.errno not in _GONE:
            raise
    return found
