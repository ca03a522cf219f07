"""Time, as everything but signatures sees it."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """The platform's time in epoch seconds.

    Schedules, time-outs, cooldowns and the times of resources follow `now`, which can be moved. Signatures and
    certificates use `time.time()` through `wall`, so that real clients go on working after a move.
    """

    def now(self) -> float:
        """Return the platform's time."""
        ...

    def wall(self) -> float:
        """Return the real time."""
        ...


class MovableClock:
    """Real time plus an offset that only grows or is set by hand."""

    def __init__(self, offset: float = 0.0) -> None:
        self._offset = offset
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return real time plus the offset."""
        return time.time() + self._offset

    def wall(self) -> float:
        """Return the real time."""
        return time.time()

    def advance(self, seconds: float) -> None:
        """Move the platform's time forward by `seconds`."""
        with self._lock:
            self._offset += seconds
