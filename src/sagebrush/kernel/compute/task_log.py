"""A task's log: each line of output with the time at which it came, `<epoch ms> <text>`.

Used by the runner; standard library only.
"""

import os
import time
from collections.abc import Callable

LONGEST_LINE = 256 * 1024 - 26
"""Bytes of the longest line: what CloudWatch Logs takes for an event, less what it counts for itself."""


class TaskLog:
    """Appends to a log file. A line is written when it is whole, too long, or the last; `changed` is told so."""

    def __init__(self, path: str, changed: Callable[[], None]) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._changed = changed
        self._rest = b""
        self._now = 0
        self.last = b""

    def feed(self, data: bytes) -> None:
        """Take output as it comes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            *begun, self._rest = pieces(self._rest)
            lines += begun
        self._write(lines)

    def end(self) -> None:
        """Write what has no line end, for nothing will follow."""
        if self._rest:
            self._write([self._rest])
        self._rest = b""

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        self._now = max(self._now, time.time_ns() // 1_000_000)
        stamp = b"%d " % self._now
        data = b"".join([stamp + piece + b"\n" for line in lines for piece in pieces(line)])
        while data:
            data = data[os.write(self._file, data) :]
        self.last = next((line for line in reversed(lines) if line.strip()), self.last)
        self._changed()


def pieces(line: bytes) -> list[bytes]:
    """Cut a line into pieces that are short enough, never inside a UTF-8 character."""
    cut = []
    while len(line) > LONGEST_LINE:
        end = LONGEST_LINE
        while end > LONGEST_LINE - 4 and line[end] & 0xC0 == 0x80:
            end -= 1
        cut.append(line[:end])
        line = line[end:]
    return [*cut, line]
