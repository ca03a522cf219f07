"""Put first on PYTHONPATH of a user's script, so that the SDKs' fixed sleeps of 5 to 60 s do not slow the tests.

The script is the user's own and the SDK looks as often as it would: in a time in which a long sleep passes quickly.
`time.time` counts the whole of it, as the SDK measures its pauses by it. Signatures carry the real time: botocore asks
`datetime` for it.
"""

import time
from typing import SupportsIndex

_LONGEST = 0.2  # seconds
_sleep, _time = time.sleep, time.time
_skipped = 0.0


def sleep(seconds: float | SupportsIndex, /) -> None:
    """Sleep, but not for long; what is left out has passed all the same."""
    global _skipped  # noqa: PLW0603 - one clock for the process, as `time` is
    asked = float(seconds)
    slept = min(asked, _LONGEST)
    _sleep(slept)
    _skipped += asked - slept


def passed() -> float:
    """Return the time, sleeps counted in full."""
    return _time() + _skipped


time.sleep, time.time = sleep, passed
