"""What everything that runs tasks must do.

Subclass both classes in a test module and give them the fixture `bench`: a `Bench` over a compute of nothing but an image
called `plain`, whose environment is Python alone and whose entry `greet` prints its arguments.
"""

import tarfile
import time

from sagebrush.kernel.compute.base import Limits, Pack, TaskSpec
from sagebrush.testing.bench import OWNER, PATIENCE, SMALL, Bench
from sagebrush.testing.container import ContainerConformance


class ComputeConformance:
    """How a task lives and ends."""

    def test_a_command_runs_and_its_end_is_told(self, bench: Bench) -> None:
        """Exit code, times, the owner's call, the lines in their order."""
        before = time.time()
        end = bench.run("a", ("sh", "-c", "echo one; echo two >&2; echo three; exit 7"))
        assert (end.code, end.signal, end.stage, end.reason) == (7, None, "run", "")
        assert end.started is not None
        assert before - 1 <= end.started <= end.ended <= time.time() + 1
        assert bench.said("a") == ["one", "two", "three"]
        assert set(bench.woken) == {OWNER}
        assert bench.task("a").phase == "Exited"

    def test_an_entry_of_the_image_stands_for_its_command(self, bench: Bench) -> None:
        """What follows the entry's name is added to its argv."""
        assert bench.run("entry", ("greet", "--loud", "you")).code == 0
        assert bench.said("entry") == ["hello --loud you"]

    def test_a_command_that_does_not_exist_says_so(self, bench: Bench) -> None:
        """127, as a shell and a container runtime have it."""
        assert bench.run("missing", ("trian",)).code == 127
        assert bench.said("missing") == ['exec: "trian": executable file not found in $PATH']
        assert bench.compute.tail("missing") == bench.said("missing")[0]

    def test_a_command_that_a_signal_ends_is_told_as_such(self, bench: Bench) -> None:
        """128 + n."""
        end = bench.run("crash", ("sh", "-c", "kill -SEGV $$"))
        assert (end.code, end.signal) == (139, 11)

    def test_asking_again_does_not_run_it_again(self, bench: Bench) -> None:
        """Neither while it runs nor when it has ended; the specification is not even made."""

        def never() -> TaskSpec:
            raise AssertionError("asked for the specification of a task that exists")

        bench.python("once", "print('ran')")
        assert bench.compute.ensure("once", never).exit == bench.end("once")
        assert bench.said("once") == ["ran"]

    def test_an_unknown_task_is_none(self, bench: Bench) -> None:
        """Stopping or discarding it does nothing; ids never leave the folder of tasks."""
        for id_ in ("nobody", "..", "", "../tasks", ".events"):
            assert bench.compute.find(id_) is None
            bench.compute.stop(id_)
            bench.compute.discard(id_)
            assert bench.compute.tail(id_) == ""

    def test_a_discarded_task_leaves_nothing(self, bench: Bench) -> None:
        """Not even folders that it has locked; a running one is killed first."""
        bench.python("gone", "import os; os.makedirs('/opt/ml/model/deep'); os.chmod('/opt/ml/model', 0)")
        bench.start("busy", ("sleep", "1000"))
        for id_ in ("gone", "busy"):
            root = bench.task(id_).root
            bench.compute.discard(id_)
            assert bench.compute.find(id_) is None
            assert not root.parent.exists()

    def test_a_stopped_task_may_save_its_work(self, bench: Bench) -> None:
        """SIGTERM reaches the script, also behind a shell; what it leaves is packed; its own exit code counts."""
        script = """
import signal, sys
def save(*_):
    open("/opt/ml/model/partial", "w").write("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready")
signal.pause()
"""
        packed = bench.folder / "model.tar.gz"
        command = ("bash", "-c", 'mkdir -p /opt/ml/model && python -c "$1"; echo "shell saw $?"', "bash", script)
        bench.start("save", command, pack=(Pack("model", packed),))
        bench.hear("save", "ready")
        bench.compute.stop("save")
        end = bench.end("save")
        assert (end.code, end.stage) == (0, "run")
        assert bench.said("save") == ["ready", "shell saw 0"]
        with tarfile.open(packed) as tar:
            assert tar.getnames() == ["partial"]

    def test_a_task_that_ignores_the_stop_is_killed_after_its_grace(self, bench: Bench) -> None:
        """The grace of the first stop counts."""
        bench.start(
            "deaf",
            (
                "python",
                "-c",
                "import signal; signal.signal(15, print); print('ready'); [signal.pause() for _ in '123']",
            ),
        )
        bench.hear("deaf", "ready")
        asked = time.time()
        bench.compute.stop("deaf", grace=0.5)
        bench.compute.stop("deaf", grace=500)
        end = bench.end("deaf")
        assert (end.code, end.signal, end.stage) == (137, 9, "run")
        assert 0.4 < end.ended - asked < 20

    def test_a_task_that_handles_no_signal_ends_at_once(self, bench: Bench) -> None:
        """Nobody waits out the grace for nothing; stopping what has ended changes nothing."""
        bench.start("plain", ("sh", "-c", "echo ready; sleep 1000; echo never"))
        bench.hear("plain", "ready")
        bench.compute.stop("plain", grace=PATIENCE * 10)
        end = bench.end("plain")
        assert end.signal == 15
        bench.compute.stop("plain")
        assert bench.end("plain") == end

    def test_a_stop_right_after_the_start_is_heard(self, bench: Bench) -> None:
        """At whatever step the task is just then."""
        for round_ in range(8):
            bench.start(f"early-{round_}", ("sleep", "1000"))
            bench.compute.stop(f"early-{round_}", grace=PATIENCE * 10)
        for round_ in range(8):
            assert bench.end(f"early-{round_}").code == 143

    def test_too_much_memory_ends_the_task_and_says_why(self, bench: Bench) -> None:
        """Killed by the kernel, or refused by it: never a job that takes the machine down."""
        end = bench.python("greedy", "held = [bytearray(16 << 20) for _ in range(64)]", limits=Limits(1, 256 << 20))
        assert end.code != 0
        assert end.reason.startswith("OutOfMemoryError: ") or bench.said("greedy")[-1] == "MemoryError"

    def test_output_comes_in_order_whole_and_fast(self, bench: Bench) -> None:
        """Tens of thousands of lines, very long ones, odd bytes, a last one without an end."""
        script = r"""
import sys
for number in range(30000): sys.stdout.write(f"{number}\tx\n")
sys.stdout.buffer.write(b"\xff\xfe bytes\r\n\n" + "ü".encode() * 200000 + b"\nlast")
"""
        bench.python("loud", script)
        said = bench.said("loud")
        assert said[:30000] == [f"{number}#011x" for number in range(30000)]
        assert said[30000] == "\ufffd\ufffd bytes"
        assert "".join(said[30001:-1]) == "ü" * 200000
        assert max(len(line.encode()) for line in said) <= 256 * 1024
        assert said[-1] == "last"
        stamps = [stamp for stamp, _ in bench.lines.held["loud"]]
        assert stamps == sorted(stamps)

    def test_output_is_seen_while_the_task_runs(self, bench: Bench) -> None:
        """Within a moment, though the task goes on."""
        bench.start("live", ("sh", "-c", "echo now; sleep 1000"))
        bench.hear("live", "now")
        assert bench.task("live").phase == "Running"
        bench.compute.discard("live")

    def test_ids_and_images_that_cannot_be_are_refused(self, bench: Bench) -> None:
        """Before anything is written."""
        for spec in (
            TaskSpec("../up", OWNER, "plain", ("true",), SMALL),
            TaskSpec("fine", OWNER, "nothing", ("true",), SMALL),
        ):
            try:
                bench.compute.ensure(spec.id, lambda spec=spec: spec)  # type: ignore[misc]
            except ValueError:
                assert bench.compute.find(spec.id) is None
            else:
                raise AssertionError(f"{spec} was taken")


__all__ = ["Bench", "ComputeConformance", "ContainerConformance"]
