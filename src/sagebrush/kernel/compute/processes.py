"""Starting a sandbox under limits, and having what runs in it end. Used by the runner; standard library only."""

# Pathlib would add a fifth to the memory and the start of every runner:
# ruff: noqa: PTH123, PTH208
import fcntl
import os
import resource
import signal
from collections.abc import Sequence
from typing import Any

OPTIONS_FD, STATUS_FD = 3, 4
_OWN = (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD)
_TERM_BIT = 1 << (signal.SIGTERM - 1)


def spawn(plan: dict[str, Any], argv: Sequence[str], out: int, error: int, status: int) -> int:
    """Start `argv` in the plan's sandbox and return the process id of the sandbox.

    The sandbox's options travel in a file and its environment is empty, so that no other user of the machine reads a
    secret from its command line, and no variable of a job acts outside of it.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        _limit(plan)
        for number in _OWN:
            signal.signal(number, signal.SIG_DFL)
        fds = [os.open(os.devnull, os.O_RDONLY), out, error, os.open(plan["options"], os.O_RDONLY), status]
        # All are moved out of the way first: none is overwritten before it is put into its place.
        for place, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, len(fds)) for fd in fds]):
            os.dup2(fd, place)
        program = [*plan["program"], "--args", str(OPTIONS_FD), "--json-status-fd", str(STATUS_FD), *plan["flags"]]
        os.execve(program[0], [*program, "--", *argv], {})  # noqa: S606  no shell is wanted
    except BaseException as failure:  # noqa: BLE001  a forked child must never return into its parent's code
        os.write(error, f"the sandbox could not be started: {failure}\n".encode())
    finally:
        os._exit(126)


def _limit(plan: dict[str, Any]) -> None:
    """Put this process, and so all that comes of it, under the task's limits."""
    if not any(_join(place) for place in plan["cgroups"]):
        resource.setrlimit(resource.RLIMIT_DATA, (plan["memory"], plan["memory"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.sched_setaffinity(0, plan["cores"])
    os.nice(plan["nice"])


def _join(place: str) -> bool:
    """Put this process into a control group; tell whether this machine lets it."""
    try:
        with open(f"{place}/cgroup.procs", "w", encoding="ascii") as members:
            members.write(str(os.getpid()))
    except OSError:
        return False
    return True


def reap(pid: int, *, wait: bool) -> int | None:
    """Return a child's exit code (128 + n after signal n), or None where it has not ended."""
    done, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    if not done:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def terminate(sandbox: int) -> bool:
    """Send SIGTERM to what runs in a sandbox; tell whether there was anything yet.

    It goes to the processes that handle it, and to all of them where none does. A shell around a script does not
    handle it: were the shell to die of it, the script could not save its work.
    """
    inside = _inside(sandbox)
    for pid in [pid for pid in inside if _handles_term(pid)] or inside:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    return bool(inside)


def _inside(sandbox: int) -> list[int]:
    """Return the processes below a sandbox, without its own two: the one out here and the first one in there."""
    parents: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as status:
                parents[int(name)] = int(status.read().rpartition(b")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [sandbox]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return [pid for pid in found[1:] if parents[pid] != sandbox]


def _handles_term(pid: int) -> bool:
    """Tell whether a process catches SIGTERM, or blocks it, as one does that reads it from a signalfd(2)."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
            masks = [line.split()[1] for line in status if line.startswith(("SigCgt:", "SigBlk:"))]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(int(mask, 16) & _TERM_BIT for mask in masks)


def killed_for_memory(counts: str | None) -> bool:
    """Tell whether the kernel killed for memory, as a control group's `memory.events` or `memory.oom_control` says."""
    if counts is None:
        return False
    with open(counts, encoding="ascii") as lines:
        return any(line.startswith("oom_kill ") and int(line.split()[1]) for line in lines)
