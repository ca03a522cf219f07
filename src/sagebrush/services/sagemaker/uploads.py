"""From files that a container left, or is writing, to S3 under a prefix. No link of the container's is followed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sagebrush.kernel.base import files
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.compute import outputs
from sagebrush.kernel.grammar.call import Client
from sagebrush.services.sagemaker import channels


def send(s3: Client, path: Path, uri: str) -> None:
    """Put a file of the platform's own at an S3 URI. Raises DataError."""
    with _explained():
        channels.upload(s3, path, uri)


def mirror(s3: Client, folder: Path, below: str, uri: str, memory: Path, *, deletes: bool = False) -> None:
    """Put the files of `folder`/`below` that are new or changed since the last time under an S3 prefix.

    `memory` is the file that says what was put before; without it, all are put again, so that every step may be
    repeated. `deletes` removes from S3 what was put and is gone. Raises DataError.
    """
    seen = remembered(memory)
    held = stamps(folder, below)
    prefix = uri.rstrip("/")
    with _explained():
        for path in [path for path, stamp in held.items() if seen.get(path) != stamp]:
            try:
                _put(s3, folder, f"{below}/{path}" if below else path, f"{prefix}/{path}")
            except FileNotFoundError:  # the container has removed it meanwhile
                del held[path]
        for path in seen.keys() - held.keys() if deletes else ():
            bucket, key = channels.split(f"{prefix}/{path}")
            s3.delete_object(Bucket=bucket, Key=key)
    if held != seen:
        remember(memory, held)


def _put(s3: Client, folder: Path, path: str, uri: str) -> None:
    with outputs.open_file(folder, path) as source:
        channels.upload(s3, Path(f"/proc/self/fd/{source.fileno()}"), uri)


@contextmanager
def _explained() -> Iterator[None]:
    """Raise DataError, in AWS's words, for what keeps files from being stored, but for the platform's own trouble."""
    try:
        yield
    except AwsError as error:
        if error.status >= 500:
            raise
        raise channels.DataError(f"Artifact upload failed:{error.code} ({error.status}): {error.message}") from error
    except OSError as error:
        raise channels.DataError(f"Artifact upload failed: {error.strerror}: {error.filename}") from error


def stamps(folder: Path, below: str = "") -> dict[str, list[int]]:
    """Return what tells a changed file from an unchanged one, by path: its size and its time of change."""
    return {found.path: [found.size, found.changed] for found in outputs.files(folder, below)}


def remember(memory: Path, held: dict[str, list[int]]) -> None:
    """Note what S3 holds."""
    files.write(memory, json.dumps(held).encode())


def remembered(memory: Path) -> dict[str, list[int]]:
    """Return what was noted last."""
    return dict(json.loads(memory.read_bytes())) if memory.exists() else {}
