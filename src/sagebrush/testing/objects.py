"""What every object store must do.

Subclass the class in a test module and give it the fixture `restart`: a function that opens the store, each time over
the same bytes, which at first are none.
"""

import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import pytest

from sagebrush.kernel.objects.base import Blob, MissingBlobError, ObjectStore

Restart = Callable[[], ObjectStore]
"""Opens the store over the same bytes, as a new process does after a crash."""


def stored(store: ObjectStore, data: bytes) -> Blob:
    """Return a kept blob of these bytes."""
    blob = finished(store, data)
    store.keep([blob.id])
    return blob


def finished(store: ObjectStore, data: bytes) -> Blob:
    """Return a blob of these bytes that is not kept yet."""
    draft = store.begin()
    draft.write([data])
    return draft.finish()


def content(store: ObjectStore, blob: Blob) -> bytes:
    """Return all of a blob's bytes."""
    reader = store.open(blob.id)
    try:
        return reader.read(0, blob.size + 1)
    finally:
        reader.close()


class ObjectStoreConformance:
    """What every object store does."""

    @pytest.fixture
    def store(self, restart: Restart) -> ObjectStore:
        """Give an empty store."""
        return restart()

    def test_a_blob_holds_the_chunks_in_their_order(self, store: ObjectStore) -> None:
        """Any number of chunks, empty ones too."""
        draft = store.begin()
        draft.write([b"one ", b"", b"two "])
        draft.write([])
        draft.write([b"x" * 100] * 3000)
        blob = draft.finish()
        expected = b"one two " + b"x" * 300_000
        assert blob.size == len(expected)
        assert content(store, blob) == expected

    def test_an_empty_blob_is_a_blob(self, store: ObjectStore) -> None:
        """Zero bytes, not nothing."""
        blob = stored(store, b"")
        assert blob.size == 0
        assert content(store, blob) == b""

    def test_no_two_blobs_share_an_id(self, store: ObjectStore) -> None:
        """Not even blobs of the same bytes."""
        assert len({stored(store, b"same").id for _ in range(50)}) == 50

    def test_any_range_can_be_read_in_any_order(self, store: ObjectStore) -> None:
        """A read past the end is short."""
        data = bytes(range(256)) * 40
        blob = stored(store, data)
        reader = store.open(blob.id)
        for offset, length in ((5000, 10), (0, 3), (10_230, 100), (20_000, 5), (7, 0)):
            assert reader.read(offset, length) == data[offset : offset + length]
        assert isinstance(reader.ready(0, 10), bool)
        reader.close()
        reader.close()

    def test_an_unknown_blob_is_missing(self, store: ObjectStore, tmp_path: Path) -> None:
        """Whatever is done with it."""
        blob = stored(store, b"x")
        store.discard([blob.id])
        with pytest.raises(MissingBlobError):
            store.open(blob.id)
        with pytest.raises(MissingBlobError):
            store.copy(blob.id)
        with suppress(MissingBlobError):
            assert not store.link(blob.id, tmp_path / "link")
        assert not (tmp_path / "link").exists()
        with pytest.raises(MissingBlobError):
            store.join([blob, blob])

    def test_discarding_and_keeping_again_change_nothing(self, store: ObjectStore) -> None:
        """Both are repeated after a crash."""
        kept, gone = stored(store, b"kept"), stored(store, b"gone")
        store.keep([kept.id])
        store.discard([gone.id])
        store.discard([gone.id])
        assert content(store, kept) == b"kept"

    def test_an_open_blob_can_be_read_after_it_was_discarded(self, store: ObjectStore) -> None:
        """So does a GET whose key is overwritten midway."""
        blob = stored(store, b"old bytes")
        reader = store.open(blob.id)
        store.discard([blob.id])
        assert reader.read(4, 5) == b"bytes"
        reader.close()

    def test_an_aborted_draft_leaves_nothing(self, store: ObjectStore, restart: Restart) -> None:
        """And to abort a finished one does nothing."""
        draft = store.begin()
        draft.write([b"half"])
        draft.abort()
        draft.abort()
        other = store.begin()
        other.write([b"whole"])
        blob = other.finish()
        other.abort()
        assert content(store, blob) == b"whole"
        left: list[Collection[str]] = []

        def live(blobs: Collection[str]) -> Collection[str]:
            left.append(sorted(blobs))
            return blobs

        restart().recover(live)
        assert left == [[blob.id]]

    def test_a_restart_drops_what_was_not_kept_unless_it_is_in_use(self, store: ObjectStore, restart: Restart) -> None:
        """The index is asked about no more than what was under way."""
        kept = stored(store, b"kept")
        used, unused = finished(store, b"used"), finished(store, b"unused")
        half = store.begin()
        half.write([b"half"])
        again = restart()
        asked: set[str] = set()

        def live(blobs: Collection[str]) -> set[str]:
            asked.update(blobs)
            return {used.id}

        again.recover(live)
        assert {used.id, unused.id} <= asked
        assert kept.id not in asked
        assert content(again, kept) == b"kept"
        assert content(again, used) == b"used"
        with pytest.raises(MissingBlobError):
            again.open(unused.id)
        again.recover(lambda blobs: pytest.fail(f"{blobs} were left") if blobs else blobs)
        half.abort()

    def test_a_copy_lives_longer_than_its_source(self, store: ObjectStore) -> None:
        """Each is discarded by itself."""
        source = stored(store, b"bytes")
        copy = store.copy(source.id)
        store.keep([copy.id])
        assert copy.size == 5
        assert copy.id != source.id
        store.discard([source.id])
        assert content(store, copy) == b"bytes"

    def test_joined_parts_follow_each_other(self, store: ObjectStore) -> None:
        """And stay when the parts are discarded."""
        parts = [stored(store, bytes([number]) * (number * 1000)) for number in range(1, 6)]
        expected = b"".join(content(store, part) for part in parts)
        whole = store.join(parts)
        store.keep([whole.id])
        store.discard(part.id for part in parts)
        assert whole.size == len(expected)
        assert content(store, whole) == expected

    def test_parts_can_be_joined_again_after_a_join_came_to_nothing(self, store: ObjectStore) -> None:
        """In another order and number, as a client may complete an upload otherwise the second time."""
        one, two, three = (stored(store, text) for text in (b"one", b"two", b"three"))
        first = store.join([one, two, three])
        store.discard([first.id])
        again = store.join([one, three])
        assert content(store, again) == b"onethree"
        store.discard([again.id])
        assert content(store, store.join([two])) == b"two"

    def test_a_join_that_was_cut_off_does_no_harm(self, store: ObjectStore, restart: Restart) -> None:
        """The joined blob got no row: the parts count as they were."""
        one, two = stored(store, b"one"), stored(store, b"two")
        store.join([one, two])
        again = restart()
        again.recover(lambda _: ())
        assert content(again, again.join([one, two])) == b"onetwo"

    def test_a_file_given_away_is_gone_from_its_place(self, store: ObjectStore, tmp_path: Path) -> None:
        """And is a blob now."""
        path = tmp_path / "model.tar.gz"
        path.write_bytes(b"weights")
        blob = store.adopt(path)
        store.keep([blob.id])
        assert not path.exists()
        assert blob.size == 7
        assert content(store, blob) == b"weights"

    def test_a_file_with_another_name_is_not_shared_with_it(self, store: ObjectStore, tmp_path: Path) -> None:
        """Whoever has the other name could change the blob."""
        path, other = tmp_path / "one", tmp_path / "other"
        path.write_bytes(b"first")
        other.hardlink_to(path)
        blob = store.adopt(path)
        other.write_bytes(b"later")
        assert content(store, blob) == b"first"

    def test_only_regular_files_are_taken(self, store: ObjectStore, tmp_path: Path) -> None:
        """A link could lead anywhere."""
        target, link = tmp_path / "secret", tmp_path / "link"
        target.write_bytes(b"secret")
        link.symlink_to(target)
        with pytest.raises(ValueError, match="not a regular file"):
            store.adopt(link)
        assert target.read_bytes() == b"secret"

    def test_a_link_shows_the_blob_as_a_file(self, store: ObjectStore, tmp_path: Path) -> None:
        """Where the store can; it stays when the blob is discarded."""
        blob = stored(store, b"data")
        path = tmp_path / "channel"
        if not store.link(blob.id, path):
            assert not path.exists()
            return
        store.discard([blob.id])
        assert path.read_bytes() == b"data"
        assert path.stat().st_mode & 0o222 == 0

    def test_a_link_replaces_no_file(self, store: ObjectStore, tmp_path: Path) -> None:
        """Nor is a folder made for it."""
        blob = stored(store, b"data")
        path = tmp_path / "taken"
        path.write_bytes(b"mine")
        if store.link(blob.id, tmp_path / "free"):
            with pytest.raises(FileExistsError):
                store.link(blob.id, path)
            with pytest.raises(FileNotFoundError):
                store.link(blob.id, tmp_path / "no" / "folder")
        assert path.read_bytes() == b"mine"

    def test_a_blob_can_be_opened_at_any_moment_of_its_keeping(self, store: ObjectStore) -> None:
        """A reader that comes while a blob is being kept finds it before, during and after."""
        blobs = [finished(store, b"x") for _ in range(300)]
        ready = threading.Barrier(2)

        def keep() -> None:
            ready.wait()
            for blob in blobs:
                store.keep([blob.id])

        keeper = threading.Thread(target=keep)
        keeper.start()
        ready.wait()
        for blob in blobs:
            assert content(store, blob) == b"x"
        keeper.join()
