"""S3 against `moto_server` and a plain file copy, all in one run, seen through boto3.

    python benchmarks/s3.py [--rounds 7] [--size 64] [--json]

What is measured, as medians over the rounds, in which the sides take turns:

- put and get of one object of `--size` MiB at a time, in MB (10^6 bytes) per second;
- put and get of objects of 4 KB by two client processes of two threads each, in operations per second: one process of
  boto3 is busy before a fast server is.

Each server is another, over a directory of its own on the same file system. The copy is
`shutil.copyfile` of a file of the same size: the floor, with no client, no network, no checksums and no index.
`moto_server` runs from an environment of its own, `.envs/moto` (made on the first run).
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import boto3
import harness
from botocore.config import Config

SMALL = 4096
PROCESSES = 2
THREADS = 2
BATCH = 600


class Copy:
    """Plain files."""

    def __init__(self, folder: Path, big: bytes) -> None:
        self._folder = folder
        (folder / "big").write_bytes(big)
        (folder / "small").write_bytes(big[:SMALL])
        self._size = len(big)

    def big(self) -> dict[str, float]:
        """Copy the large file: a put and a get are the same here."""
        rate = self._size / 1e6 / timed(lambda: shutil.copyfile(self._folder / "big", self._folder / "copy"))
        return {"put": rate, "get": rate}

    def small(self) -> dict[str, float]:
        """Copy the small file many times."""
        targets = [self._folder / f"copy-{number}" for number in range(BATCH)]
        rate = BATCH / timed(lambda: [shutil.copyfile(self._folder / "small", target) for target in targets])
        return {"put": rate, "get": rate}


class Side:
    """An S3 behind an endpoint."""

    def __init__(self, server: harness.Server, big: bytes, clients: ProcessPoolExecutor) -> None:
        self._where = (server.endpoint, (("aws_access_key_id", server.key), ("aws_secret_access_key", server.secret)))
        self._s3 = client(*self._where)
        self._s3.create_bucket(Bucket="bench")
        self._big = big
        self._clients = clients

    def big(self) -> dict[str, float]:
        """Put the large object and get it back."""
        put = timed(lambda: self._s3.put_object(Bucket="bench", Key="big", Body=self._big))
        got: list[bytes] = []
        get = timed(lambda: got.append(self._s3.get_object(Bucket="bench", Key="big")["Body"].read()))
        if got != [self._big]:
            sys.exit("the object that came back is another")
        return {"put": len(self._big) / 1e6 / put, "get": len(self._big) / 1e6 / get}

    def small(self) -> dict[str, float]:
        """Put many small objects and get them back."""
        return {"put": self._rate(put), "get": self._rate(get)}

    def _rate(self, action: Callable[["Where", range], None]) -> float:
        shares = [range(number, BATCH, PROCESSES) for number in range(PROCESSES)]
        return BATCH / timed(lambda: list(self._clients.map(action, [self._where] * PROCESSES, shares)))


Where = tuple[str, tuple[tuple[str, str], ...]]


@cache
def client(endpoint: str, keys: tuple[tuple[str, str], ...]) -> Any:
    """Return this process's client of an endpoint."""
    config = Config(retries={"max_attempts": 0}, max_pool_connections=THREADS, s3={"addressing_style": "path"})
    options: dict[str, Any] = dict(keys)
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config, **options)


def put(where: Where, numbers: range) -> None:
    """Put small objects, in a client process."""
    s3 = client(*where)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: s3.put_object(Bucket="bench", Key=f"small/{number}", Body=b"x" * SMALL), numbers))


def get(where: Where, numbers: range) -> None:
    """Get small objects, in a client process."""
    s3 = client(*where)
    with ThreadPoolExecutor(THREADS) as pool:
        bodies = pool.map(lambda number: s3.get_object(Bucket="bench", Key=f"small/{number}")["Body"].read(), numbers)
        if any(body != b"x" * SMALL for body in bodies):
            sys.exit("an object that came back is another")


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that `action` takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(size: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the median of each measure by side."""
    big = os.urandom(size)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-s3-")))
        (folder / "copy").mkdir()
        # Spawned, not forked: a fork would share this process's connections.
        clients = stack.enter_context(ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")))
        sides: dict[str, Copy | Side] = {
            "sagebrush": Side(stack.enter_context(harness.ours()), big, clients),
            "moto": Side(stack.enter_context(harness.moto()), big, clients),
            "copy": Copy(folder / "copy", big),
        }
        samples: dict[str, dict[str, list[float]]] = {name: {} for name in sides}
        for turn in range(rounds + 1):
            for name, side in sides.items():
                found = {f"big {kind}": rate for kind, rate in side.big().items()}
                found |= {f"small {kind}": rate for kind, rate in side.small().items()}
                for measured, rate in found.items():
                    samples[name].setdefault(measured, []).extend([rate] if turn else [])  # the first warms up
    return {name: {kind: statistics.median(rates) for kind, rates in of.items()} for name, of in samples.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, default=64, help="MiB of the large object")
    parser.add_argument("--json", action="store_true", help="print the medians as JSON")
    given = parser.parse_args()
    medians = measure(given.size * 2**20, given.rounds)
    if given.json:
        print(json.dumps(medians))
        return
    print(f"{'':12}{'sagebrush':>12}{'moto':>12}{'ratio':>8}{'copy':>12}")
    for kind in medians["moto"]:
        ours, theirs, floor = (medians[name][kind] for name in ("sagebrush", "moto", "copy"))
        unit = "MB/s" if kind.startswith("big") else "/s"
        print(f"{kind:12}{ours:8.0f} {unit:<4}{theirs:7.0f} {unit:<4}{ours / theirs:7.1f}x{floor:7.0f} {unit}")


if __name__ == "__main__":
    main()
