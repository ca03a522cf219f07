"""Unpacks and packs inside a task's sandbox: `archives.py unpack ARCHIVE FOLDER`, `archives.py pack FOLDER [empty]`.

Run by the task's runner with the base interpreter; standard library only. What cannot be unpacked safely is refused
with a sentence on standard error and exit status 1. `pack` writes a tar.gz to standard output, or exits with
NOTHING where there is nothing to pack.
"""

# Pathlib would slow down the start:
# ruff: noqa: PTH101, PTH103, PTH108, PTH113, PTH114, PTH116, PTH117, PTH118, PTH119, PTH120, PTH123, PTH211
import gzip
import lzma
import os
import shutil
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

NOTHING = 3
_LEVEL = 3
_BLOCK = 1 << 20
_BROKEN = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, ValueError)


def unpack(archive: str, folder: str) -> None:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive. Raises ValueError where a member would leave the folder."""
    os.makedirs(folder, exist_ok=True)
    if not tarfile.is_tarfile(archive):
        if not zipfile.is_zipfile(archive):
            raise ValueError("it is neither a tar nor a zip archive, or it is cut off")
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                _put_zipped(zipped, entry, folder)
        return
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            _put(tar, member, folder)


def _put(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: str) -> None:
    path = _inside(folder, member.name)
    if member.isdir():
        os.makedirs(path, exist_ok=True)
        return
    _make_room(path)
    if member.isreg():
        content = tar.extractfile(member)
        assert content is not None
        _write(path, content, 0o755 if member.mode & stat.S_IXUSR else 0o644)
        os.utime(path, (member.mtime, member.mtime))
    elif member.issym():
        _inside(folder, os.path.join(os.path.dirname(member.name), member.linkname))
        os.symlink(member.linkname, path)
    elif member.islnk():
        os.link(_inside(folder, member.linkname), path)
    else:
        raise ValueError(f"{member.name} is neither a file nor a folder nor a link")


def _put_zipped(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: str) -> None:
    path = _inside(folder, entry.filename)
    if entry.is_dir():
        os.makedirs(path, exist_ok=True)
        return
    _make_room(path)
    with zipped.open(entry) as content:
        _write(path, content, 0o755 if entry.external_attr >> 16 & stat.S_IXUSR else 0o644)


def _inside(folder: str, name: str) -> str:
    """Return where a member goes. Raises ValueError where that is outside of the folder, also by way of links."""
    top = os.path.realpath(folder)
    path = os.path.join(top, name)
    real = os.path.realpath(path)
    if os.path.isabs(name) or (real != top and not real.startswith(top + os.sep)):
        raise ValueError(f"{name} leads out of the archive's folder")
    return path


def _make_room(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)


def _write(path: str, content: IO[bytes], mode: int) -> None:
    with open(path, "xb") as out:
        shutil.copyfileobj(content, out, _BLOCK)
    os.chmod(path, mode)


def pack(folder: str, out: IO[bytes], *, empty: bool) -> bool:
    """Write the folder's content as tar.gz, in the order of names; tell whether there was anything to write.

    A link to a file is packed as that file, since it may lead to a place that nobody else has. Owners are left out.
    """
    if not empty and not any(_members(folder)):
        return False
    with (
        gzip.GzipFile("", "wb", _LEVEL, out, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in _members(folder):
            info = tar.gettarinfo(_file_behind(path), os.path.relpath(path, folder))
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            if info.islnk():
                info.type, info.size = tarfile.REGTYPE, os.stat(path).st_size
            if info.isreg():
                with open(path, "rb") as content:
                    tar.addfile(info, content)
            else:
                tar.addfile(info)
    return True


def _members(folder: str) -> Iterator[str]:
    """Yield folders, files and links; sockets, pipes and devices are no content."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted((*folders, *files)):
            path = os.path.join(place, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
                yield path


def _file_behind(path: str) -> str:
    return os.path.realpath(path) if os.path.islink(path) and os.path.isfile(path) else path


def main(arguments: list[str]) -> int:
    """Do what the command line says and return the exit status."""
    try:
        if arguments[0] == "unpack":
            unpack(*arguments[1:])
            return 0
        return 0 if pack(arguments[1], sys.stdout.buffer, empty=arguments[2:] == ["empty"]) else NOTHING
    except _BROKEN as error:
        what = "unpacked" if arguments[0] == "unpack" else "packed"
        why = " ".join(str(error).split())
        sys.stderr.write(f"{os.path.basename(arguments[1])} could not be {what}: {why}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
