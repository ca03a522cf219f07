"""What happens after every boosting round: the log line, the checkpoint, the model to keep if the job is stopped."""

import os
import re
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from _kit.log import logger

from .lean import xgb
from .metric_names import maximized

MODEL = "xgboost-model"
_CHECKPOINT = re.compile(r"xgboost-checkpoint\.(\d+)\Z")
_KEPT = 5

_log = logger("sagemaker-xgboost")


def save(model: Any, path: Path) -> None:
    """Write a model whole or not at all, in xgboost's binary JSON."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(model.save_raw(raw_format="ubj"))
    draft.replace(path)


class Monitor(xgb.callback.TrainingCallback):  # type: ignore[misc]
    r"""Prints `[3]\ttrain-rmse:0.50000\tvalidation-rmse:0.61000` after each round."""

    def __init__(self, first: int) -> None:
        self._first = first

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002  (xgboost's interface)
        """Print the round's scores."""
        scores = {name: {metric: values[-1] for metric, values in log.items()} for name, log in evals_log.items()}
        print(line(self._first + epoch, scores), flush=True)
        return False


def line(epoch: int, scores: dict[str, dict[str, float]]) -> str:
    """Return the log line of a round, as AWS's metric definitions expect it."""
    told = (f"{data}-{metric}:{value:.5f}" for data, values in scores.items() for metric, value in values.items())
    return "\t".join((f"[{epoch}]", *told))


class Checkpoints(xgb.callback.TrainingCallback):  # type: ignore[misc]
    """Writes `xgboost-checkpoint.N` after round N and keeps the newest five."""

    def __init__(self, folder: Path, first: int) -> None:
        self._folder, self._first = folder, first

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002  (xgboost's interface)
        """Write the round's checkpoint and remove those that are too old."""
        save(model, self._folder / f"xgboost-checkpoint.{self._first + epoch}")
        for number, path in _checkpoints(self._folder):
            if number <= self._first + epoch - _KEPT:
                path.unlink()
        return False


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    found = ((_CHECKPOINT.match(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match)


def resume(folder: Path | None) -> tuple[Any, int]:
    """Return the newest checkpoint that can be read and the round to go on with; (None, 0) where there is none."""
    if folder is None:
        return None, 0
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in reversed(_checkpoints(folder)):
        try:
            model = xgb.Booster(model_file=bytearray(path.read_bytes()))
        except xgb.core.XGBoostError as error:
            _log.warning("Checkpoint %s cannot be read: %s", path.name, str(error).partition("\n")[0])
            continue
        _log.info("Checkpoint loaded from %s. Resuming from iteration %d", path, number + 1)
        return model, number + 1
    return None, 0


class Intermediate(xgb.callback.TrainingCallback):  # type: ignore[misc]
    """Saves the model after each round, so that a job that is stopped leaves the last one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, self._stop)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002  (xgboost's interface)
        """Save the model as it is now."""
        save(model, self._path)
        return False

    def _stop(self, *_: object) -> None:
        self._path.with_name(f".{self._path.name}.draft").unlink(missing_ok=True)
        told = f"SIGTERM received: the model of the last finished round is in {self._path}\n"
        os.write(sys.stdout.fileno(), told.encode())  # print may be at work beneath this handler
        os._exit(0)


def early_stopping(rounds: int, metrics: Iterable[str], *, best: bool) -> Any:
    """Return the callback that stops when the last metric of the validation data has not improved for `rounds`."""
    name = next(reversed(list(metrics)), None)
    return xgb.callback.EarlyStopping(
        rounds=rounds,
        metric_name=name,
        data_name="validation",
        maximize=maximized(name) if name else None,
        save_best=best,
    )
