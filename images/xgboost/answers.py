"""Predictions to response bodies: CSV, JSON, JSON lines, RecordIO-protobuf."""

import json
import math
from collections.abc import Callable
from typing import Any

from _kit import record, recordio
from _kit.log import logger

from .models import Model

CSV, JSON, JSONLINES, RECORDIO = (
    "text/csv",
    "application/json",
    "application/jsonlines",
    "application/x-recordio-protobuf",
)
ACCEPTED = (JSON, JSONLINES, RECORDIO, CSV)

_log = logger("sagemaker-xgboost")
_REGRESSION = ("reg:squarederror", "reg:logistic", "reg:gamma", "reg:absoluteerror", "reg:tweedie")
_RAW = ("predicted_label", "labels", "raw_score", "raw_scores")
_PROBABLE = (*_RAW, "probability", "probabilities")
_SELECTABLE = {
    **dict.fromkeys(_REGRESSION, ("predicted_score",)),
    "binary:logistic": _PROBABLE,
    "binary:logitraw": _RAW,
    "binary:hinge": _RAW,
    "multi:softmax": _RAW,
    "multi:softprob": _PROBABLE,
}


def scores(predictions: list[Any], kind: str, *, batch: bool) -> bytes:
    """Return plain predictions; CSV is one line, or in batch transform a line for each."""
    if kind == CSV:
        cells = map(str, predictions)
        return ("\n".join(cells) + "\n" if batch else ",".join(cells)).encode()
    return _objects([{"score": value} for value in predictions], kind)


def selected(predictions: Any, keys: list[str], model: Model, kind: str, *, batch: bool) -> bytes:
    """Return, for each prediction, what SAGEMAKER_INFERENCE_OUTPUT asks for; NaN where the objective has no such thing.

    Raises ValueError where nothing can be selected for the model's objective.
    """
    allowed = _SELECTABLE.get(model.objective)
    if allowed is None:
        raise ValueError(f"Objective `{model.objective}` unsupported for selectable inference predictions.")
    if unknown := set(keys) - set(allowed):
        _log.warning("Selected key(s) %s incompatible for objective '%s'", sorted(unknown), model.objective)
    rows = [
        {key: _SELECTORS[key](prediction, model) if key in allowed else math.nan for key in keys}
        for prediction in predictions
    ]
    if kind != CSV:
        return _objects(rows, kind)
    lines = (",".join(_cell(row[key]) for key in keys) for row in rows)
    return ("\n".join(lines) + ("\n" if batch else "")).encode()


def _objects(rows: list[dict[str, Any]], kind: str) -> bytes:
    if kind == JSON:
        return json.dumps({"predictions": rows}).encode()
    if kind == JSONLINES:
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    return b"".join(recordio.frame(record.encode(record.Record({}, _tensors(row)))) for row in rows)


def _tensors(row: dict[str, Any]) -> dict[str, record.Tensor]:
    return {key: record.tensor(value if isinstance(value, list) else [value]) for key, value in row.items()}


def _cell(value: Any) -> str:
    return f'"{value}"' if isinstance(value, list) else str(value)


def _label(prediction: Any, model: Model) -> float:
    if prediction.ndim:
        return int(prediction.argmax())
    if model.objective in ("binary:hinge", "multi:softmax"):
        return float(prediction)
    return int(prediction > (0.0 if model.objective == "binary:logitraw" else 0.5))


def _labels(_prediction: Any, model: Model) -> list[int]:
    return list(range(model.classes or 2))


def _one(prediction: Any, _model: Model) -> float:
    return float(prediction.max())


def _all(prediction: Any, _model: Model) -> list[float]:
    if prediction.ndim:
        values: list[float] = prediction.tolist()
        return values
    return [1.0 - float(prediction), float(prediction)]


_SELECTORS: dict[str, Callable[[Any, Model], Any]] = {
    "predicted_label": _label,
    "labels": _labels,
    "probability": _one,
    "probabilities": _all,
    "raw_score": _one,
    "raw_scores": _all,
    "predicted_score": _one,
}
