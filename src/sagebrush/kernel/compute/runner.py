"""The process that owns a task.

It belongs to nobody: it outlives the server that started it, and its sandbox dies with it. It unpacks, runs the
command, stamps its output, packs, and writes `exit.json` last. It is kept small, for there is one per task: standard
library only, and little of that. What it does is in `plan.json`, which `start.prepare` writes.

Files of the task's directory: `lock` is held while the runner lives and holds its process id; `phase` gets a line
`<name> <epoch seconds>` for each phase; `log` is a `TaskLog`; `stop` is the wish to end, with the seconds of grace.
After each change the task's name goes into the named pipe `../.events`, where a server may listen.
"""

# Pathlib would add a fifth to the memory and the start of every runner:
# ruff: noqa: PTH103, PTH105, PTH108, PTH109, PTH110, PTH116, PTH119, PTH120, PTH123
import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from sagebrush.kernel.compute.processes import killed_for_memory, reap, spawn, terminate
from sagebrush.kernel.compute.task_log import TaskLog

_CHUNK = 64 * 1024
_NEWS = 0.1
"""Seconds between two pieces of news that the log has grown."""
_LINGER = 2.0
"""Seconds for which output is awaited after the sandbox has ended."""
_AGAIN = 0.02
"""Seconds until a sandbox that has nothing in it yet is told again to end."""
_NEVER = float("inf")
_NOTHING = 3
_STOPPED = "Stopped before it began."


class Supervisor:
    """One task, from its plan to its exit. Moments are on the monotonic clock."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._log = TaskLog("log", self._log_grew)
        self._told = b""
        self._news_at = self._term_at = self._kill_at = _NEVER
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: None)  # the wake-up descriptor tells of it
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def run(self) -> None:
        """Take the task to its end."""
        self._enter("Preparing")
        code = 0
        for archive, folder in self._plan["unpack"]:
            code = code or self._tool(["unpack", archive, folder], os.devnull, stoppable=True)
        if os.path.exists("stop"):
            self._exit(128 + signal.SIGTERM, "stop", _STOPPED)
            return
        if code:
            self._exit(code, "unpack", self._sentence())
            return
        started = self._enter("Running")
        code, stage, reason = self._command()
        ended = time.time()
        if self._plan["pack"] and stage == "run":
            self._enter("Packing")
            problems = [self._pack(*told) for told in self._plan["pack"]]
            if any(problems) and not reason:
                stage, reason = "pack", " ".join(filter(None, problems))
        self._exit(code, stage, reason, started, ended)

    def _command(self) -> tuple[int, str, str]:
        """Run the command in its sandbox and return (code, stage, reason)."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        status, reporter = os.pipe2(os.O_CLOEXEC)
        pid = spawn(self._plan, self._plan["command"], writer, writer, reporter)
        os.close(writer)
        os.close(reporter)
        code = self._attend(pid, reader, self._log.feed, stoppable=True)
        self._log.end()
        if code and killed_for_memory(self._plan["oom"]):
            limit = f"{self._plan['memory'] / 2**30:.2f} GiB"
            return code, "run", f"OutOfMemoryError: the container used more than its {limit} of memory."
        with open(status, "rb") as report:
            began = b"exit-code" in report.read()
        if not began and not os.path.exists("stop"):
            return code, "start", self._log.last.decode("utf-8", "replace")
        return code, "run", ""

    def _tool(self, words: list[str], output: str, *, stoppable: bool) -> int:
        """Run archives.py in the sandbox and return its exit code; what it says on standard error is kept."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._told = b""
        pid = spawn(self._plan, [*self._plan["tool"], *words], target, writer, os.open(os.devnull, os.O_WRONLY))
        os.close(writer)
        os.close(target)
        return self._attend(pid, reader, self._hear, stoppable=stoppable)

    def _hear(self, data: bytes) -> None:
        self._told = (self._told + data)[-2000:]

    def _sentence(self) -> str:
        lines = self._told.decode("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "The archive tool was killed.")

    def _pack(self, folder: str, archive: str, empty: bool) -> str:
        """Pack a folder; return what went wrong, or ""."""
        os.makedirs(os.path.dirname(archive), exist_ok=True)
        part = f"{archive}.part"
        code = self._tool(["pack", folder, *(["empty"] if empty else [])], part, stoppable=False)
        if code:
            os.unlink(part)
            return "" if code == _NOTHING else self._sentence()
        os.replace(part, archive)
        return ""

    def _attend(self, pid: int, reader: int, sink: Callable[[bytes], None], *, stoppable: bool) -> int:
        """Read a child's output and heed the wish to stop, until it has ended; return its exit code."""
        code, give_up = None, _NEVER
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            ready = dict(poll.poll(_until(min(self._news_at, self._term_at, self._kill_at, give_up))))
            now = time.monotonic()
            if self._wake in ready:
                os.read(self._wake, _CHUNK)
                code = reap(pid, wait=False) if code is None else code
                give_up = min(give_up, now + _LINGER) if code is not None else _NEVER
            if stoppable and code is None:
                self._stop(pid, now)
            if now >= self._news_at:
                self._news_at = _NEVER
                _tell()
            data = os.read(reader, _CHUNK) if reader in ready else None
            if data:
                sink(data)
            elif data == b"" or now >= give_up:
                break
        os.close(reader)
        self._term_at = self._kill_at = _NEVER
        return code if code is not None else reap(pid, wait=True) or 0

    def _stop(self, pid: int, now: float) -> None:
        """Where the wish to stop is there, have the sandbox end: SIGTERM once, SIGKILL when the grace is over."""
        if self._kill_at == _NEVER and os.path.exists("stop"):
            with open("stop", encoding="ascii") as wish:
                self._kill_at = now + float(wish.read())
            self._term_at = now
        if now >= self._term_at:
            self._term_at = _NEVER if terminate(pid) else now + _AGAIN
        if now >= self._kill_at:
            os.kill(pid, signal.SIGKILL)
            self._kill_at = now + _LINGER

    def _log_grew(self) -> None:
        self._news_at = min(self._news_at, time.monotonic() + _NEWS)

    def _enter(self, phase: str) -> float:
        now = time.time()
        with open("phase", "a", encoding="ascii") as out:
            out.write(f"{phase} {now:.3f}\n")
        _tell()
        return now

    def _exit(
        self, code: int, stage: str, reason: str, started: float | None = None, ended: float | None = None
    ) -> None:
        end = {
            "code": code,
            "signal": code - 128 if 128 < code <= 128 + signal.SIGRTMAX else None,
            "reason": reason[:1024],
            "started": started,
            "ended": ended or time.time(),
            "stage": stage,
        }
        with open("exit.json.new", "w", encoding="utf-8") as out:
            json.dump(end, out)
        os.replace("exit.json.new", "exit.json")


def _until(moment: float) -> int | None:
    """Return how many milliseconds to wait, rounded up; None for ever."""
    return None if moment == _NEVER else max(0, int((moment - time.monotonic()) * 1000) + 1)


def _tell() -> None:
    """Tell a server, if one listens, that this task has changed."""
    try:
        pipe = os.open("../.events", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(pipe, f"{os.path.basename(os.getcwd())}\n".encode())
    except OSError:
        return  # nobody reads; a server that comes looks for itself
    finally:
        os.close(pipe)


def claim() -> bool:
    """Take the task for this process. Where another has it, or ever had it, there is nothing to do."""
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if os.path.exists("exit.json") or (os.path.exists("phase") and os.stat("phase").st_size):
        return False
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return True


def main(folder: str) -> None:
    """Run the task of a directory, unless somebody else does or did."""
    os.chdir(folder)
    if claim():
        with open("plan.json", encoding="utf-8") as plan:
            told = json.load(plan)
        Supervisor(told).run()
