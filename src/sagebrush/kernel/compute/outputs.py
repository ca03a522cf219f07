"""Reading what a container left, without being led astray.

A container may leave symbolic links that lead anywhere on this machine, and would show the file behind one to whoever
sees the job's results. So nothing here follows a link.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Found(NamedTuple):
    """A file below a folder: its path relative to the folder, its size in bytes, its time of change in ns."""

    path: str
    size: int
    changed: int


@contextmanager
def open_file(folder: Path, path: str) -> Iterator[IO[bytes]]:
    """Open a regular file below a folder. Raises OSError where there is none or the way to it goes through a link."""
    *parents, name = Path(path).parts
    if ".." in (*parents, name) or path.startswith("/"):
        message = f"{path} leads out of the folder"
        raise OSError(message)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for parent in parents:
            inner = os.open(parent, _FLAGS | os.O_DIRECTORY, dir_fd=place)
            os.close(place)
            place = inner
        descriptor = os.open(name, _FLAGS, dir_fd=place)
    finally:
        os.close(place)
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


def files(folder: Path) -> Iterator[Found]:
    """Yield all regular files below a folder, in the order of their paths; links are left out."""
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            for found in files(Path(entry.path)):
                yield found._replace(path=f"{entry.name}/{found.path}")
        elif entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            yield Found(entry.name, status.st_size, status.st_mtime_ns)
