"""Evaluation metrics that XGBoost lacks and Amazon's container adds; definitions as in scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np

Metric = Callable[[Any, Any], float]
"""(labels, predicted labels or values) → score"""


def custom(names: list[str], objective: str) -> Callable[[Any, Any], list[tuple[str, float]]] | None:
    """Return what `xgb.train` calls for those of the metrics that are not its own; None where all are."""
    wanted = [name for name in names if name in CUSTOM]
    if not wanted:
        return None

    def evaluate(predictions: Any, matrix: Any) -> list[tuple[str, float]]:
        labels = matrix.get_label()
        classes = classes_of(predictions, objective)
        return [(name, CUSTOM[name](labels, predictions if name in _VALUES else classes)) for name in wanted]

    return evaluate


def classes_of(predictions: Any, objective: str) -> Any:
    """Return the predicted classes: the likeliest one, or 1 above even odds."""
    if predictions.ndim > 1:
        return predictions.argmax(axis=1)
    if objective.startswith("multi:") or objective == "binary:hinge":
        return predictions
    return (predictions > (0.0 if objective == "binary:logitraw" else 0.5)).astype(np.float32)


def _counts(labels: Any, predicted: Any) -> tuple[Any, Any, Any]:
    """Return, for each class that occurs, how often it was hit, predicted, and true."""
    classes = np.union1d(labels, predicted)
    hits = np.array([((labels == one) & (predicted == one)).sum() for one in classes], float)
    guessed = np.array([(predicted == one).sum() for one in classes], float)
    true = np.array([(labels == one).sum() for one in classes], float)
    return hits, guessed, true


def _ratio(part: Any, whole: Any) -> Any:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole != 0)


def accuracy(labels: Any, predicted: Any) -> float:
    """Share of rows whose class is right."""
    return float(np.mean(labels == predicted))


def balanced_accuracy(labels: Any, predicted: Any) -> float:
    """Recall, averaged over the classes that occur among the labels."""
    hits, _, true = _counts(labels, predicted)
    return float(np.mean(hits[true > 0] / true[true > 0]))


def _averaged(score: Callable[[Any, Any, Any], Any], average: str) -> Metric:
    """Return a metric over classes: `macro` the mean, `micro` of all rows together, `binary` of class 1."""

    def metric(labels: Any, predicted: Any) -> float:
        hits, guessed, true = _counts(labels, predicted)
        if average == "micro":
            return float(score(hits.sum(keepdims=True), guessed.sum(keepdims=True), true.sum(keepdims=True))[0])
        each = score(hits, guessed, true)
        if average == "macro":
            return float(each.mean())
        classes = np.union1d(labels, predicted)
        if not set(classes) <= {0.0, 1.0}:
            raise ValueError("Target is multiclass but average='binary'. Please choose a macro or micro metric.")
        return float(each[classes == 1.0][0]) if 1.0 in classes else 0.0

    return metric


def _precision(hits: Any, guessed: Any, _true: Any) -> Any:
    return _ratio(hits, guessed)


def _recall(hits: Any, _guessed: Any, true: Any) -> Any:
    return _ratio(hits, true)


def _f1(hits: Any, guessed: Any, true: Any) -> Any:
    return _ratio(2 * hits, guessed + true)


def mse(labels: Any, predicted: Any) -> float:
    """Mean squared error."""
    return float(np.mean((labels - predicted) ** 2))


def r2(labels: Any, predicted: Any) -> float:
    """Coefficient of determination; labels that do not vary give 1 for a perfect fit, else 0."""
    spread = float(np.sum((labels - labels.mean()) ** 2))
    error = float(np.sum((labels - predicted) ** 2))
    return 1.0 - error / spread if spread else float(error == 0.0)


CUSTOM: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": _averaged(_f1, "macro"),
    "f1_binary": _averaged(_f1, "binary"),
    "f1_macro": _averaged(_f1, "macro"),
    "precision": _averaged(_precision, "binary"),
    "precision_macro": _averaged(_precision, "macro"),
    "precision_micro": _averaged(_precision, "micro"),
    "recall": _averaged(_recall, "binary"),
    "recall_macro": _averaged(_recall, "macro"),
    "recall_micro": _averaged(_recall, "micro"),
    "mse": mse,
    "r2": r2,
}
_VALUES = {"mse", "r2"}
