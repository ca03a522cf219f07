"""A sandbox where bubblewrap is not installed: `python -I -S launcher.py OPTIONS -- COMMAND`.

It understands the options of bubblewrap that this platform uses, and means the same by them: see bwrap(1). Made of
unshare(2), mount(2), mount_setattr(2) (Linux 5.12), pivot_root(2) and capset(2); standard library only.
"""

# Pathlib would slow down the start:
# ruff: noqa: PTH101, PTH102, PTH103, PTH110, PTH116, PTH120, PTH123, PTH211
import ctypes
import fcntl
import json
import os
import signal
import socket
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

_ARITY = {
    "--args": 1, "--json-status-fd": 1, "--hostname": 1, "--chdir": 1, "--cap-drop": 1, "--cap-add": 1,
    "--dev": 1, "--proc": 1, "--tmpfs": 1, "--bind": 2, "--ro-bind": 2, "--setenv": 2,
}  # fmt: skip
_NAMESPACES = {
    "--unshare-user": 0x10000000, "--unshare-pid": 0x20000000, "--unshare-net": 0x40000000,
    "--unshare-ipc": 0x08000000, "--unshare-uts": 0x04000000,
}  # fmt: skip
_MOUNT_NAMESPACE = 0x00020000
_SWITCHES = ("--die-with-parent", "--new-session")
CAPABILITIES = {
    "CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_FSETID": 4, "CAP_KILL": 5, "CAP_SETGID": 6,
    "CAP_SETUID": 7, "CAP_NET_BIND_SERVICE": 10,
}  # fmt: skip
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 8, 4096, 16384, 1 << 19
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_RECURSIVE, _MNT_DETACH = -100, 0x8000, 2
_MOUNT_SETATTR = 442
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}

_libc = ctypes.CDLL(None, use_errno=True)

Option = tuple[str, tuple[str, ...]]


def options(words: list[str]) -> tuple[list[Option], list[str]]:
    """Return the options, those of `--args FD` in its place, and the command. Raises ValueError for what is unknown."""
    found: list[Option] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            break
        if word not in _ARITY and word not in _NAMESPACES and word not in _SWITCHES:
            raise ValueError(f"unknown option {word}")
        values = tuple(next(rest) for _ in range(_ARITY.get(word, 0)))
        if word == "--args":
            with open(int(values[0]), encoding="utf-8") as more:
                found += options(more.read().rstrip("\0").split("\0"))[0]
        else:
            found.append((word, values))
    return found, list(rest)


class Sandbox:
    """What the options describe, step by step."""

    def __init__(self, described: list[Option], command: list[str]) -> None:
        self._options = described
        self._command = command
        self._names = {name for name, _ in described}
        self._root = next(values[0] for name, values in described if name == "--bind" and values[1] == "/")

    def run(self) -> int:
        """Run the command and return its exit code; 1 where the sandbox could not be made."""
        parent, user, group = os.getppid(), os.getuid(), os.getgid()
        flags = _MOUNT_NAMESPACE
        for name in self._names & _NAMESPACES.keys():
            flags |= _NAMESPACES[name]
        _check(_libc.unshare(flags), "unshare")
        if "--unshare-user" in self._names:
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
        _die_with_parent()
        if os.getppid() != parent:
            return 1
        pid = os.fork()
        return _wait(pid) if pid else _child(self._first)

    def _first(self) -> int:
        """Be the first process of the sandbox: make it, start the command, reap what it leaves, report its end."""
        _die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._mounts()
        if "--unshare-net" in self._names:
            _loopback()
        for name in self._values("--hostname"):
            socket.sethostname(name[0])
        self._privileges()
        os.setsid()
        reports = [int(fd[0]) for fd in self._values("--json-status-fd")]
        for fd in reports:
            os.set_inheritable(fd, False)
        begun, failed = os.pipe()
        pid = os.fork()
        if not pid:
            return _child(self._execute, failed)
        os.close(failed)
        if os.read(begun, 1):
            return 1
        code = _wait(pid)
        for fd in reports:
            os.write(fd, json.dumps({"exit-code": code}).encode())
        return code

    def _execute(self) -> int:
        """Become the command."""
        for number in (signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        for place in self._values("--chdir"):
            os.chdir(place[0])
        os.execvpe(self._command[0], self._command, {values[0]: values[1] for values in self._values("--setenv")})  # noqa: S606  no shell is wanted

    def _values(self, option: str) -> Iterator[tuple[str, ...]]:
        return (values for name, values in self._options if name == option)

    def _mounts(self) -> None:
        _mount("none", "/", None, _MS_REC | _MS_SLAVE)
        _mount(self._root, self._root, None, _MS_BIND | _MS_REC)
        _attributes(self._root, _ATTR_NOSUID | _ATTR_NODEV)
        for name, values in self._options:
            if name in ("--bind", "--ro-bind") and values[1] != "/":
                self._bind(values[0], values[1], _ATTR_RDONLY if name == "--ro-bind" else 0)
            elif name == "--tmpfs":
                _mount("tmpfs", self._folder(values[0]), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755")
            elif name == "--proc":
                _mount("proc", self._folder(values[0]), "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
            elif name == "--dev":
                self._dev(values[0])
        os.chdir(self._root)
        _check(_libc.pivot_root(b".", b"."), "pivot_root")
        _check(_libc.umount2(b".", _MNT_DETACH), "umount2")
        os.chdir("/")

    def _inside(self, path: str) -> str:
        return self._root + path

    def _folder(self, path: str) -> str:
        os.makedirs(self._inside(path), exist_ok=True)
        return self._inside(path)

    def _bind(self, source: str, target: str, attributes: int) -> None:
        place = self._inside(target)
        if stat.S_ISDIR(os.stat(source).st_mode):
            os.makedirs(place, exist_ok=True)
        elif not os.path.exists(place):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            _write(place, "")
        _mount(source, place, None, _MS_BIND | _MS_REC)
        _attributes(place, attributes | _ATTR_NOSUID | _ATTR_NODEV)

    def _dev(self, target: str) -> None:
        place = self._folder(target)
        _mount("tmpfs", place, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755")
        for name in _DEVICES:
            _write(f"{place}/{name}", "")
            _mount(f"/dev/{name}", f"{place}/{name}", None, _MS_BIND)
        for name, leads in _DEVICE_LINKS.items():
            os.symlink(leads, f"{place}/{name}")
        os.mkdir(f"{place}/shm", 0o777)
        os.chmod(f"{place}/shm", 0o1777)  # noqa: S103  as on every machine
        os.mkdir(f"{place}/pts")
        _mount("devpts", f"{place}/pts", "devpts", _MS_NOSUID | _MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")

    def _privileges(self) -> None:
        """Keep the capabilities that are asked for, if this is root, and gain no other from any program."""
        kept = {CAPABILITIES[name[0]] for name in self._values("--cap-add")}
        with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as last:
            for number in set(range(int(last.read()) + 1)) - kept:
                _check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "prctl")
        mask = sum(1 << number for number in kept)
        header, data = struct.pack("Ii", 0x20080522, 0), struct.pack("IIIIII", mask, mask, 0, 0, 0, 0)
        _check(_libc.capset(header, data), "capset")
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def _child(step: Callable[[], int], failed: int | None = None) -> NoReturn:
    """Do a forked process' step and end with its result; what it raises is told, also to the descriptor `failed`."""
    code = 1
    try:
        code = step()
    except BaseException as error:  # noqa: BLE001  a forked child must never return into its parent's code
        os.write(2, f"sandbox: {error}\n".encode())
        if failed is not None:
            os.write(failed, b"!")
    finally:
        os._exit(code)


def _wait(pid: int) -> int:
    """Reap children until `pid` has ended, and return its exit code, 128 + n after signal n."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _die_with_parent() -> None:
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    arguments = [text.encode() if text is not None else None for text in (source, target, kind, data)]
    result = _libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3])
    _check(result, f"mount {target}")


def _attributes(path: str, attributes: int) -> None:
    """Set mount attributes on a mount and all below it."""
    what = ctypes.create_string_buffer(struct.pack("QQQQ", attributes, 0, 0, 0))
    result = _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path.encode(), _AT_RECURSIVE, what, ctypes.c_size_t(32))
    _check(result, f"mount_setattr {path}")


def _loopback() -> None:
    """Bring up the sandbox's own loopback interface: SIOCSIFFLAGS with IFF_UP and IFF_RUNNING, netdevice(7)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as out:
        out.write(text)


def main(words: list[str]) -> int:
    """Run a sandbox as the command line describes it, and return the exit code."""
    try:
        return Sandbox(*options(words)).run()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
