"""Images: what stands behind an image URI on this machine.

An image is a folder with an `image.toml` (see docs/guides/images.md), the code that its entries name, and a Python
environment that is built from its requirements on first use. A URI as AWS writes it finds its image by repository and
tag; account and region do not matter.
"""

import hashlib
import os
import re
import sysconfig
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import sagebrush
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.compute.build import BuildError, Environment, Progress, build, interpreter, pip_itself
from sagebrush.kernel.compute.pip_settings import PipSettings

_REGISTRY = re.compile(r"\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/")
_OWN = "sagebrush/"
_TABLES = {"entry": dict, "repositories": dict, "versions": dict, "requirements": list}
_TEXTS = ("name", "description", "python")


class ManifestError(ValueError):
    """An image.toml that cannot be read; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image, as its image.toml describes it; `folder` is where it lies on this machine."""

    folder: Path
    name: str
    description: str
    python: str
    requirements: tuple[str, ...]
    entry: Mapping[str, tuple[str, ...]]
    repositories: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, str]
    metrics: str = ""
    """Regular expression, with groups `name` and `value`, that finds metrics in the log of its built-in algorithm."""

    def accepts(self, repository: str, tag: str) -> bool:
        """Tell whether a URI with this repository and tag means this image."""
        return any(fnmatchcase(tag, pattern) for pattern in self.repositories.get(repository, ()))

    def command(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Return the argv for the words of a task: an entry's name stands for its argv, and what follows is added."""
        return (*self.entry[words[0]], *words[1:]) if words and words[0] in self.entry else words


def folders_of(settings: Settings) -> tuple[Path, ...]:
    """Return the folders that a platform's images are in: those that come with it, and the user's own."""
    return (shipped(), *([Path(settings.images)] if settings.images else []))


def shipped() -> Path:
    """Return the folder of the images that come with this platform: in the package, or in its checkout."""
    package = Path(sagebrush.__file__).parent
    packaged = package / "_images"
    return packaged if packaged.is_dir() else package.parents[1] / "images"


class Images:
    """The images of some folders, and their environments in `cache`; of one name, the last folder's counts."""

    def __init__(self, cache: Path, folders: Iterable[Path] = (), pip: PipSettings | None = None) -> None:
        self.folders = tuple(folders) or (shipped(),)
        self.pip = pip if pip is not None else PipSettings.read(os.environ, Path.home())
        self._cache = cache / "images"

    @cached_property
    def _images(self) -> dict[str, Image]:
        manifests = (path for folder in self.folders for path in sorted(folder.glob("*/image.toml")))
        return {image.name: image for image in map(manifest, manifests)}

    def list(self) -> list[Image]:
        """Return all images, by name. Raises ManifestError where one of them is not well made."""
        return sorted(self._images.values(), key=lambda image: image.name)

    def get(self, name: str) -> Image | None:
        """Return the image of that name."""
        return self._images.get(name)

    def resolve(self, uri: str) -> Image | None:
        """Return the image that a URI means, or None: one in ECR (any account and region), or `sagebrush/<name>`."""
        path = _REGISTRY.sub("", uri, count=1).partition("@")[0]
        repository, _, tag = path.partition(":")
        if path == uri.partition("@")[0] and repository.startswith(_OWN):
            return self.get(repository.removeprefix(_OWN))
        return next((image for image in self.list() if image.accepts(repository, tag or "latest")), None)

    def unknown(self, uri: str) -> str:
        """Return the sentence about a URI that means no image here, with the repositories that do."""
        known = sorted({repository for image in self.list() for repository in image.repositories})
        return f"Requested image {uri} not found. This platform has the repositories {', '.join(known) or '(none)'}."

    def place(self, image: Image) -> Path:
        """Return where the image's environment lies, or will lie: its name and a hash of all that it is made from."""
        parts = (*sorted(image.requirements), pip_itself(), interpreter(image.python), sysconfig.get_platform())
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        return self._cache / f"{image.name}-{digest}"

    def built(self, image: Image) -> bool:
        """Tell whether the image's environment is there, so that a task starts at once."""
        return self.place(image).exists()

    def build(self, image: Image, progress: Progress | None = None) -> Environment:
        """Return the image's environment; it is built where it is not there yet, which takes a while.

        Safe from any thread and process. Raises BuildError.
        """
        place = self.place(image)
        if not place.exists():
            build(place, interpreter(image.python), image.requirements, self.pip, progress or _quiet)
        try:
            return Environment.read(place)
        except OSError as error:
            raise BuildError(f"{place} is damaged; remove it to have it built again: {error}") from error


def manifest(path: Path) -> Image:
    """Read an image.toml. Raises ManifestError."""
    try:
        with path.open("rb") as source:
            told = tomllib.load(source)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{path}: {error}") from error
    for member, kind in (*_TABLES.items(), *((name, str) for name in _TEXTS)):
        if not isinstance(told.get(member), kind):
            raise ManifestError(f"{path}: {member} must be given, as a {kind.__name__}")
    unknown = sorted(set(told) - {*_TABLES, *_TEXTS, "metrics"})
    if unknown:
        raise ManifestError(f"{path}: {', '.join(unknown)}: no such setting")
    return Image(
        folder=path.parent,
        name=told["name"],
        description=told["description"],
        python=told["python"],
        requirements=tuple(told["requirements"]),
        entry=_lists(path, told["entry"]),
        repositories=_lists(path, told["repositories"]),
        versions=told["versions"],
        metrics=told.get("metrics", ""),
    )


def _lists(path: Path, table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    for name, words in table.items():
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            raise ManifestError(f"{path}: {name} must be a list of texts")
    return {name: tuple(words) for name, words in table.items()}


def _quiet(_text: str, _done: float) -> None:
    """Tell nobody."""


__all__ = ["BuildError", "Image", "Images", "ManifestError", "folders_of", "manifest", "shipped"]
