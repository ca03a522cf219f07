"""Batch transform's parts: splitting, JSONPath, filters and joins."""

import io
import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _kit import recordio
from batch import jsonpath
from batch.plan import Plan
from batch.processing import Processing
from batch.split import payloads, pieces

LINES = st.lists(
    st.binary(min_size=1, max_size=20).map(lambda data: data.translate(None, b"\r\n") or b"x"), max_size=30
)
LIMIT = st.one_of(st.none(), st.integers(64, 200))


def tfrecord(data: bytes) -> bytes:
    """Frame a record as TensorFlow does; the checksums are not looked at."""
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", zlib.crc32(head)) + data + struct.pack("<I", zlib.crc32(data))


@given(LINES, st.booleans(), st.booleans(), LIMIT)
def test_payloads_put_together_are_the_object(lines: list[bytes], ended: bool, single: bool, limit: int | None) -> None:
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    made = list(payloads(pieces(io.BytesIO(data), "Line", limit), single=single, limit=limit))
    assert b"".join(piece.raw for batch in made for piece in batch) == data
    assert [piece.content for batch in made for piece in batch] == lines
    assert all(batch and (len(batch) == 1 or not single) for batch in made)
    assert all(sum(len(piece.raw) for piece in batch) <= (limit or len(data)) for batch in made)
    sizes = [sum(len(piece.raw) for piece in batch) for batch in made]
    if limit and not single:  # no payload could have taken the next record
        assert all(size + len(after[0].raw) > limit for size, after in zip(sizes, made[1:], strict=False))


@given(st.lists(st.binary(max_size=40), max_size=20), st.sampled_from(["RecordIO", "TFRecord"]), LIMIT)
def test_binary_records_keep_their_frames_together_and_lose_them_alone(
    contents: list[bytes], kind: str, limit: int | None
) -> None:
    data = b"".join(map(recordio.frame if kind == "RecordIO" else tfrecord, contents))
    made = list(pieces(io.BytesIO(data), kind, limit))
    assert b"".join(piece.raw for piece in made) == data
    assert [piece.content for piece in made] == contents
    plan = Plan.of({"TransformInput": {"SplitType": kind}, "BatchStrategy": "SingleRecord"}, {})
    assert [plan.payload([piece]) for piece in made] == contents
    plan = Plan.of({"TransformInput": {"SplitType": kind}, "BatchStrategy": "MultiRecord"}, {})
    assert plan.payload(made) == data


@pytest.mark.parametrize("kind", ["None", "Line", "RecordIO", "TFRecord"])
def test_a_record_that_is_too_large_is_refused(kind: str) -> None:
    content = b"x" * 100
    data = {"RecordIO": recordio.frame(content), "TFRecord": tfrecord(content)}.get(kind, content)
    with pytest.raises(ValueError, match=r"larger than 64 bytes \(MaxPayloadInMB\)"):
        list(pieces(io.BytesIO(data), kind, 64))


def test_an_empty_object_has_no_records() -> None:
    for kind in ("None", "Line", "RecordIO", "TFRecord"):
        assert list(pieces(io.BytesIO(b""), kind, 10)) == []


def test_a_truncated_tfrecord_is_refused() -> None:
    with pytest.raises(ValueError, match="truncated TFRecord"):
        list(pieces(io.BytesIO(tfrecord(b"abc")[:-1]), "TFRecord", None))


ROW = ["a", "b", "c", "d"]
DOCUMENT = {"id": 7, "features": [1, 2, 3, 4], "deep": {"x": 1, "y": [{"z": 5}, {"z": 6}]}}
PATHS = [
    ("$", ROW, ROW),
    ("$[1]", ROW, "b"),
    ("$[-1]", ROW, "d"),
    ("$[0,-1]", ROW, ["a", "d"]),
    ("$[ 2 , 0 ]", ROW, ["c", "a"]),
    ("$[1:3]", ROW, ["b", "c"]),
    ("$[:2]", ROW, ["a", "b"]),
    ("$[2:]", ROW, ["c", "d"]),
    ("$[-2:]", ROW, ["c", "d"]),
    ("$[1:]", ROW, ["b", "c", "d"]),
    ("$[*]", ROW, ROW),
    ("$.id", DOCUMENT, 7),
    ("$['id']", DOCUMENT, 7),
    ("$.features", DOCUMENT, [1, 2, 3, 4]),
    ("$.features[0]", DOCUMENT, 1),
    ("$.features[1:3]", DOCUMENT, [2, 3]),
    ("$['id','features']", DOCUMENT, {"id": 7, "features": [1, 2, 3, 4]}),
    ("$.deep.x", DOCUMENT, 1),
    ("$.deep.y[*].z", DOCUMENT, [5, 6]),
    ("$['deep']['y'][1].z", DOCUMENT, 6),
    ("$.deep.*", DOCUMENT, [1, [{"z": 5}, {"z": 6}]]),
]


@pytest.mark.parametrize(("path", "document", "found"), PATHS)
def test_paths_lead_where_jsonpath_says(path: str, document: object, found: object) -> None:
    assert jsonpath.parse(path)(document) == found


@pytest.mark.parametrize("path", ["$[4]", "$[0,9]", "$.name", "$['x','y']"])
def test_a_path_into_nothing_is_an_error(path: str) -> None:
    with pytest.raises(jsonpath.PathError, match="leads nowhere"):
        jsonpath.parse(path)(ROW if path[1] == "[" and "'" not in path else {"x": 1})


@pytest.mark.parametrize("path", ["", "id", "$..id", "$[?(@.a)]", "$[", "$.a b", "$[1:2:3]", "$['a]"])
def test_what_is_not_supported_is_refused(path: str) -> None:
    with pytest.raises(jsonpath.PathError, match="not a JSONPath"):
        jsonpath.parse(path)


@given(
    st.lists(st.integers(), max_size=8),
    st.one_of(st.none(), st.integers(-9, 9)),
    st.one_of(st.none(), st.integers(-9, 9)),
)
def test_slices_are_those_of_the_language(row: list[int], start: int | None, end: int | None) -> None:
    text = f"$[{'' if start is None else start}:{'' if end is None else end}]"
    assert jsonpath.parse(text)(row) == row[start:end]


def processing(kind: str, split: str = "Line", **members: str) -> Processing:
    """Return the processing of a job whose input and output are of one type."""
    return Processing.of(members, kind, kind, split)


def test_csv_rows_are_filtered_joined_and_filtered_again() -> None:
    job = processing("text/csv", InputFilter="$[1:]", JoinSource="Input", OutputFilter="$[0,-1]")
    assert job.filtered(b'7,"a, b",c') == b'"a, b",c\n'
    assert job.rewritten([b"7,1,2", b"8,3,4"], b"0.5\n0.7\n") == b"7,0.5\n8,0.7\n"
    assert processing("text/csv", OutputFilter="$[0]").rewritten([b"1", b"2"], b"5,6\n7,8\n") == b"5\n7\n"


def test_json_lines_are_joined_under_awss_names() -> None:
    job = processing("application/jsonlines", JoinSource="Input")
    joined = job.rewritten([b'{"id":1}', b"[1,2]"], b'{"score":0.5}\n0.7\n').splitlines()
    assert json.loads(joined[0]) == {"id": 1, "SageMakerOutput": {"score": 0.5}}
    assert json.loads(joined[1]) == {"SageMakerInput": [1, 2], "SageMakerOutput": 0.7}
    job = processing("application/jsonlines", JoinSource="Input", OutputFilter="$['id','SageMakerOutput']")
    assert json.loads(job.rewritten([b'{"id":1,"x":2}'], b"3\n")) == {"id": 1, "SageMakerOutput": 3}


def test_a_json_document_is_one_record() -> None:
    job = processing(
        "application/json", "None", InputFilter="$.instances", JoinSource="Input", OutputFilter="$.SageMakerOutput.p"
    )
    assert job.filtered(b'{"instances": [1, 2]}') == b"[1, 2]"
    assert job.rewritten([b'{"instances": [1, 2]}'], b'{"p": [0.1]}') == b"[0.1]"


def test_joins_need_as_many_answers_as_records() -> None:
    with pytest.raises(ValueError, match="1 predictions for 2 records"):
        processing("text/csv", JoinSource="Input").rewritten([b"1", b"2"], b"0.5,0.7\n")


@pytest.mark.parametrize(
    ("members", "content_type", "accept", "split", "told"),
    [
        ({"JoinSource": "Input"}, "image/png", None, "None", "needs ContentType text/csv"),
        ({"InputFilter": "$[1]"}, None, None, "Line", "needs ContentType text/csv"),
        ({"JoinSource": "Input"}, "text/csv", "application/json", "Line", "the same format in and out"),
        ({"OutputFilter": "$[0]"}, "text/csv", "text/csv", "None", "needs SplitType Line"),
        ({"OutputFilter": "$..x"}, "text/csv", "text/csv", "Line", "not a JSONPath"),
    ],
)
def test_processing_that_cannot_be_done_is_refused_before_it_begins(
    members: dict[str, str], content_type: str | None, accept: str | None, split: str, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Processing.of(members, content_type, accept, split)


def test_the_request_comes_before_what_the_container_says_and_that_before_the_defaults() -> None:
    told = {"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 20}
    assert Plan.of({}, {}).summary == "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"
    assert Plan.of({}, told).summary == "MaxConcurrentTransforms=8, MaxPayloadInMB=20, BatchStrategy=SINGLE_RECORD"
    asked = {"MaxConcurrentTransforms": 2, "BatchStrategy": "MultiRecord", "MaxPayloadInMB": 0}
    assert Plan.of(asked, told).summary == "MaxConcurrentTransforms=2, MaxPayloadInMB=0, BatchStrategy=MULTI_RECORD"
    assert Plan.of(asked, told).limit is None
