"""How the commands show that they are busy: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self


class Bar:
    """A bar for one thing that is done in steps; shows how long it took at the end.

    On a terminal one line is drawn again and again; elsewhere the beginning and the end are a line each.
    """

    _WIDTH = 24

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        self.show("", 0.0)
        return self

    def show(self, doing: str, share: float) -> None:
        """Show what is being done, and that a `share` between 0 and 1 is behind."""
        if self._terminal:
            filled = round(max(0.0, min(share, 1.0)) * self._WIDTH)
            bar = "━" * filled + "╌" * (self._WIDTH - filled)
            self._write(f"\r\033[K{self._title}  {bar}  {doing[:60]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        took = time.monotonic() - self._began
        end = f"{self._title}  {'failed' if kind else 'done'} ({took:.1f} s)\n"
        self._write(f"\r\033[K{end}" if self._terminal else end)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
