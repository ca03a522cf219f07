"""Whatever process is killed, and whenever: a task that was asked for runs exactly once, and its end is known."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.ports.test_compute import images

from sagebrush.kernel.compute.base import Link
from sagebrush.kernel.compute.images import Images
from sagebrush.kernel.compute.limits import machine
from sagebrush.kernel.compute.local import LocalCompute
from sagebrush.kernel.compute.place import Place
from sagebrush.kernel.compute.sandbox import choose
from sagebrush.testing.bench import Bench

__all__ = ["images"]

CORES = len(machine().cores)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    return tmp_path


class Server:
    """A process that starts tasks, to be killed."""

    def __init__(self, folder: Path, images: Images) -> None:
        program = Path(__file__).with_name("compute_server.py")
        cache = images.place(images.list()[0]).parents[1]
        self.process = subprocess.Popen(
            [sys.executable, str(program), str(folder), str(images.folders[0]), str(cache)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.answer() == "up"

    def ask(self, task: str, script: str, cpus: int = 1) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{task} {cpus} {script}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def start(self, task: str, script: str, cpus: int = 1) -> None:
        self.ask(task, script, cpus)
        assert self.answer() == task

    def kill(self) -> list[str]:
        """Kill it as `kill -9` does, and return what it had acknowledged meanwhile."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self.process.stdin, self.process.stdout:
            return self.process.stdout.read().split()


@contextmanager
def recovered(folder: Path, images: Images) -> Iterator[Bench]:
    """Open the tasks of a killed server."""
    made: list[LocalCompute] = []

    def make(lines: object, changed: object) -> LocalCompute:
        made.append(LocalCompute(folder / "tasks", images, choose("auto"), lines, changed))  # type: ignore[arg-type]
        return made[-1]

    bench = Bench(folder, make)
    try:
        yield bench
    finally:
        for task in made[0].all():
            made[0].discard(task.id)
        made[0].close()


def gone(pid: int) -> bool:
    """Wait for a process's end, and tell whether it came."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], 60)[0])
    finally:
        os.close(pidfd)


def wait_for(pipe: Path) -> str:
    """Return what a task writes into a named pipe."""
    return pipe.read_text().strip()


def test_a_task_outlives_its_server(folder: Path, images: Images) -> None:
    """It goes on, its lines go on, and the next server hears its end."""
    os.mkfifo(folder / "shared/go")
    os.mkfifo(folder / "shared/ready")
    server = Server(folder, images)
    server.start("survivor", "echo before; echo x > /shared/ready; cat /shared/go; echo after; exit 5")
    wait_for(folder / "shared/ready")
    server.kill()
    with recovered(folder, images) as bench:
        assert bench.task("survivor").phase == "Running"
        (folder / "shared/go").write_text("go\n")
        assert bench.end("survivor").code == 5
        assert bench.said("survivor") == ["before", "go", "after"]


def test_an_end_that_no_server_saw_is_known(folder: Path, images: Images) -> None:
    """The runner writes it down; the lines are all there."""
    os.mkfifo(folder / "shared/go")
    server = Server(folder, images)
    server.start("alone", "cat /shared/go; exit 6")
    server.kill()
    runner = Place(folder / "tasks/alone").runner()
    (folder / "shared/go").write_text("went\n")
    assert runner is None or gone(runner)
    with recovered(folder, images) as bench:
        end = bench.task("alone").exit
        assert end is not None
        assert (end.code, end.stage) == (6, "run")
        assert bench.said("alone") == ["went"]


def test_a_stop_that_the_server_did_not_live_to_send_is_sent(folder: Path, images: Images) -> None:
    """The wish is on disk before anything else."""
    os.mkfifo(folder / "shared/ready")
    server = Server(folder, images)
    server.start("wished", "echo x > /shared/ready; sleep 1000")
    wait_for(folder / "shared/ready")
    server.kill()
    Place(folder / "tasks/wished").wish_stop(1000)
    with recovered(folder, images) as bench:
        assert bench.end("wished").code == 143


def test_tasks_that_waited_start_in_their_order(folder: Path, images: Images) -> None:
    """The queue survives the server, with the room that running tasks take."""
    os.mkfifo(folder / "shared/go")
    server = Server(folder, images)
    server.start("first", "cat /shared/go", CORES)
    server.start("also-first", "cat /shared/go > /dev/null; sleep 1000", CORES)
    for number in range(3):
        server.start(f"waits-{number}", f"echo {number} >> /shared/order", CORES)
    server.kill()
    with recovered(folder, images) as bench:
        assert [bench.task(f"waits-{number}").phase for number in range(3)] == ["Queued"] * 3
        assert "cores" in bench.task("waits-0").message
        bench.compute.stop("waits-1")
        assert bench.end("waits-1").stage == "stop"
        bench.compute.discard("also-first")
        assert bench.end("waits-2").code == 0
        assert (folder / "shared/order").read_text() == "0\n2\n"


@pytest.mark.parametrize("milliseconds", [0, 2, 4, 6, 8, 10, 15, 20, 30, 50])
def test_no_moment_of_a_kill_loses_or_doubles_a_task(folder: Path, images: Images, milliseconds: int) -> None:
    """What was acknowledged runs; what was not runs once or never, and never in part of what makes it."""
    server = Server(folder, images)
    ids = [f"task-{number}" for number in range(6)]
    for id_ in ids:
        server.ask(id_, f"echo {id_} >> /shared/ran")
    select.select([], [], [], milliseconds / 1000)
    acknowledged = server.kill()
    with recovered(folder, images) as bench:
        known = [task.id for task in bench.compute.all()]  # type: ignore[attr-defined]
        assert set(acknowledged) <= set(known) <= set(ids)
        for id_ in known:
            assert (bench.end(id_).code, bench.end(id_).stage) == (0, "run")
        ran = (folder / "shared/ran").read_text().split() if known else []
        assert sorted(ran) == sorted(known)
        assert not [path for path in (folder / "tasks").iterdir() if path.name.startswith((".new", ".old"))]


def test_a_task_whose_runner_is_killed_is_lost_and_all_of_it_ends(folder: Path, images: Images) -> None:
    """The sandbox dies with its runner, whatever it runs; the server says that the task is lost."""
    os.mkfifo(folder / "shared/ready")
    with recovered(folder, images) as bench:
        script = "setsid sh -c 'trap \"\" TERM HUP INT; echo x > /shared/ready; while :; do sleep 1000; done' & wait"
        bench.start("lost", ("sh", "-c", script), links=(Link(folder / "shared", "/shared"),))
        wait_for(folder / "shared/ready")
        runner = Place(folder / "tasks/lost").runner()
        assert runner is not None
        inside = descendants(runner)
        assert len(inside) >= 4
        os.kill(runner, signal.SIGKILL)
        end = bench.end("lost")
        assert (end.stage, end.code) == ("lost", 137)
        assert end.started is not None
        assert all(gone(pid) for pid in inside)


def descendants(top: int) -> list[int]:
    """Return the processes below one."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    found = [top]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]
