"""A server of its own for tests that kill it: starts the tasks it is told on standard input, and says so."""

import sys
from pathlib import Path

from sagebrush.kernel.compute.base import Limits, Link, TaskSpec
from sagebrush.kernel.compute.images import Images
from sagebrush.kernel.compute.local import LocalCompute
from sagebrush.kernel.compute.pip_settings import PipSettings
from sagebrush.kernel.compute.sandbox import choose
from sagebrush.testing.bench import GROUP, OWNER, Lines


def main(folder: Path, images: Path, cache: Path) -> None:
    compute = LocalCompute(
        folder / "tasks", Images(cache, [images], PipSettings()), choose("auto"), Lines(), lambda _: None
    )
    print("up", flush=True)
    for line in sys.stdin:
        id_, cpus, script = line.rstrip("\n").split(" ", 2)
        spec = TaskSpec(
            id_,
            OWNER,
            "plain",
            ("sh", "-c", script),
            Limits(int(cpus), 1 << 28),
            links=(Link(folder / "shared", "/shared"),),
            log_group=GROUP,
            log_stream=id_,
        )
        compute.ensure(id_, lambda spec=spec: spec)  # type: ignore[misc]
        print(id_, flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
