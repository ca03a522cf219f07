"""XGBoost serving with the user's functions; what the user leaves out reads a DMatrix and writes json, csv or npy."""

from typing import Any

import xgboost as xgb
from _kit import arrays, handler, host
from _kit.errors import BadInputError, UnsupportedFormatError
from _kit.paths import Paths

from .payload import PayloadError, UnsupportedTypeError, matrix


def main() -> None:
    """Serve the model below /opt/ml."""
    paths = Paths.read()
    handler.prepare(paths)
    host.serve(lambda: handler.load(FRAMEWORK, paths))


def input_fn(data: Any, content_type: str) -> Any:
    """Return the request's rows as a DMatrix (text/csv, text/libsvm, application/x-recordio-protobuf)."""
    body = data if isinstance(data, bytes) else data.encode()
    try:
        return xgb.DMatrix(matrix(body, content_type))
    except UnsupportedTypeError as error:
        raise UnsupportedFormatError(content_type) from error
    except PayloadError as error:
        raise BadInputError(str(error)) from error


def predict_fn(data: Any, model: Any) -> Any:
    """Return what the Booster predicts."""
    return model.predict(data, validate_features=False)


FRAMEWORK = handler.Framework(input_fn, predict_fn, arrays.encode)
