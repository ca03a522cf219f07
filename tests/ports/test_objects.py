"""The object store in local files keeps the contract of the objects port, and some promises of its own."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from sagebrush.kernel.objects import files
from sagebrush.kernel.objects.base import Blob, MissingBlobError
from sagebrush.kernel.objects.files import FileStore
from sagebrush.kernel.objects.reading import CHUNK, Reading
from sagebrush.testing.objects import ObjectStoreConformance, Restart, content, finished, stored


class TestFileStore(ObjectStoreConformance):
    @pytest.fixture
    def restart(self, tmp_path: Path) -> Restart:
        return lambda: FileStore(tmp_path / "objects")


class TestFileStoreWithoutLinks(TestFileStore):
    """On file systems without hard links or range copies everything works, by copying."""

    @pytest.fixture(autouse=True)
    def _no_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        link = os.link

        def refuse(source: object, *target: object) -> None:
            if "objects" in str(source) or isinstance(source, int):
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            link(str(source), str(*target))

        monkeypatch.setattr(os, "link", refuse)
        monkeypatch.setattr(os, "copy_file_range", refuse)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "objects")


def test_a_copy_shares_the_bytes_on_disk(store: FileStore, tmp_path: Path) -> None:
    source = stored(store, b"x" * 100_000)
    copy = store.copy(source.id)
    store.keep([copy.id])
    inodes = {path.stat().st_ino for path in (tmp_path / "objects").rglob("*") if path.is_file()}
    assert len(inodes) == 1


def test_a_linked_object_costs_no_bytes(store: FileStore, tmp_path: Path) -> None:
    blob = stored(store, b"x" * 100_000)
    assert Reading(store, blob).link(tmp_path / "channel")
    assert (tmp_path / "channel").stat().st_nlink == 2


def test_files_of_the_store_are_read_only(store: FileStore, tmp_path: Path) -> None:
    whole = store.join([stored(store, b"one"), stored(store, b"two")])
    store.keep([whole.id])
    given = tmp_path / "given"
    given.write_bytes(b"x")
    store.keep([store.adopt(given).id])
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "objects").rglob("*") if path.is_file()}
    assert modes == {0o444}


def test_a_part_that_is_shorter_than_its_row_says_is_not_passed_over(store: FileStore) -> None:
    one, two = stored(store, b"one"), stored(store, b"two")
    with pytest.raises(MissingBlobError):
        store.join([one, Blob(two.id, 30)])
    assert content(store, store.join([one, two])) == b"onetwo"


def test_a_failed_join_leaves_no_file(store: FileStore, tmp_path: Path) -> None:
    one = stored(store, b"one")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MissingBlobError):
        store.join([one, Blob("ab" * 16, 3)])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_reader_lets_go_of_its_file(store: FileStore) -> None:
    blob = finished(store, b"x" * 10)
    before = _descriptors()
    for _ in range(20):
        Reading(store, blob)
        Reading(store, blob).read()
    assert _descriptors() == before


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_a_reading_gives_the_same_bytes_in_all_its_ways(store: FileStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    blob = finished(store, data)
    assert Reading(store, blob).read() == data
    assert asyncio.run(Reading(store, blob).drain()) == data
    Reading(store, blob).save(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == data
    start, end = size // 3, size - size // 4
    assert Reading(store, blob, start, end).read() == data[start:end]
    assert len(Reading(store, blob, start, end)) == end - start


def test_what_is_not_in_memory_is_read_off_the_event_loop(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = finished(store, b"cold bytes")
    monkeypatch.setattr(files.FileReader, "ready", lambda *_: False)
    assert asyncio.run(Reading(store, blob).drain()) == b"cold bytes"


def test_a_range_is_not_linked(store: FileStore, tmp_path: Path) -> None:
    blob = finished(store, b"0123456789")
    assert not Reading(store, blob, 2, 5).link(tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_a_saved_copy_is_private(store: FileStore, tmp_path: Path) -> None:
    blob = finished(store, b"original")
    Reading(store, blob).save(tmp_path / "mine")
    (tmp_path / "mine").write_bytes(b"changed")
    assert content(store, blob) == b"original"


def test_a_blob_that_lost_bytes_is_an_error_not_a_short_answer(store: FileStore, tmp_path: Path) -> None:
    blob = stored(store, b"0123456789")
    path = next(path for path in (tmp_path / "objects").rglob("*") if path.is_file())
    path.chmod(0o644)
    path.write_bytes(b"0123")
    with pytest.raises(OSError, match="shorter"):
        Reading(store, blob).read()
