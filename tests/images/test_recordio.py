"""RecordIO framing and Amazon's Record message, read and written without protobuf."""

import contextlib
import gzip
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import SHARED

from _kit import record, recordio

FLOAT = st.floats(allow_nan=False, width=32)
KEYS = st.integers(0, 2**64 - 1)
TENSORS = st.one_of(
    st.builds(record.tensor, st.lists(FLOAT), st.just("float32"), st.lists(KEYS), st.lists(KEYS)),
    st.builds(record.tensor, st.lists(st.floats(allow_nan=False)), st.just("float64"), st.lists(KEYS), st.lists(KEYS)),
    st.builds(
        record.tensor, st.lists(st.integers(-(2**31), 2**31 - 1)), st.just("int32"), st.lists(KEYS), st.lists(KEYS)
    ),
)
RECORDS = st.builds(record.Record, st.dictionaries(st.text(), TENSORS), st.dictionaries(st.text(), TENSORS))


@given(st.lists(st.binary(max_size=50)))
def test_frames_come_back_as_they_went_in(payloads: list[bytes]) -> None:
    stream = b"".join(map(recordio.frame, payloads))
    assert len(stream) % 4 == 0
    assert list(recordio.records(io.BytesIO(stream))) == payloads


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1), st.data())
def test_a_stream_that_is_cut_within_a_record_is_refused(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(recordio.frame, payloads))
    last = len(recordio.frame(payloads[-1]))
    cut = data.draw(st.integers(len(stream) - last + 1, len(stream) - (-len(payloads[-1]) % 4) - 1))
    with pytest.raises(ValueError, match="truncated"):
        list(recordio.records(io.BytesIO(stream[:cut])))


def test_the_parts_of_a_split_record_are_put_together() -> None:
    parts = b"".join(
        struct.pack("<II", recordio.MAGIC, flag << 29 | 4) + part
        for flag, part in ((1, b"abcd"), (2, b"efgh"), (3, b"ijkl"))
    )
    magic = struct.pack("<I", recordio.MAGIC)
    assert list(recordio.records(io.BytesIO(parts))) == [magic.join((b"abcd", b"efgh", b"ijkl"))]


@given(RECORDS)
def test_records_come_back_as_they_went_in(one: record.Record) -> None:
    assert record.decode(record.encode(one)) == one


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        record.decode(data)


def test_the_encoding_is_protobufs() -> None:
    """Against bytes written by hand from the encoding's specification."""
    one = record.Record({"values": record.tensor([1.5], keys=[300], shape=[2])}, {})
    tensor = b"\x0a\x04" + struct.pack("<f", 1.5) + b"\x12\x02\xac\x02" + b"\x1a\x01\x02"
    value = b"\x12" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values\x12" + bytes([len(value)]) + value
    assert record.encode(one) == b"\x0a" + bytes([len(entry)]) + entry


def test_unpacked_numbers_are_read_too() -> None:
    tensor = b"\x08\x05\x08" + b"\xff" * 9 + b"\x01"  # int32 5 and -1, one field each
    value = b"\x3a" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values\x12" + bytes([len(value)]) + value
    assert list(record.decode(b"\x12" + bytes([len(entry)]) + entry).label["values"].values) == [5, -1]


@pytest.mark.parametrize(
    ("name", "count", "sparse"), [("protobuf_data_matrix_0", 100, False), ("lda_nips-train_1", 350, True)]
)
def test_a_file_written_by_amazons_sdk_is_read(name: str, count: int, sparse: bool) -> None:
    path = SHARED / f"data/sagemaker-sdk/{name}.pbr.gz"
    if not path.exists():
        pytest.skip("../shared/data/sagemaker-sdk is not here")
    data = gzip.decompress(path.read_bytes())
    records = [record.decode(payload) for payload in recordio.records(io.BytesIO(data))]
    assert len(records) == count
    tensors = [one.features["values"] for one in records]
    assert all(len(tensor.keys) == (len(tensor.values) if sparse else 0) for tensor in tensors)
    assert all(len(tensor.values) for tensor in tensors)
    assert b"".join(recordio.frame(record.encode(one)) for one in records) == data
