"""Containers without a server: an image's entry points run as processes, with a temporary folder as /opt/ml."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.compute.images import Images

IMAGES = Path(__file__).resolve().parents[2] / "images"
sys.path.append(str(IMAGES))  # `_kit` and `batch` need nothing but the standard library: tests import them as they are


@cache
def _python(name: str) -> Path:
    images = Images(Settings().cache)
    image = images.get(name)
    assert image is not None
    return images.build(image).folder / "bin/python"


@pytest.fixture(scope="session")
def image_python() -> Callable[[str], Path]:
    """Return the interpreter of an image's environment, which is built on first use and kept in the user's cache."""
    return _python


@pytest.fixture
def base() -> Iterator[Path]:
    """An empty /opt/ml, with a path short enough for a unix socket in it."""
    with tempfile.TemporaryDirectory(prefix="ml-", dir=os.environ.get("TMPDIR", "/tmp")) as folder:
        yield Path(folder)
