"""From the command to the first answer, and what an idle server holds in memory; ours and `moto_server` in one run.

    .venv/bin/python benchmarks/startup.py [--times 7]

The first answer is one to a signed call, sts:GetCallerIdentity. Every start is a new process on a new data directory.
"""

import argparse
import time
from statistics import median

from harness import moto, ours, resident

GOAL_SECONDS, GOAL_MEGABYTES = 1.0, 150.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    times: int = parser.parse_args().times
    # What a first run sets up, and botocore's models in this process, do not count.
    with ours() as warm, moto() as other:
        warm.client("sts").get_caller_identity()
        other.client("sts").get_caller_identity()
    for name, start in {"sagebrush": ours, "moto_server": moto}.items():
        seconds, memory = [], []
        for _ in range(times):
            began = time.perf_counter()
            with start() as server:
                server.client("sts").get_caller_identity()
                seconds.append(time.perf_counter() - began)
                memory.append(resident(server.pid) / 1e6)
        took, held = median(seconds), median(memory)
        print(f"{name:<12} first answer {took:5.2f} s, at worst {max(seconds):5.2f}; {held:4.0f} MB")
    print(f"{'goal':<12} first answer {GOAL_SECONDS:5.2f} s{'; ':>18}{GOAL_MEGABYTES:4.0f} MB")


if __name__ == "__main__":
    main()
