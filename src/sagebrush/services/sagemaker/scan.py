"""Finding metrics in log lines by users' regular expressions: a program of its own, `python scan.py`.

A regular expression may take for ever, and nothing else in its process runs meanwhile; here each has a budget of CPU
time. One JSON document comes in, `[patterns, lines]`, and one goes out, what was found. Standard library only, and
little of that: it is started for each batch of lines.
"""

import json
import math
import re
import signal
import sys
from collections.abc import Sequence

LONGEST = 16_384
"""Characters of a line that are looked at: even `.*x` takes the square of their number."""

_BUDGET = 2.0
"""Seconds of CPU time that an expression has for a batch. What it does not reach in them is not found."""

Pattern = tuple[str, str]
"""A metric's name and a regular expression whose first group is the value. Without a name, its groups `name` and `value`
tell, and the first `-` of the name becomes a `:`."""

Found = tuple[int, str, float]
"""The number of a line, and a metric's name and value in it."""


def find(patterns: Sequence[Pattern], lines: Sequence[str]) -> list[Found]:
    """Return what the patterns find, by line; of two patterns for one metric in one line, the last finds it."""
    values: dict[tuple[int, str], float] = {}
    for name, regex in patterns:
        signal.setitimer(signal.ITIMER_VIRTUAL, _BUDGET)
        try:
            _find(name, re.compile(regex), lines, values)
        except TimeoutError:
            continue
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return sorted((number, name, value) for (number, name), value in values.items())


def _find(name: str, regex: "re.Pattern[str]", lines: Sequence[str], values: dict[tuple[int, str], float]) -> None:
    for number, line in enumerate(lines):
        for match in [regex.search(line)] if name else regex.finditer(line):
            if match is None:
                continue
            value = _number(match[1] if name else match["value"])
            if value is not None:
                values[number, name or match["name"].replace("-", ":", 1)] = value


def _number(text: str | None) -> float | None:
    """Return a finite number that a log line names; CloudWatch takes no others."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _expire(*_: object) -> None:
    raise TimeoutError


def main() -> None:
    """Answer the question on standard input."""
    signal.signal(signal.SIGVTALRM, _expire)
    patterns, lines = json.load(sys.stdin.buffer)
    json.dump(find(patterns, lines), sys.stdout)


if __name__ == "__main__":
    main()
