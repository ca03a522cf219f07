"""Both sandboxes of this machine keep the contract of the compute port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.kernel.compute.images import Images
from sagebrush.kernel.compute.local import LocalCompute
from sagebrush.kernel.compute.pip_settings import PipSettings
from sagebrush.kernel.compute.sandbox import Backend, backends
from sagebrush.testing.compute import Bench, ComputeConformance, ContainerConformance

MANIFEST = """
name = "plain"
description = "Python alone"
requirements = []
python = "3"
[entry]
greet = ["python", "/opt/image/greet.py"]
[repositories]
plain = ["*"]
[versions]
"""


def image_folder(parent: Path) -> Path:
    """Write the image on which computes are tried, and return the folder of images that it lies in."""
    for name in ("plain", "_kit"):
        (parent / "images" / name).mkdir(parents=True)
    (parent / "images/plain/image.toml").write_text(MANIFEST)
    (parent / "images/plain/greet.py").write_text("import sys\nprint('hello', *sys.argv[1:])\n")
    return parent / "images"


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    folder = image_folder(tmp_path_factory.mktemp("images"))
    found = Images(tmp_path_factory.mktemp("cache"), [folder], PipSettings({"no-index": "true"}))
    found.build(found.list()[0])
    return found


def opened(backend: Backend, images: Images, folder: Path) -> Iterator[Bench]:
    if problem := backend.trial():
        pytest.skip(f"{backend.name} does not work here: {problem}")
    made: list[LocalCompute] = []

    def make(lines: object, changed: object) -> LocalCompute:
        made.append(LocalCompute(folder / "tasks", images, backend, lines, changed))  # type: ignore[arg-type]
        return made[-1]

    yield Bench(folder, make)
    for compute in made:
        for task in compute.all():
            compute.discard(task.id)
        compute.close()


class TestBubblewrap(ComputeConformance, ContainerConformance):
    @pytest.fixture
    def bench(self, images: Images, tmp_path: Path) -> Iterator[Bench]:
        yield from opened(backends()["bubblewrap"], images, tmp_path)


class TestUnshare(ComputeConformance, ContainerConformance):
    @pytest.fixture
    def bench(self, images: Images, tmp_path: Path) -> Iterator[Bench]:
        yield from opened(backends()["unshare"], images, tmp_path)
