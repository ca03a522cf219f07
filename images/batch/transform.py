"""The agent of a batch transform job: reads objects, asks the model, writes `<key>.out` for each that went well.

It is told what to do in /opt/ml/config/transform.json, members as in CreateTransformJob and as optional as there:

    TransformJobName, TransformInput{ContentType, CompressionType, SplitType}, TransformOutput{Accept, AssembleWith},
    BatchStrategy, MaxPayloadInMB, MaxConcurrentTransforms, DataProcessing{InputFilter, OutputFilter, JoinSource},
    ModelClientConfig{InvocationsTimeoutInSeconds, InvocationsMaxRetries}

and three of its own: `Inputs`, a list of {"Key": the object's key relative to the S3Uri's prefix, "Path": its file below
/opt/ml/input (default: the key)}; `Socket`, where the model's container listens (default /opt/ml/run/http.sock);
`PingTimeoutInSeconds` (default 240). Output lies below /opt/ml/output under the key with `.out` added. The exit code is 0
where all objects went well; otherwise it is 1 and /opt/ml/output/failure begins with AWS's sentence. A job that is
stopped (SIGTERM) ends with 143.
"""

import gzip
import json
import os
import shutil
import signal
import sys
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

from _kit.paths import Paths

from .container import Container, InvocationError, NotReadyError
from .plan import Plan
from .split import Piece, payloads, pieces


@dataclass
class Item:
    """One object on its way: its file, the draft of its output, why it failed."""

    key: str
    source: Path
    draft: Path
    failure: Exception | None = None
    sink: BinaryIO | None = None


def main() -> None:
    """Run the job below /opt/ml."""
    paths = Paths.read()
    paths.output.mkdir(parents=True, exist_ok=True)
    drafts = paths.base / "drafts"
    drafts.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: _stop(drafts))
    try:
        failures = run(json.loads((paths.base / "config/transform.json").read_text("utf-8")), paths, drafts)
    except (NotReadyError, ValueError) as error:
        failures = {"": error}
    finally:
        shutil.rmtree(drafts, ignore_errors=True)
    if failures:
        key, first = next(iter(failures.items()))
        whose = "AlgorithmError" if _models_fault(first) else "ClientError"
        detail = f"{key}: {first}" if key else str(first)
        (paths.output / "failure").write_text(f"{whose}: See job logs for more information\n{detail}", "utf-8")
        sys.exit(1)


def run(document: dict[str, Any], paths: Paths, drafts: Path) -> dict[str, Exception]:
    """Transform every object; return what failed. Raises NotReadyError, ValueError for a job that cannot be done."""
    client = document.get("ModelClientConfig", {})
    container = Container(
        document.get("Socket") or str(paths.base / "run/http.sock"),
        client.get("InvocationsTimeoutInSeconds", 600),
        client.get("InvocationsMaxRetries", 3),
    )
    container.wait(document.get("PingTimeoutInSeconds", 240))
    plan = Plan.of(document, container.parameters())
    _log(plan.summary)
    failures: dict[str, Exception] = {}
    items = (_item(entry, paths, drafts / str(place)) for place, entry in enumerate(document["Inputs"]))
    with ThreadPoolExecutor(plan.concurrency) as pool:
        for item in _worked(items, plan, container, pool):
            if item.failure is None:
                target = paths.output / f"{item.key}.out"
                target.parent.mkdir(parents=True, exist_ok=True)
                item.draft.replace(target)
                continue
            failures[item.key] = item.failure
            for line in str(item.failure).splitlines():
                _log(f"{item.key}: {line}")
    return failures


_Work = tuple[Item, "Future[bytes] | None"]
"""A request under way for an object; no request: the object ends here."""


def _worked(items: Iterator[Item], plan: Plan, container: Container, pool: ThreadPoolExecutor) -> Iterator[Item]:
    """Yield each object when the last of its answers is written.

    Twice as many requests as run at a time are made ready, across objects, so that small ones do not wait for each other
    and a large one is never in memory as a whole. Answers are written in the order of their requests.
    """
    window: deque[_Work] = deque()
    work = (pair for item in items for pair in _requests(item, plan, container, pool))
    for pair in work:
        window.append(pair)
        if len(window) > 2 * plan.concurrency and (done := _settle(*window.popleft())):
            yield done
    while window:
        if done := _settle(*window.popleft()):
            yield done


def _requests(item: Item, plan: Plan, container: Container, pool: ThreadPoolExecutor) -> Iterator[_Work]:
    """Start the requests of one object, until it is read or one of them has failed."""
    if item.failure is None:
        try:
            item.sink = item.draft.open("wb")
            with gzip.open(item.source) if plan.gzip else item.source.open("rb") as source:
                for batch in takewhile(lambda _: item.failure is None, _batches(source, plan)):
                    yield item, pool.submit(_exchange, batch, plan, container)
        except (ValueError, OSError, EOFError, zlib.error) as error:
            item.failure = item.failure or error
    yield item, None


def _batches(source: Any, plan: Plan) -> Iterator[list[Piece]]:
    return payloads(pieces(source, plan.split_type, plan.limit), single=plan.single, limit=plan.limit)


def _exchange(batch: list[Piece], plan: Plan, container: Container) -> bytes:
    """Have the model answer one payload. Raises InvocationError; ValueError where data do not fit the filters."""
    response = container.invoke(plan.payload(batch), plan.headers)
    return plan.assembled([piece.content for piece in batch], response)


def _settle(item: Item, request: "Future[bytes] | None") -> Item | None:
    """Write the answer to a request; return the object where this was its end."""
    if request is None:
        if item.sink is not None:
            item.sink.close()
        return item
    assert item.sink is not None
    try:
        answer = request.result()
        if item.failure is None:
            item.sink.write(answer)
    except (InvocationError, ValueError, OSError) as error:
        item.failure = item.failure or error
    return None


def _item(entry: dict[str, str], paths: Paths, draft: Path) -> Item:
    key = entry["Key"]
    item = Item(key, paths.input / entry.get("Path", key), draft)
    if ".." in Path(key).parts or key.startswith("/"):
        item.failure = ValueError("an object with this key has no place below the output folder")
    return item


def _stop(drafts: Path) -> None:
    shutil.rmtree(drafts, ignore_errors=True)
    os._exit(143)  # at once: requests under way may take minutes, and their answers are not wanted


def _models_fault(error: Exception) -> bool:
    return isinstance(error, NotReadyError) or (isinstance(error, InvocationError) and not error.clients_fault)


def _log(text: str) -> None:
    print(f"[sagemaker logs]: {text}", flush=True)
