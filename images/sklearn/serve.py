"""scikit-learn serving: the user's functions over a model that the user's model_fn loads."""

from typing import Any

import numpy as np

from _kit import arrays, handler, host
from _kit.errors import BadInputError
from _kit.media import media_type
from _kit.paths import Paths


def main() -> None:
    """Serve the model below /opt/ml."""
    paths = Paths.read()
    handler.prepare(paths)
    host.serve(lambda: handler.load(FRAMEWORK, paths))


def input_fn(data: Any, content_type: str) -> Any:
    """Return a table of 32-bit floats (npy, npz: whatever they hold); a single row is a table of one."""
    kind = media_type(content_type)[0]
    table = arrays.decode(data, kind)
    if table.ndim == 1:
        table = table.reshape(1, -1)
    if kind not in ("application/json", "text/csv"):
        return table
    try:
        return table.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"The default input_fn reads numbers: {error}") from error


def predict_fn(data: Any, model: Any) -> Any:
    """Return what the model's `predict` says."""
    return model.predict(data)


FRAMEWORK = handler.Framework(input_fn, predict_fn, arrays.encode)
