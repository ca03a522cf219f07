"""XGBoost's parsers against what was written, for thousands of generated files."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.images.contract import IMAGES

READER = """
import base64, json, sys, types
image = types.ModuleType("image"); image.__path__ = [sys.argv[1]]; sys.modules["image"] = image
from image import payload
def plain(rows):
    dense = rows.toarray() if hasattr(rows, "toarray") else rows
    return [[None if v != v else float(v) for v in row] for row in dense]
for line in sys.stdin:
    kind, data = json.loads(line)
    data = base64.b64decode(data)
    try:
        if kind == "csv": told = plain(payload.csv_rows(data.decode()))
        else:
            rows, labels, weights = payload.libsvm(data)
            told = [plain(rows), labels.tolist(), None if weights is None else weights.tolist()]
    except ValueError as error: told = {"error": str(error)}
    print(json.dumps(told), flush=True)
"""
NUMBER = st.floats(allow_nan=False, allow_infinity=False, width=32)
CELL = st.one_of(NUMBER, st.none())
LOOSE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def read(image_python: Callable[[str], Path]) -> Iterator[Callable[[str, bytes], Any]]:
    """Ask the image's parser."""
    with subprocess.Popen(
        [image_python("xgboost"), "-c", READER, IMAGES / "xgboost"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(IMAGES)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        source, sink = process.stdout, process.stdin

        def ask(kind: str, data: bytes) -> Any:
            sink.write(json.dumps([kind, base64.b64encode(data).decode()]) + "\n")
            sink.flush()
            return json.loads(source.readline())

        yield ask
        sink.close()


def _tables(cell: st.SearchStrategy[float | None]) -> st.SearchStrategy[list[list[float | None]]]:
    return st.integers(2, 6).flatmap(lambda width: st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1))


@LOOSE
@given(_tables(CELL), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_csv_is_read_as_it_was_written(
    read: Callable[[str, bytes], Any], table: list[list[float | None]], mark: str, end: str
) -> None:
    text = end.join(mark.join("" if cell is None else repr(cell) for cell in row) for row in table) + end
    assert read("csv", text.encode()) == table


ROW = st.tuples(NUMBER, st.dictionaries(st.integers(0, 50), NUMBER, max_size=8))


@LOOSE
@given(st.lists(ROW, min_size=1, max_size=20), st.lists(NUMBER, min_size=20, max_size=20), st.booleans(), st.booleans())
def test_libsvm_is_read_as_it_was_written(
    read: Callable[[str, bytes], Any],
    table: list[tuple[float, dict[int, float]]],
    weights: list[float],
    weighted: bool,
    loose: bool,
) -> None:
    gap = "  " if loose else " "
    lines = [
        gap.join(
            [f"{label!r}:{weight!r}" if weighted else repr(label), *(f"{key}:{value!r}" for key, value in row.items())]
        )
        for (label, row), weight in zip(table, weights, strict=False)
    ]
    rows, labels, told = read("libsvm", ("\n\n" if loose else "\n").join(lines).encode() + b"\n")
    width = max((key + 1 for _, row in table for key in row), default=0)
    assert rows == [[row.get(column, 0.0) for column in range(width)] for _, row in table]
    assert labels == [label for label, _ in table]
    assert told == (weights[: len(table)] if weighted else None)


@LOOSE
@given(st.text(alphabet="0123456789.:- \ne", max_size=60))
def test_whatever_else_is_called_libsvm_is_refused_or_read(read: Callable[[str, bytes], Any], text: str) -> None:
    told = read("libsvm", text.encode())
    if isinstance(told, dict):
        assert "'LIBSVM' format" in told["error"]
    else:
        assert len(told[1]) == len([line for line in text.split("\n") if line.strip()])


def test_the_first_malformed_line_is_named(read: Callable[[str, bytes], Any]) -> None:
    assert read("libsvm", b"1 0:2 3:4\n0 0:1 2\n")["error"].startswith("'0 0:1 2' is not 'LIBSVM' format")
    assert read("libsvm", b"1 0:2\n1:0.5 0:2\n")["error"].startswith("'1:0.5 0:2' is not 'LIBSVM' format")
    assert read("libsvm", b"1 -3:2\n")["error"] == "the data is not 'LIBSVM' format"
