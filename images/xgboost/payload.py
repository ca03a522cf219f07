"""Bytes to matrices: CSV, libsvm and RecordIO-protobuf, for requests and for training files alike."""

import io
import warnings
from typing import Any

import numpy as np

from _kit import record, recordio
from _kit.errors import ClientError
from _kit.media import media_type

KINDS = {
    "csv": "csv",
    "text/csv": "csv",
    "libsvm": "libsvm",
    "text/libsvm": "libsvm",
    "text/x-libsvm": "libsvm",
    "parquet": "parquet",
    "application/x-parquet": "parquet",
    "recordio-protobuf": "recordio-protobuf",
    "application/x-recordio-protobuf": "recordio-protobuf",
}


class UnsupportedTypeError(Exception):
    """A content type that the algorithm does not read."""


class PayloadError(ValueError):
    """Bytes that are not of their content type."""


def kind_of(content_type: str | None) -> str:
    """Return `csv`, `libsvm`, `parquet` or `recordio-protobuf`; libsvm where nothing is said.

    Raises UnsupportedTypeError, with the text of Amazon's container.
    """
    if content_type is None:
        return "libsvm"
    name, parameters = media_type(content_type)
    if name not in KINDS:
        raise UnsupportedTypeError(f"{content_type} is not an accepted ContentType: {', '.join(KINDS)}.")
    if KINDS[name] == "csv" and parameters.get("label_size", "1") != "1":
        raise UnsupportedTypeError(
            f"{content_type} is not an accepted csv ContentType. Optional parameter label_size must be equal to 1"
        )
    return KINDS[name]


def matrix(body: bytes, content_type: str | None) -> Any:
    """Return a request's rows: an array, or a CSR matrix where the format is sparse.

    Raises UnsupportedTypeError, PayloadError.
    """
    kind = kind_of(content_type)
    if kind == "parquet":
        raise UnsupportedTypeError(f"Content-type {content_type} is not supported.")
    try:
        if kind == "csv":
            return csv_rows(body.decode())
        if kind == "libsvm":
            return libsvm(body)[0]
        return records(body)[0]
    except (ValueError, ClientError) as error:
        raise PayloadError(
            f"Loading {kind} data failed with Exception, please ensure data is in {kind} format:\n "
            f"{type(error)}\n {error}"
        ) from error


def delimiter(line: str) -> str:
    """Return what separates the cells of a CSV line."""
    return next((mark for mark in ",\t;|" if mark in line), " " if " " in line.strip() else ",")


def csv_rows(text: str) -> Any:
    """Return the rows of a small CSV without header; an empty cell is a missing value. Raises ValueError."""
    text = text.strip("\r\n")
    mark = delimiter(text.partition("\n")[0])
    lines = text.split("\n")
    cells = [line.split(mark) for line in lines]
    try:
        return np.array([[float(cell) for cell in row] for row in cells], np.float32)
    except ValueError:
        return np.array([[float(cell.strip() or "nan") for cell in row] for row in cells], np.float32)


def libsvm(data: bytes) -> tuple[Any, Any, Any]:
    """Return the CSR matrix, the labels and the weights (None without) of libsvm lines `label[:weight] index:value …`.

    Indices are columns as they stand, counted from 0, as xgboost reads them. Raises ValueError naming the first line
    that is malformed.
    """
    from scipy.sparse import csr_matrix  # a third of the start of a server that is only ever asked for CSV

    lines = [line for line in (line.strip() for line in data.replace(b"\t", b" ").splitlines()) if line]
    text = b"\n".join(lines)
    try:
        numbers = _numbers(text)
    except ValueError as error:
        raise ValueError(_culprit(lines)) from error
    weighted = np.array([b":" in line.partition(b" ")[0] for line in lines], bool)
    pairs = np.array([line.count(b":") for line in lines], np.int64) - weighted
    starts = np.concatenate(([0], np.cumsum(1 + weighted + 2 * pairs)))
    if starts[-1] != len(numbers) or (weighted.any() and not weighted.all()):
        raise ValueError(_culprit(lines))
    labels = numbers[starts[:-1]]
    weights = numbers[starts[:-1] + 1] if weighted.any() else None
    body = np.ones(len(numbers), bool)
    body[starts[:-1]] = False
    if weights is not None:
        body[starts[:-1] + 1] = False
    columns, values = numbers[body][0::2], numbers[body][1::2]
    if (columns < 0).any() or (columns != np.floor(columns)).any():
        raise ValueError(_culprit(lines))
    indptr = np.concatenate(([0], np.cumsum(pairs)))
    width = int(columns.max()) + 1 if len(columns) else 0
    shape = (len(lines), width)
    return csr_matrix((values.astype(np.float32), columns.astype(np.int64), indptr), shape=shape), labels, weights


def _numbers(text: bytes) -> Any:
    if not text:
        return np.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how numpy says that it could not read to the end
        try:
            return np.fromstring(text.replace(b":", b" ").decode(), sep=" ")
        except DeprecationWarning as error:
            raise ValueError(str(error)) from error


def _culprit(lines: list[bytes]) -> str:
    """Return a sentence about the first line that is not libsvm."""
    weighted = bool(lines) and b":" in lines[0].split(b" ")[0]
    for line in lines:
        label, *features = line.split()
        parts = [label.split(b":"), *(feature.split(b":") for feature in features)]
        sizes = {len(part) for part in parts[1:]} | {2}
        if len(parts[0]) != 1 + weighted or sizes != {2} or not all(_fits(part) for part in parts):
            shown = line[:50].decode("utf-8", "replace")
            return f"'{shown}' is not 'LIBSVM' format: <label>(:<weight>) <index>:<value> <index>:<value> ..."
    return "the data is not 'LIBSVM' format"


def _fits(part: list[bytes]) -> bool:
    try:
        [float(word) for word in part]
    except ValueError:
        return False
    return True


def records(data: bytes) -> tuple[Any, Any]:
    """Return the features and the labels (None without) of RecordIO-protobuf data, sparse where the records are.

    Raises ValueError.
    """
    features: list[record.Tensor] = []
    labels: list[float] = []
    for payload in recordio.records(io.BytesIO(data)):
        one = record.decode(payload)
        if "values" not in one.features:
            raise ValueError('a record has no features["values"]')
        features.append(one.features["values"])
        if "values" in one.label:
            labels.extend(one.label["values"].values)
    if not features:
        raise ValueError("No records found in RecordIO-Protobuf data")
    if labels and len(labels) != len(features):
        raise ValueError(f"{len(features)} records have {len(labels)} labels")
    sparse = any(len(tensor.keys) or (tensor.shape and not tensor.values) for tensor in features)
    rows = _sparse(features) if sparse else _dense(features)
    return rows, np.array(labels, np.float32) if labels else None


def _dense(features: list[record.Tensor]) -> Any:
    widths = {len(tensor.values) for tensor in features}
    if len(widths) > 1:
        raise ValueError(f"records differ in their number of features: {sorted(widths)[:5]}")
    return np.array([tensor.values for tensor in features], np.float32)


def _sparse(features: list[record.Tensor]) -> Any:
    from scipy.sparse import csr_matrix  # as in `libsvm`

    indptr = np.cumsum([0, *(len(tensor.values) for tensor in features)])
    columns = np.concatenate([np.array(tensor.keys, np.int64) for tensor in features])
    values = np.concatenate([np.array(tensor.values, np.float32) for tensor in features])
    if len(columns) != len(values):
        raise ValueError("a sparse record has as many keys as values")
    widest = max((int(tensor.shape[0]) for tensor in features if tensor.shape), default=0)
    width = max(widest, int(columns.max()) + 1 if len(columns) else 0)
    return csr_matrix((values, columns, indptr), shape=(len(features), width))
