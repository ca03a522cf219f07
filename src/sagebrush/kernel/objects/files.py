"""Blobs as local files.

`<root>/drafts/<id>` is being written, or finished and not kept yet; `<root>/<first two digits>/<the others>` is kept.
So the start has to look at nothing but `drafts`, however many objects there are.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from sagebrush.kernel.objects.base import Blob, MissingBlobError

T = TypeVar("T")

_MODE = 0o444
_VECTOR = os.sysconf("SC_IOV_MAX")
_NO_LINK = {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP}
_NO_RANGE_COPY = {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}


class FileDraft:
    """A file in `drafts`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        self._size = 0

    def write(self, chunks: Sequence[bytes]) -> None:
        """Append the chunks."""
        for start in range(0, len(chunks), _VECTOR):
            views = [memoryview(chunk) for chunk in chunks[start : start + _VECTOR]]
            while views:
                written = os.writev(self._file, views)
                self._size += written
                while views and written >= len(views[0]):
                    written -= len(views.pop(0))
                if written:
                    views[0] = views[0][written:]

    def finish(self) -> Blob:
        """Make it a blob."""
        self._close()
        return Blob(self._path.name, self._size)

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._file >= 0:
            self._close()
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1


class FileReader:
    """An open file descriptor."""

    def __init__(self, path: str | Path) -> None:
        self._file = -1
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end."""
        data = os.pread(self._file, length, offset)
        while 0 < len(data) < length and (more := os.pread(self._file, length - len(data), offset + len(data))):
            data += more
        return data

    def ready(self, offset: int, length: int) -> bool:
        """Tell whether the range's last byte lies in the page cache: the kernel reads ahead, so the rest does too."""
        try:
            return os.preadv(self._file, [bytearray(1)], offset + length - 1, os.RWF_NOWAIT) == 1
        except OSError:
            return False

    def close(self) -> None:
        """Let go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()


class FileStore:
    """The object store in a directory of a local file system. See `ObjectStore` for what it promises."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._drafts = root / "drafts"
        self._drafts.mkdir(mode=0o700, parents=True, exist_ok=True)

    def begin(self) -> FileDraft:
        """Start a blob."""
        return FileDraft(self._new())

    def open(self, blob: str) -> FileReader:
        """Open a blob. Raises MissingBlobError."""
        return self._found(blob, FileReader)

    def adopt(self, path: Path) -> Blob:
        """Take over a regular file: a rename within a file system, a copy across two. Raises ValueError."""
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            message = f"not a regular file: {path}"
            raise ValueError(message)
        draft = self._new()
        if found.st_nlink == 1 and found.st_dev == self._drafts.stat().st_dev:
            path.chmod(_MODE)
            path.rename(draft)
        else:
            self._assemble(draft, lambda target: _append(path, found.st_size, target))
            path.unlink()
        return Blob(draft.name, found.st_size)

    def copy(self, blob: str) -> Blob:
        """Return another blob of the same bytes: a second name of one file."""
        draft = self._new()
        if not self.link(blob, draft):
            self._assemble(draft, lambda target: self._found(blob, partial(_append, size=None, target=target)))
        return Blob(draft.name, draft.stat().st_size)

    def join(self, parts: Sequence[Blob]) -> Blob:
        """Return a blob of all parts' bytes: the first one's file under a second name, and the others appended."""
        draft = self._new()
        first = parts[0]
        linked = self.link(first.id, draft)

        def build(target: int) -> None:
            if linked:
                os.ftruncate(target, first.size)  # what a former attempt had appended
                os.lseek(target, 0, os.SEEK_END)
            for part in parts[linked:]:
                self._found(part.id, partial(_append, size=part.size, target=target))

        self._assemble(draft, build)
        return Blob(draft.name, sum(part.size for part in parts))

    def link(self, blob: str, path: Path) -> bool:
        """Make a hard link at `path`; False across file systems, or where one has no more links to give."""
        try:
            self._found(blob, lambda found: os.link(found, path))
        except MissingBlobError:
            path.parent.stat()  # the folder may be what is missing
            raise
        except OSError as error:
            if error.errno in _NO_LINK:
                return False
            raise
        return True

    def keep(self, blobs: Iterable[str]) -> None:
        """Move files out of `drafts`."""
        for blob in blobs:
            draft, kept = self._drafts / blob, self._kept(blob)
            try:
                draft.rename(kept)
            except FileNotFoundError:  # the folder is missing, or the blob was kept before
                kept.parent.mkdir(mode=0o700, exist_ok=True)
                with suppress(FileNotFoundError):
                    draft.rename(kept)

    def discard(self, blobs: Iterable[str]) -> None:
        """Remove files."""
        for blob in blobs:
            with suppress(MissingBlobError):
                self._found(blob, os.unlink)

    def recover(self, live: Callable[[Collection[str]], Collection[str]]) -> None:
        """Look at what is in `drafts`, and at nothing else."""
        left = {path.name for path in self._drafts.iterdir()}
        if left:
            used = set(live(left))
            self.keep(used)
            self.discard(left - used)

    def _new(self) -> Path:
        return self._drafts / os.urandom(16).hex()

    def _kept(self, blob: str) -> Path:
        return self._root / f"{blob[:2]}/{blob[2:]}"

    def _found(self, blob: str, use: Callable[[Path], T]) -> T:
        """Use a blob's file, which moves once, from `drafts` to where it is kept, and may do so right now."""
        for place in (self._kept, self._drafts.joinpath, self._kept):
            with suppress(FileNotFoundError):
                return use(place(blob))
        raise MissingBlobError(blob)

    @staticmethod
    def _assemble(draft: Path, build: Callable[[int], None]) -> None:
        """Have `build` write a draft through a file descriptor; nothing stays where it fails."""
        try:
            if draft.exists():
                draft.chmod(0o600)
            target = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                build(target)
            finally:
                os.close(target)
            draft.chmod(_MODE)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _append(path: Path, size: int | None, target: int) -> None:
    """Append a file's first `size` bytes, or all, within the kernel; file systems that can will share the blocks."""
    with path.open("rb", buffering=0) as source:
        left = os.fstat(source.fileno()).st_size if size is None else size
        send = _copy_range
        while left:
            try:
                done = send(source.fileno(), target, left)
            except OSError as error:
                if send is not _copy_range or error.errno not in _NO_RANGE_COPY:
                    raise
                send = _send_file
                continue
            if not done:
                raise MissingBlobError(path.name)  # shorter than its row says
            left -= done


def _copy_range(source: int, target: int, length: int) -> int:
    return os.copy_file_range(source, target, length)


def _send_file(source: int, target: int, length: int) -> int:
    return os.sendfile(target, source, None, length)
