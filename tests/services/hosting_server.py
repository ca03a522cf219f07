"""A platform in a process of its own, with the image `echo`, for tests that kill it."""

import sys
from pathlib import Path

from sagebrush import main
from sagebrush.kernel.base.settings import Settings

if __name__ == "__main__":
    data, folder = map(Path, sys.argv[1:])
    main.run(
        Settings(data=data, cache=folder.parent / "cache", images=str(folder), port=0),
        lambda address: print(f"ready {address.endpoint}", flush=True),
    )
