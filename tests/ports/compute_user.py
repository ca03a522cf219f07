"""Runs one task to its end and prints its lines, for a test that runs this as another user."""

import sys
from pathlib import Path

from sagebrush.kernel.compute.images import Images
from sagebrush.kernel.compute.local import LocalCompute
from sagebrush.kernel.compute.pip_settings import PipSettings
from sagebrush.kernel.compute.sandbox import choose
from sagebrush.testing.bench import Bench


def main(home: Path, backend: str) -> None:
    images = Images(home / "cache", [home / "images"], PipSettings({"no-index": "true"}))
    images.build(images.list()[0])
    made: list[LocalCompute] = []

    def make(lines: object, changed: object) -> LocalCompute:
        made.append(LocalCompute(home / "tasks", images, choose(backend), lines, changed))  # type: ignore[arg-type]
        return made[-1]

    bench = Bench(home, make)
    end = bench.run("greeting", ("greet", "you"))
    print(*bench.said("greeting"), bench.task("greeting").phase, end.code)
    made[0].close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
