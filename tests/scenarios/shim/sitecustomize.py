"""Put first on PYTHONPATH of a user's script, so that the SDK's fixed sleeps of 5 to 60 s do not slow the tests.

The SDK looks as often as it would, and the script is the user's own; only the pauses between two looks are short.
"""

import time
from typing import SupportsIndex

_LONGEST = 0.2  # seconds
_sleep = time.sleep


def sleep(seconds: float | SupportsIndex, /) -> None:
    """Sleep, but not for long."""
    _sleep(min(float(seconds), _LONGEST))


time.sleep = sleep
