"""Finding metrics in log lines by users' regular expressions.

A regular expression may take for ever, and nothing in its process runs meanwhile. So this file is also a program of its
own, which the server starts for a batch of lines; there each expression has a budget of CPU time. Standard library only.
"""

import json
import math
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

LONGEST = 16_384
"""Characters of a line that are looked at: even `.*x` takes the square of their number."""

_BUDGET = 2.0
"""Seconds of CPU time that an expression has for a batch. What it does not reach in it is not found."""


class Pattern(NamedTuple):
    """A regular expression: with a name, its first group is the value; without, its groups `name` and `value` tell."""

    name: str
    regex: str


class Found(NamedTuple):
    """A value of a metric, in the line of that number."""

    line: int
    name: str
    value: float


def scan(patterns: Sequence[Pattern], lines: Sequence[str], python: str) -> list[Found]:
    """Return the metrics that lines tell of, in their order; `python` runs this file."""
    if not patterns or not lines:
        return []
    asked = json.dumps([patterns, [line[:LONGEST] for line in lines]])
    done = subprocess.run([python, "-I", "-S", __file__], input=asked, capture_output=True, text=True, check=True)
    return [Found(*found) for found in json.loads(done.stdout)]


def find(patterns: Sequence[Pattern], lines: Sequence[str]) -> list[Found]:
    """Return what the patterns find, by line; of two patterns for one metric, the last finds it."""
    values: dict[tuple[int, str], float] = {}
    for name, regex in patterns:
        signal.setitimer(signal.ITIMER_VIRTUAL, _BUDGET)
        try:
            _find(name, re.compile(regex), lines, values)
        except TimeoutError:
            continue
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return [Found(number, name, value) for (number, name), value in sorted(values.items(), key=lambda each: each[0][0])]


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
    """Answer one question on standard input."""
    signal.signal(signal.SIGVTALRM, _expire)
    patterns, lines = json.load(sys.stdin)
    json.dump(find([Pattern(*pattern) for pattern in patterns], lines), sys.stdout)


if __name__ == "__main__":
    main()
