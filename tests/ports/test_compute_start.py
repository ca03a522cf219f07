"""How a task starts: a first use that builds the image, an ordinary user, speed and size."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports.test_compute import MANIFEST, image_folder, images

from sagebrush.kernel.compute.base import Link
from sagebrush.kernel.compute.images import Images
from sagebrush.kernel.compute.local import LocalCompute
from sagebrush.kernel.compute.pip_settings import PipSettings
from sagebrush.kernel.compute.place import Place
from sagebrush.kernel.compute.sandbox import SandboxError, backends, choose
from sagebrush.testing.bench import Bench

__all__ = ["images"]

REPO = Path(__file__).resolve().parents[2]
ORDINARY = 65534
"""The user id of `nobody`."""


def fresh(tmp_path: Path, requirements: str = "[]") -> Images:
    """Return an image that was never built."""
    folder = image_folder(tmp_path)
    manifest = MANIFEST.replace("requirements = []", f"requirements = {requirements}")
    (folder / "plain/image.toml").write_text(manifest)
    return Images(tmp_path / "cache", [folder], PipSettings({"no-index": "true"}))


def bench_over(images: Images, folder: Path) -> Iterator[Bench]:
    made: list[LocalCompute] = []

    def make(lines: object, changed: object) -> LocalCompute:
        made.append(LocalCompute(folder / "tasks", images, choose("auto"), lines, changed))  # type: ignore[arg-type]
        return made[-1]

    yield Bench(folder, make)
    for task in made[0].all():
        made[0].discard(task.id)
    made[0].close()


@pytest.fixture
def bench(images: Images, tmp_path: Path) -> Iterator[Bench]:
    yield from bench_over(images, tmp_path)


def test_the_first_task_of_an_image_waits_for_its_environment_and_says_so(tmp_path: Path) -> None:
    for bench in bench_over(fresh(tmp_path), tmp_path):
        task = bench.start("first", ("python", "-c", "import pip; print('built')"))
        assert task.phase == "Preparing"
        assert task.message.startswith("Building the environment of image plain")
        assert bench.end("first").code == 0
        assert bench.said("first") == ["built"]
        assert bench.task("first").message == ""


def test_an_image_that_cannot_be_built_ends_its_task_with_the_reason(tmp_path: Path) -> None:
    for bench in bench_over(fresh(tmp_path, '["there-is-no-such-package==1.0"]'), tmp_path):
        end = bench.run("hopeless", ("true",))
        assert (end.stage, end.started) == ("image", None)
        assert "there-is-no-such-package" in end.reason


def test_a_task_that_is_stopped_while_its_image_is_built_never_runs(tmp_path: Path) -> None:
    for bench in bench_over(fresh(tmp_path), tmp_path):
        bench.start("early", ("echo", "ran"))
        bench.compute.stop("early")
        assert bench.end("early").stage == "stop"
        assert bench.said("early") == []


def test_a_link_to_nothing_ends_the_task_before_its_command(bench: Bench, tmp_path: Path) -> None:
    end = bench.run("dangling", ("echo", "ran"), links=(Link(tmp_path / "nowhere", "input"),))
    assert (end.stage, end.started is None) == ("start", False)
    assert "nowhere" in end.reason


def test_secrets_of_a_job_are_in_no_command_line_and_no_readable_file(bench: Bench) -> None:
    bench.start("quiet", ("sh", "-c", "echo ready; sleep 987654"), environment={"AWS_SESSION_TOKEN": "swordfish"})
    bench.hear("quiet", "ready")
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 987654" in listed
    assert "swordfish" not in listed
    folder = bench.task("quiet").root.parent
    readable = [path for path in folder.iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    assert not [path for path in readable if b"swordfish" in path.read_bytes()]
    assert folder.stat().st_mode & 0o077 == 0
    bench.compute.discard("quiet")


def test_a_runner_is_small(bench: Bench) -> None:
    bench.start("small", ("sh", "-c", "echo ready; sleep 987654"))
    bench.hear("small", "ready")
    runner = Place(bench.task("small").root.parent).runner()
    status = Path(f"/proc/{runner}/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
    assert own < 6 * 1024, "kilobytes that no other process shares"
    bench.compute.discard("small")


def test_a_discarded_task_leaves_nothing_outside_of_its_directory_either(bench: Bench) -> None:
    bench.start("brief", ("sh", "-c", "echo ready; sleep 987654"))
    bench.hear("brief", "ready")
    folder = bench.task("brief").root.parent
    groups = [Path(group) for group in json.loads((folder / "plan.json").read_bytes())["cgroups"]]
    assert all(group.exists() for group in groups)
    bench.compute.discard("brief")
    assert not any(group.exists() for group in groups)
    assert (
        "sleep 987654" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    )


def test_a_backend_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="backend must be auto, bubblewrap or unshare, not 'docker'"):
        choose("docker")


def test_where_no_sandbox_works_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxError, match=r"apt-get install bubblewrap.*No such file"):
        choose("bubblewrap")
    assert choose("auto").name == "unshare", "which needs nothing but Python and the kernel"


@pytest.mark.parametrize("backend", list(backends()))
def test_an_ordinary_user_needs_no_rights(backend: str) -> None:
    """The same platform, started by a user who may do nothing special, in folders of their own."""
    python = Path("/usr/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if os.getuid() != 0:
        pytest.skip("these tests run as an ordinary user already")
    if not python.exists():
        pytest.skip(f"there is no {python}, and an ordinary user may not be able to read the one that runs this")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    home = Path(subprocess.check_output(["mktemp", "-d", "-p", "/tmp", "sagebrush-XXXXXX"], text=True).strip())
    try:
        image_folder(home)
        subprocess.run(["chown", "-R", f"{ORDINARY}:{ORDINARY}", str(home)], check=True)
        drop = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "--no-new-privs"]
        program = [str(python), "-B", "-W", "error", str(Path(__file__).with_name("compute_user.py"))]
        done = subprocess.run(
            [*drop, *program, str(home), backend],
            env={
                "HOME": str(home),
                "PATH": f"/usr/bin:/bin:{Path(sys.prefix) / 'bin'}",
                "PYTHONPATH": os.pathsep.join([str(REPO / "src"), *packages]),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if "offers no sandbox" in done.stderr:
            pytest.skip(f"this machine lets no ordinary user make a sandbox with {backend}: {done.stderr[-300:]}")
        assert done.stdout.split() == ["hello", "you", "Exited", "0"], done.stderr
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=True)
