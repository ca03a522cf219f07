"""NumPy arrays to and from the media types of AWS's inference toolkit. Only images that have numpy import this."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from _kit.errors import BadInputError, UnsupportedFormatError


def decode(data: str | bytes, media_type: str) -> Any:
    """Return the array (npz: the sparse matrix) that a request's body holds.

    Raises UnsupportedFormatError for another type, BadInputError for a body that is not of its type.
    """
    if media_type not in _DECODERS:
        raise UnsupportedFormatError(media_type)
    try:
        return _DECODERS[media_type](data)
    except (ValueError, EOFError, OSError) as error:
        raise BadInputError(f"Unable to read the request as {media_type}: {error}") from error


def encode(value: Any, media_type: str) -> bytes:
    """Return a prediction as a response's body. Raises UnsupportedFormatError."""
    if media_type not in _ENCODERS:
        raise UnsupportedFormatError(media_type)
    return _ENCODERS[media_type](value)


def _from_json(data: str | bytes) -> Any:
    return np.array(json.loads(data))


def _from_csv(data: str | bytes) -> Any:
    """Return a table of floats, an empty cell being NaN; a table of texts where some cell is no number."""
    text = data if isinstance(data, str) else data.decode()
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    try:
        return np.array([[float(cell or "nan") for cell in row] for row in rows])
    except ValueError:
        return np.array(rows)


def _from_npy(data: str | bytes) -> Any:
    assert isinstance(data, bytes)
    return np.load(io.BytesIO(data), allow_pickle=False)


def _from_npz(data: str | bytes) -> Any:
    import scipy.sparse  # half of an image's import time, and sparse requests are rare

    assert isinstance(data, bytes)
    return scipy.sparse.load_npz(io.BytesIO(data))


def _to_json(value: Any) -> bytes:
    return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _to_csv(value: Any) -> bytes:
    """Write the rows of a table, or one value per line of a list."""
    out = io.StringIO()
    np.savetxt(out, np.atleast_1d(np.asarray(value)), delimiter=",", fmt="%s")
    return out.getvalue().encode()


def _to_npy(value: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(value), allow_pickle=False)
    return out.getvalue()


_DECODERS: dict[str, Callable[[str | bytes], Any]] = {
    "application/json": _from_json,
    "text/csv": _from_csv,
    "application/x-npy": _from_npy,
    "application/x-npz": _from_npz,
}
_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "application/json": _to_json,
    "text/csv": _to_csv,
    "application/x-npy": _to_npy,
}
