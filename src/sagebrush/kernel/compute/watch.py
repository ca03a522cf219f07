"""Learning that tasks change, without asking: a thread that sleeps until a runner writes or ends."""

import logging
import os
import selectors
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

_CHUNK = 64 * 1024


class Watch:
    """Hears what runners write into a named pipe, and sees their ends through pidfds.

    `changed` and `ended` are called with a task's id, in the watch's own thread, one after the other.
    """

    def __init__(self, pipe: Path, changed: Callable[[str], None], ended: Callable[[str], None]) -> None:
        self._changed = changed
        self._ended = ended
        self._lock = threading.Lock()
        self._pidfds: dict[str, int] = {}
        self._rest = b""
        if not pipe.exists():
            os.mkfifo(pipe, 0o600)
        if not stat.S_ISFIFO(pipe.stat().st_mode):
            message = f"{pipe} is not a named pipe"
            raise FileExistsError(message)
        # Open for writing too, so that the pipe never ends when the last runner closes it.
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ, self._hear)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="tasks", daemon=True)
        self._thread.start()

    def follow(self, id: str, pid: int) -> bool:  # noqa: A002
        """Have `ended` called when a runner ends; False where it has ended already."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        with self._lock:
            self._pidfds[id] = pidfd
            self._selector.register(pidfd, selectors.EVENT_READ, id)
        os.write(self._waker, b"!")
        return True

    def signal(self, id: str, number: signal.Signals) -> None:  # noqa: A002
        """Send a signal to the runner of a task that is followed."""
        with self._lock:
            if id in self._pidfds:
                signal.pidfd_send_signal(self._pidfds[id], number)

    def close(self) -> None:
        """End the thread; the runners go on."""
        self._closed = True
        os.write(self._waker, b"!")
        self._thread.join()
        self._selector.close()
        for fd in (self._pipe, self._wake, self._waker, *self._pidfds.values()):
            os.close(fd)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if self._closed:
                    return
                if key.fd == self._wake:
                    os.read(self._wake, _CHUNK)
                    continue
                try:
                    self._hear() if key.fd == self._pipe else self._end(key.data)
                except Exception:  # one task's trouble must not end the thread that all tasks need
                    log.exception("following a task failed")

    def _hear(self) -> None:
        *ids, self._rest = (self._rest + os.read(self._pipe, _CHUNK)).split(b"\n")
        for id_ in dict.fromkeys(ids):
            self._changed(id_.decode("ascii", "replace"))

    def _end(self, id: str) -> None:  # noqa: A002
        with self._lock:
            pidfd = self._pidfds.pop(id)
            self._selector.unregister(pidfd)
        try:
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        except ChildProcessError:
            log.debug("the runner of %s was another process's child", id)
        finally:
            os.close(pidfd)
        self._ended(id)
