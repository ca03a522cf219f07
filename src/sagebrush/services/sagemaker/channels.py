"""From an S3 URI to files in a job's directory.

Keys map to paths as SageMaker maps them: what lies below `<prefix>/` keeps its path after that slash; where the
prefix cuts a name, the path starts at that name; a prefix that is a whole key becomes that one file.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import orjson

from sagebrush.kernel.base.errors import AwsError, validation
from sagebrush.kernel.grammar.call import Client

PRIVATE = 64 * 2**20
"""Data of up to so many bytes are copied, so that a script may write into them; larger ones are hard-linked and seen
read-only, so that their size costs nothing."""

_MANIFEST = 64 * 2**20


class DataError(Exception):
    """Data cannot be moved from S3 to a job, or back; the message is AWS's text for it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One object of a channel and its path below the channel's directory."""

    bucket: str
    key: str
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class Staged:
    """A channel made ready: the directory and whether it must be seen read-only."""

    directory: Path
    read_only: bool


def split(uri: str) -> tuple[str, str]:
    """Take `s3://bucket/key` apart. Raises DataError where `uri` is no such thing."""
    scheme, found, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not found or not bucket:
        raise DataError(f"Invalid S3 URI: {uri}")
    return bucket, key


def check(uri: str) -> None:
    """Refuse, as a Create operation does, what is no S3 URI. Raises ValidationException."""
    try:
        split(uri)
    except DataError as error:
        raise validation(str(error)) from None


def relative(key: str, prefix: str) -> str:
    """Return the path that `key`, found under `prefix`, takes below its channel."""
    if key == prefix:
        return PurePosixPath(key).name
    folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    if key.startswith(folder):
        return key[len(folder) :]
    return key[prefix.rfind("/") + 1 :]


def under(s3: Client, uri: str) -> Iterator[Source]:
    """Yield the objects under a prefix, in key order, the empty "folder" keys left out."""
    bucket, prefix = split(uri)
    token: dict[str, str] = {}
    while True:
        page = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, **token)
        for found in page.get("Contents", ()):
            if not found["Key"].endswith("/"):
                yield Source(bucket, found["Key"], found["Size"], relative(found["Key"], prefix))
        if not page.get("NextContinuationToken"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def manifest(s3: Client, uri: str) -> Iterator[Source]:
    """Yield the objects that a manifest lists: `[{"prefix": "s3://b/p/"}, "rel/1", …]`."""
    bucket, key = split(uri)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    if len(body) > _MANIFEST:
        raise DataError(f"The manifest {uri} is larger than 64 MiB.")
    try:
        first, *names = orjson.loads(body.read())
        base = first["prefix"]
    except (ValueError, TypeError, KeyError):
        base, names = None, []
    if not isinstance(base, str):
        raise DataError(f'The manifest {uri} is not a JSON list that starts with {{"prefix": …}}.')
    for name in names:
        if not isinstance(name, str):
            raise DataError(f"The manifest {uri} has an entry that is not a string.")
        where, full = split(base + name)
        yield Source(where, full, s3.head_object(Bucket=where, Key=full)["ContentLength"], name)


def stage(s3: Client, uri: str, kind: str, directory: Path, *, private: bool | None = None) -> Staged:
    """Lay a channel's objects out in `directory`, and nothing else; again is fine. See `fetch`."""
    shutil.rmtree(directory, ignore_errors=True)
    return fetch(s3, uri, kind, directory, private=private)


def fetch(s3: Client, uri: str, kind: str, directory: Path, *, private: bool | None = None) -> Staged:
    """Lay a channel's objects out in `directory`, beside what is there.

    `kind` is the S3DataType. `private`: files of the job's own (True), or the objects themselves, read-only (False); None
    leaves it to their size. Raises DataError with AWS's text where there is no object, or one cannot be read.
    """
    with _explained(uri):
        found = list(dict.fromkeys(manifest(s3, uri) if kind == "ManifestFile" else under(s3, uri)))
        if not found:
            raise DataError(f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that'
                            " the bucket exists in the selected region, that objects exist under that S3 prefix,"
                            " and that the role has s3:ListBucket permission on the bucket.")  # fmt: skip
        if private is None:
            private = sum(source.size for source in found) <= PRIVATE
        _lay_out(s3, found, directory, copy if private else link)
    return Staged(directory, read_only=not private)


def restore(s3: Client, uri: str, directory: Path) -> None:
    """Copy what lies below a prefix, if anything does, into `directory`; again is fine. Raises DataError."""
    shutil.rmtree(directory, ignore_errors=True)
    with _explained(uri):
        _lay_out(s3, under(s3, uri), directory, copy)


def obtain(s3: Client, uri: str, path: Path) -> None:
    """Copy one object to `path`; again is fine. Raises DataError."""
    with _explained(uri):
        copy(s3, *split(uri), path)


def _lay_out(
    s3: Client, sources: Iterable[Source], directory: Path, place: Callable[[Client, str, str, Path], None]
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for source in sources:
        path = _inside(directory, source.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            taken = path.exists()
        except (FileExistsError, NotADirectoryError):
            taken = True
        if taken:
            raise DataError(
                f"Data download failed: the S3 key {source.key!r} cannot become the file {source.path!r}: another"
                " object is a file or a folder of that name."
            )
        place(s3, source.bucket, source.key, path)


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Raise DataError, in AWS's words, for what keeps the data at `uri` away, but for the platform's own trouble."""
    try:
        yield
    except AwsError as error:
        if error.status >= 500:
            raise
        raise DataError(f"Data download failed:{error.code} ({error.status}): {error.message} ({uri})") from error
    except OSError as error:
        raise DataError(f"Data download failed: {uri} cannot be laid out as files: {error.strerror}") from error


def _inside(directory: Path, path: str) -> Path:
    parts = PurePosixPath(path.lstrip("/")).parts
    if not parts or ".." in parts or "\0" in path:
        raise DataError(f"The S3 key {path!r} does not name a file below its channel.")
    return directory.joinpath(*parts)


def copy(s3: Client, bucket: str, key: str, path: Path) -> None:
    """Put a private, writable copy of an object at `path`."""
    s3.get_object(Bucket=bucket, Key=key)["Body"].save(path)


def link(s3: Client, bucket: str, key: str, path: Path) -> None:
    """Put an object at `path` without copying it where the store can; it must not be written to."""
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    if not body.link(path):
        body.save(path)


def upload(s3: Client, path: Path, uri: str) -> None:
    """Put a file at an S3 URI, without holding it in memory."""
    bucket, key = split(uri)
    s3.put_object(Bucket=bucket, Key=key, Body=path)
