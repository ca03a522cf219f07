"""The model that is served: what /opt/ml/model holds, and its predictions for a matrix."""

import ctypes
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _kit.log import logger

from .callbacks import MODEL
from .lean import xgb

_log = logger("sagemaker-xgboost")
_VOTES = ("multi:softmax", "binary:hinge")
_CONFIG = (
    b'{"type":0,"training":false,"iteration_begin":0,"iteration_end":%d,'
    b'"missing":NaN,"strict_shape":false,"cache_id":0}'
)
_LIBRARY = xgb.libpath.find_lib_path()[0]
_LONG, _QUICK = ctypes.CDLL(_LIBRARY), ctypes.PyDLL(_LIBRARY)
_FEW = 32
"""Rows up to which a prediction keeps the interpreter to itself: to hand it over and get it back would take longer."""

_PICKLE, _OLD_BINARY = b"\x80", b"binf"


@dataclass(frozen=True)
class Model:
    """One or more Boosters (k-fold cross validation leaves several) that predict together."""

    boosters: list[Any]
    objective: str
    classes: int
    features: int

    def predict(self, rows: Any, kind: str) -> Any:
        """Return the prediction for each row: the mean of the boosters', or what most of them say for classes.

        `rows` is an array or a CSR matrix that came as `kind`. Raises ValueError where the columns do not fit.
        """
        rows = self._fitted(rows, kind)
        if len(self.boosters) == 1:
            return _predict(self.boosters[0], rows)
        each = np.array([_predict(booster, rows) for booster in self.boosters])
        if self.objective not in _VOTES:
            return each.mean(axis=0)
        labels = each.astype(int)
        return np.array([np.bincount(column).argmax() for column in labels.T], np.float32)

    def _fitted(self, rows: Any, kind: str) -> Any:
        """Return the rows with as many columns as the model has; the last ones may be left out."""
        width = rows.shape[1]
        if width == self.features:
            return rows
        if kind == "libsvm":
            if width > self.features:
                raise ValueError(
                    f"Feature size of libsvm inference data {width} is larger than "
                    f"feature size of trained model {self.features}."
                )
        elif width != self.features - 1:
            raise ValueError(
                f"Feature size of {kind} inference data {width} is not consistent "
                f"with feature size of trained model {self.features}."
            )
        if isinstance(rows, np.ndarray):
            return np.pad(rows, ((0, 0), (0, self.features - width)), constant_values=np.nan)
        rows.resize((rows.shape[0], self.features))
        return rows


def load(folder: Path) -> Model:
    """Load what the folder holds. Raises ValueError where nothing in it is a model that XGBoost reads."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    files = [path for path in files if path.name.startswith(MODEL)] or files
    if not files:
        raise ValueError(f"there is no model in {folder}")
    ensemble = os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true").lower() == "true"
    boosters = [_booster(path) for path in (files if ensemble else files[:1])]
    learner = json.loads(boosters[0].save_config())["learner"]
    objective = learner["objective"]["name"]
    _log.info("Model objective : %s", objective)
    classes = int(learner["learner_model_param"].get("num_class", 0))
    return Model(boosters, objective, classes, boosters[0].num_features())


def _booster(path: Path) -> Any:
    data = path.read_bytes()
    if data.startswith(_PICKLE):
        raise ValueError(
            f"{path.name} is a pickle, as XGBoost containers up to 1.2 wrote them. It is not loaded, because a pickle "
            "can run any code: load it where it was made and save it with Booster.save_model."
        )
    if data.startswith(_OLD_BINARY):
        raise ValueError(
            f"{path.name} is in the binary format that XGBoost removed in 3.1: "
            "load it with XGBoost 3.0 or older and save it with Booster.save_model('xgboost-model.ubj')."
        )
    _log.info("Loading the model from %s", path)
    try:
        booster = xgb.Booster(model_file=bytearray(data))
    except xgb.core.XGBoostError as error:
        text = str(error).partition("\nStack trace:")[0]
        raise ValueError(f"Model {path.name} cannot be loaded:\nXGB load model error={text}") from error
    booster.set_param({"nthread": 1})  # a request has one core; others are for other requests
    return booster


def _predict(booster: Any, rows: Any) -> Any:
    """Return the booster's prediction, up to its best iteration where training noted one."""
    best = booster.attr("best_iteration")
    end = int(best) + 1 if best else 0
    if isinstance(rows, np.ndarray) and (found := _from_dense(booster, np.ascontiguousarray(rows), end)) is not None:
        return found
    return booster.predict(xgb.DMatrix(rows), iteration_range=(0, end), validate_features=False)


def _from_dense(booster: Any, rows: Any, end: int) -> Any:
    """Return what XGBoosterPredictFromDense of XGBoost's C API says; None where it refuses (as for linear models).

    `Booster.inplace_predict` calls it too, but spends twice the time of a one-row prediction on its way there. The
    result belongs to the thread until its next call, hence the copy.
    """
    count, width = rows.shape
    interface = b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}' % (rows.ctypes.data, count, width)
    shape, found = ctypes.POINTER(ctypes.c_uint64)(), ctypes.POINTER(ctypes.c_float)()
    dimensions = ctypes.c_uint64()
    results = ctypes.byref(shape), ctypes.byref(dimensions), ctypes.byref(found)
    library = _QUICK if count <= _FEW else _LONG
    if library.XGBoosterPredictFromDense(booster.handle, interface, _CONFIG % end, None, *results):
        return None
    return np.ctypeslib.as_array(found, tuple(shape[: dimensions.value])).copy()
