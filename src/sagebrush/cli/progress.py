"""How the commands show that they are busy: a bar on a terminal, one line elsewhere."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

_WIDTH = 24
_REDRAW = 0.2  # seconds


class Bar:
    """A bar for one thing that is done in steps, with the seconds that it has taken."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._share = 0.0
        self._doing = ""
        self._over = threading.Event()
        self._painter = threading.Thread(target=self._paint, daemon=True) if sys.stderr.isatty() else None

    def show(self, doing: str, share: float) -> None:
        """Show what is being done, and that a `share` between 0 and 1 is behind."""
        self._doing, self._share = doing, share

    def __enter__(self) -> Self:
        if self._painter:
            self._painter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._painter:
            self._painter.join()
        sys.stderr.write(f"{self._title}  {'failed' if kind else 'done'} ({self._seconds():.1f} s)\n")

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _paint(self) -> None:
        while True:
            filled = round(max(0.0, min(self._share, 1.0)) * _WIDTH)
            bar = "━" * filled + "╌" * (_WIDTH - filled)
            sys.stderr.write(f"\r\033[K{self._title}  {bar}  {self._seconds():3.0f} s  {self._doing[:50]}")
            sys.stderr.flush()
            if self._over.wait(_REDRAW):
                sys.stderr.write("\r\033[K")
                return
