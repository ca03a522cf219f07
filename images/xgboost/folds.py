"""k-fold cross validation, as `_kfold` and `_num_cv_round` ask for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _kit.log import logger

from . import callbacks, metrics

_log = logger("sagemaker-xgboost")

Scores = dict[str, dict[str, float]]
Boost = Callable[[Any, Any, int], tuple[Any, Scores]]
"""(training rows, validation rows, number of the fold) → model, last scores"""


@dataclass(frozen=True)
class Folds:
    """`k` parts, each once held back; all of it `rounds` times with other parts."""

    k: int
    rounds: int
    seed: int

    def split(self, labels: Any, *, stratified: bool) -> Iterator[tuple[Any, Any]]:
        """Yield row numbers to train on and to hold back; stratified: each class is spread evenly over the parts."""
        generator = np.random.default_rng(abs(self.seed))
        for _ in range(self.rounds):
            order = generator.permutation(len(labels))
            if stratified:
                order = order[np.argsort(labels[order], kind="stable")]
            part = np.empty(len(labels), int)
            part[order] = np.arange(len(labels)) % self.k
            for number in range(self.k):
                yield np.flatnonzero(part != number), np.flatnonzero(part == number)


def cross_validate(boost: Boost, rows: Any, folds: Folds, objective: str, rounds: int, output: Path) -> dict[str, Any]:
    """Return a model for each fold, by `-<number>`; print their mean scores, write predictions.csv to `output`."""
    labels = rows.get_label()
    classes = objective.startswith(("binary:", "multi:"))
    _log.info("Run %d-round of %d-fold cross validation with %d rows", folds.rounds, folds.k, len(labels))
    models: dict[str, Any] = {}
    scores: list[Scores] = []
    predicted: list[list[Any]] = [[] for _ in labels]
    for number, (train, held) in enumerate(folds.split(labels, stratified=classes)):
        _log.info("Train cross validation fold %d", number % folds.k + 1)
        validation = rows.slice(held)
        model, last = boost(rows.slice(train), validation, number)
        models[f"-{number}"] = model
        scores.append(last)
        for row, value in zip(held, model.predict(validation), strict=True):
            predicted[row].append(value)
        if (number + 1) % folds.k == 0:
            _log.info("The metrics of round %d cross validation", (number + 1) // folds.k)
            print(callbacks.line(rounds, _means(scores[-folds.k :])), flush=True)
    if folds.rounds > 1:
        _log.info("The overall metrics of %d-round cross validation", folds.rounds)
        print(callbacks.line(rounds, _means(scores)), flush=True)
    output.mkdir(parents=True, exist_ok=True)
    columns = _columns(labels, np.array(predicted), objective if classes else None)
    np.savetxt(output / "predictions.csv", columns, delimiter=",", fmt="%f")
    return models


def _means(scores: list[Scores]) -> Scores:
    return {
        data: {name: float(np.mean([one[data][name] for one in scores])) for name in told}
        for data, told in scores[0].items()
    }


def _columns(labels: Any, predicted: Any, objective: str | None) -> Any:
    """Return label and mean prediction of each row; for classes: label, mean probability, most frequent class."""
    if objective is None:
        return np.column_stack((labels, predicted.mean(axis=1)))
    likely = predicted.max(axis=2) if predicted.ndim > 2 else predicted
    flat = predicted.reshape(-1, *predicted.shape[2:])
    classes = metrics.classes_of(flat, objective).reshape(predicted.shape[:2]).astype(int)
    votes = [np.bincount(row).argmax() for row in classes]
    return np.column_stack((labels, likely.mean(axis=1), votes))
