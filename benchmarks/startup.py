"""From `sagebrush up` to the first answer, and what an idle platform holds in memory; beside `moto_server`, if installed.

The first answer is a signed `sts:GetCallerIdentity`, not a health check. Every start is a new process on a new data
directory. Memory is the proportional set size (PSS) of the process and its children, from /proc.
"""

import argparse
import http.client
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

GOAL_SECONDS, GOAL_MEGABYTES = 1.0, 150.0


@contextmanager
def sagebrush(folder: Path) -> Iterator[tuple[int, str, Credentials]]:
    command = [sys.executable, "-m", "sagebrush.cli.main", "up", "--data", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[1]
        kept = json.loads((folder / "credentials.json").read_bytes())
        yield server.pid, url, Credentials(kept["AccessKeyId"], kept["SecretAccessKey"])
        server.terminate()


@contextmanager
def moto(_: Path) -> Iterator[tuple[int, str, Credentials]]:
    command = [sys.executable, "-m", "moto.server", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        url = next(line.split()[-1] for line in server.stderr if "Running on http" in line)
        yield server.pid, url, Credentials("any", "any")
        server.terminate()


def who_am_i(url: str, keys: Credentials) -> None:
    request = AWSRequest("POST", url + "/", data="Action=GetCallerIdentity&Version=2011-06-15")
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    SigV4Auth(keys, "sts", "us-east-1").add_auth(request)
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    connection.request("POST", "/", request.data, dict(request.headers.items()))
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()


def megabytes(pid: int) -> float:
    """Return the proportional set size of a process and its children."""
    rolled = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(int(line.split()[1]) for line in rolled.splitlines() if line.startswith("Pss:")) / 1024
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(megabytes(int(child)) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    times: int = parser.parse_args().times
    sides = {"sagebrush": sagebrush} | ({"moto_server": moto} if importlib.util.find_spec("moto") else {})
    medians: dict[str, tuple[float, float]] = {}
    for name, start in sides.items():
        seconds, memory = [], []
        for _ in range(times):
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                with start(Path(folder) / "data") as (pid, url, keys):
                    who_am_i(url, keys)
                    seconds.append(time.perf_counter() - began)
                    memory.append(megabytes(pid))
        medians[name] = statistics.median(seconds), statistics.median(memory)
        print(
            f"{name:<12} first answer {medians[name][0]:.2f} s (median of {times}, {min(seconds):.2f} to {max(seconds):.2f}), "
            f"idle {medians[name][1]:.0f} MB"
        )
    took, held = medians["sagebrush"]
    print(f"goal         first answer {GOAL_SECONDS:.2f} s, idle {GOAL_MEGABYTES:.0f} MB")
    sys.exit(took > GOAL_SECONDS or held > GOAL_MEGABYTES)


if __name__ == "__main__":
    main()
