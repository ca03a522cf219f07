"""The built-in algorithm's channels: their files, whatever the format, as one table each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _kit.errors import ClientError
from _kit.log import logger

from . import payload

_log = logger("sagemaker-xgboost")


@dataclass(frozen=True)
class Table:
    """Rows to train on; `features` is an array, or a CSR matrix for sparse formats. `weights` is None without."""

    features: Any
    labels: Any
    weights: Any = None


def check(channels: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse channels that the algorithm does not take, by name. Raises ClientError."""
    if "train" not in channels:
        raise ClientError("Missing required channel: train")
    for name, config in channels.items():
        if name not in ("train", "validation", "code"):
            raise ClientError(f"Extraneous channel found: {name}")
        if config.get("TrainingInputMode") == "Pipe":
            raise ClientError(
                f"Channel {name}: Pipe mode is no longer supported. Please use Fast File mode instead: "
                "set input_mode='FastFile' in your SageMaker Estimator or TrainingInput."
            )


def read(folder: Path, content_type: str | None, *, csv_weights: bool = False) -> Table:
    """Return all rows of a channel, its files in their names' order. Raises ClientError."""
    try:
        kind = payload.kind_of(content_type)
    except payload.UnsupportedTypeError as error:
        raise ClientError(str(error)) from error
    files = _files(folder)
    if not files:
        raise ClientError(f"No data in the channel at path {folder}")
    tables = [_read(path, kind, csv_weights=csv_weights) for path in files]
    return together(tables)


def widened(table: Table, width: int) -> Table:
    """Return the table with at least `width` columns; the new ones are missing everywhere. Sparse tables only."""
    if isinstance(table.features, np.ndarray) or table.features.shape[1] >= width:
        return table
    features = table.features.copy()
    features.resize((features.shape[0], width))
    return Table(features, table.labels, table.weights)


def _files(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        if path.name.startswith("."):
            raise ClientError(f"Hidden file found in the data path! Remove that before training: {path.name}")
        if not path.name.startswith("_") and path.stat().st_size:
            found.append(path)
    return found


def _read(path: Path, kind: str, *, csv_weights: bool) -> Table:
    if csv_weights and kind != "csv":
        raise ClientError("Hyperparameter csv_weights: weights in the second column are for CSV data only")
    readers: dict[str, Callable[[], Table]] = {
        "csv": lambda: _csv(path, csv_weights=csv_weights),
        "libsvm": lambda: Table(*payload.libsvm(path.read_bytes())),
        "parquet": lambda: _parquet(path),
        "recordio-protobuf": lambda: _records(path),
    }
    try:
        return readers[kind]()
    except (ValueError, OSError) as error:  # pyarrow's errors are ValueErrors
        text = str(error).partition("\n")[0]
        raise ClientError(f"Failed to load {kind} data with exception:\n{path.name}: {text}") from error


def _csv(path: Path, *, csv_weights: bool) -> Table:
    import pyarrow as pa  # an import of 0.1 s, for training on files only
    from pyarrow import csv

    with path.open("rb") as source:
        line = source.readline().decode("utf-8", "replace")
    mark = payload.delimiter(line)
    names = [f"f{place}" for place in range(len(line.rstrip("\r\n").split(mark)))]
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=names),
        parse_options=csv.ParseOptions(delimiter=mark),
        convert_options=csv.ConvertOptions(
            column_types={name: pa.float32() for name in names}, null_values=["", "nan", "NaN", "NA", "null", "?"]
        ),
    )
    return _split(_columns(table), 2 if csv_weights else 1)


def _parquet(path: Path) -> Table:
    from pyarrow import parquet  # as in `_csv`

    return _split(_columns(parquet.read_table(path)), 1)


def _columns(table: Any) -> Any:
    """Return an Arrow table as a matrix of 32-bit floats, a null being NaN."""
    out = np.empty((table.num_rows, table.num_columns), np.float32)
    for place, column in enumerate(table.columns):
        out[:, place] = column.to_numpy()
    return out


def _split(rows: Any, leading: int) -> Table:
    """Split label, weight and features: the first `leading` columns are not features."""
    if rows.shape[1] <= leading:
        raise ValueError(f"rows have {rows.shape[1]} columns: a label and at least one feature are needed")
    return Table(rows[:, leading:], rows[:, 0], rows[:, 1] if leading == 2 else None)


def _records(path: Path) -> Table:
    features, labels = payload.records(path.read_bytes())
    if labels is None:
        raise ValueError("Got input data without labels. Please check the input data set.")
    return Table(features, labels)


def together(tables: list[Table]) -> Table:
    """Return the rows of all tables, one after the other. Raises ClientError."""
    if len(tables) == 1:
        return tables[0]
    widths = {table.features.shape[1] for table in tables}
    dense = all(isinstance(table.features, np.ndarray) for table in tables)
    if dense and len(widths) > 1:
        raise ClientError(f"The channel's files differ in their number of columns: {sorted(widths)[:5]} features")
    labels = np.concatenate([table.labels for table in tables])
    weighted = {table.weights is not None for table in tables}
    if len(weighted) > 1:
        raise ClientError("Some of the channel's files have instance weights and some have none")
    weights = np.concatenate([table.weights for table in tables]) if weighted == {True} else None
    if dense:
        return Table(np.concatenate([table.features for table in tables]), labels, weights)
    from scipy.sparse import csr_matrix, vstack  # only sparse formats need it

    rows = [csr_matrix(table.features) for table in (widened(table, max(widths)) for table in tables)]
    return Table(vstack(rows, format="csr"), labels, weights)


def same_files(train: Path, validation: Path) -> None:
    """Warn where both channels seem to hold the same file."""
    seen = {path.name: path.stat().st_size for path in _files(train)}
    for path in _files(validation):
        if seen.get(path.name) == path.stat().st_size:
            _log.warning("Suspected identical files found: %s is in the train and the validation channel", path.name)
