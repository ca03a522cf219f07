"""The key index: order, common prefixes, checks within the commit, and nothing lost track of in a crash."""

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.kernel.objects.base import MissingBlobError
from sagebrush.kernel.objects.files import FileStore
from sagebrush.kernel.objects.recovery import recover
from sagebrush.kernel.state.keys import SCHEMA, Bucket, Entry, KeyIndex, MissingBucketError, NotEmptyError
from sagebrush.kernel.state.sqlite import Database
from sagebrush.kernel.state.uploads import CompletingError, MissingUploadError, Part, Upload
from sagebrush.kernel.state.walk import after, beyond
from sagebrush.testing.objects import content, finished, stored

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
KEYS = st.text(st.sampled_from("ab/-é\U0010ffff\ud7ff\ue000"), min_size=1, max_size=6)


def entry(key: str, blob: str = "b", bucket: str = "bucket", **changes: object) -> Entry:
    made = Entry(bucket, key, 1, "etag", 0, blob, "STANDARD", "CRC32", "x", "FULL_OBJECT", "", "{}")
    return made._replace(**changes)  # type: ignore[arg-type]


def anything(_: Entry | None) -> None:
    """Any state of the key is fine."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "objects.db", SCHEMA)
    yield made
    made.close()


@pytest.fixture
def index(database: Database) -> KeyIndex:
    made = KeyIndex(database)
    made.create_bucket(Bucket("bucket", "123456789012", "us-east-1", 0))
    return made


@given(TEXT, TEXT)
def test_no_string_lies_between_a_key_and_the_one_after(one: str, other: str) -> None:
    assert after(one) > one
    assert not one < other < after(one)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), TEXT)
def test_what_is_beyond_a_prefix_is_the_first_string_without_it(prefix: str, other: str) -> None:
    end = beyond(prefix)
    if end is None:
        assert set(prefix) == {chr(0x10FFFF)}
        return
    assert end.encode() > prefix.encode()
    assert (prefix <= other < end) == other.startswith(prefix)


def test_keys_are_listed_in_the_order_of_their_utf8_bytes(index: KeyIndex) -> None:
    keys = ["a", "B", "é", "\uffff", "\U00010000", "z", "a/b", "a-b", "\U0010ffff", "日本"]
    for key in keys:
        index.put(entry(key), anything)
    assert [e.key for e in index.scan("bucket", "", "", "") if isinstance(e, Entry)] == sorted(keys, key=str.encode)


@settings(max_examples=150, deadline=None)
@given(st.sets(KEYS, max_size=25), KEYS | st.just(""), st.sampled_from(["", "/", "-", "a/", "é"]), KEYS | st.just(""))
def test_a_scan_equals_a_look_at_every_key(keys: set[str], prefix: str, delimiter: str, start: str) -> None:
    with TemporaryDirectory() as folder:
        database = Database(Path(folder) / "objects.db", SCHEMA)
        found = _scanned(KeyIndex(database), keys, (prefix, delimiter, start))
        database.close()
    expected: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or key < start:
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        item = key if cut < 0 else key[: cut + len(delimiter)]
        if item not in expected:
            expected.append(item)
    assert found == expected


def _scanned(index: KeyIndex, keys: set[str], how: tuple[str, str, str]) -> list[str]:
    index.create_bucket(Bucket("bucket", "1", "r", 0))
    index.create_bucket(Bucket("bucket2", "1", "r", 0))
    with index.together():
        for key in keys:
            index.put(entry(key), anything)
            index.put(entry(key, bucket="bucket2"), anything)
    return [item if isinstance(item, str) else item.key for item in index.scan("bucket", *how)]


def test_what_a_common_prefix_covers_is_not_read(index: KeyIndex, database: Database) -> None:
    """A page of folders costs the folders, not the files in them."""
    with index.together():
        for folder in range(20):
            for number in range(500):
                index.put(entry(f"{folder:02}/{number}"), anything)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with database.read() as connection:
        connection.set_progress_handler(count, 1)
        items = list(index.scan("bucket", "", "/", ""))
        connection.set_progress_handler(None, 1)
    assert items == [f"{folder:02}/" for folder in range(20)]
    assert steps < 20 * 100  # of 10,000 rows


def test_a_scan_holds_one_row_at_a_time(index: KeyIndex) -> None:
    with index.together():
        for number in range(2000):
            index.put(entry(f"{number:05}"), anything)
    assert len(list(islice(index.scan("bucket", "", "", ""), 3))) == 3
    index.put(entry("later"), anything)  # a scan that was left does not stand in a writer's way


def test_what_is_refused_at_the_commit_changes_nothing(index: KeyIndex) -> None:
    index.put(entry("key", "first"), anything)

    def refuse(old: Entry | None) -> None:
        assert old is not None
        assert old.blob == "first"
        raise PermissionError

    with pytest.raises(PermissionError):
        index.put(entry("key", "second"), refuse)
    with pytest.raises(PermissionError):
        index.delete("bucket", "key", refuse)
    kept = index.get("bucket", "key")
    assert kept is not None
    assert kept.blob == "first"
    assert index.trash.left() == []


def test_of_many_who_want_an_empty_key_exactly_one_gets_it(index: KeyIndex) -> None:
    won: list[int] = []
    ready = threading.Barrier(8)

    def only_if_empty(old: Entry | None) -> None:
        if old is not None:
            raise PermissionError

    def run(number: int) -> None:
        ready.wait()
        try:
            index.put(entry("key", f"blob{number}"), only_if_empty)
        except PermissionError:
            return
        won.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = index.get("bucket", "key")
    assert kept is not None
    assert [f"blob{number}" for number in won] == [kept.blob]


def test_nothing_is_put_into_a_bucket_that_is_gone(index: KeyIndex) -> None:
    index.delete_bucket("bucket")
    with pytest.raises(MissingBucketError):
        index.put(entry("key"), anything)
    with pytest.raises(MissingBucketError):
        index.uploads.create(upload())


def test_a_bucket_with_an_object_stays(index: KeyIndex) -> None:
    index.put(entry("key"), anything)
    with pytest.raises(NotEmptyError):
        index.delete_bucket("bucket")
    assert index.bucket("bucket") is not None


def upload(name: str = "up", key: str = "key") -> Upload:
    return Upload(name, "bucket", key, 0, "me", "STANDARD", "", "FULL_OBJECT", "", "{}")


def test_the_parts_of_a_deleted_bucket_are_freed(index: KeyIndex) -> None:
    index.uploads.create(upload())
    index.uploads.put_part("up", Part(1, 5, "e", 0, "part", ""))
    assert index.delete_bucket("bucket") == ["part"]
    assert index.trash.left() == ["part"]
    assert index.uploads.get("up") is None


def test_an_upload_being_completed_cannot_change(index: KeyIndex) -> None:
    index.uploads.create(upload())
    index.uploads.put_part("up", Part(1, 5, "e", 0, "part", ""))
    with index.uploads.completing("up"):
        with pytest.raises(CompletingError):
            index.uploads.put_part("up", Part(1, 5, "e", 0, "other", ""))
        with pytest.raises(CompletingError):
            index.uploads.abort("up")
        assert index.put(entry("key", "whole", upload="up", part_count=1), anything) == ["part"]
    with pytest.raises(MissingUploadError):
        index.uploads.abort("up")


def test_a_second_completion_waits_for_the_first(index: KeyIndex) -> None:
    index.uploads.create(upload())
    begun = threading.Event()
    outcome: list[str] = []

    def second() -> None:
        begun.set()
        try:
            with index.uploads.completing("up"):
                outcome.append("went on")
        except MissingUploadError:
            outcome.append("found it ended")

    thread = threading.Thread(target=second)
    with index.uploads.completing("up"):
        thread.start()
        begun.wait()
        assert outcome == []
        index.put(entry("key", "whole", upload="up", part_count=1), anything)
    thread.join()
    assert outcome == ["found it ended"]


def test_an_upload_that_failed_to_complete_can_go_on(index: KeyIndex) -> None:
    index.uploads.create(upload())
    with pytest.raises(PermissionError), index.uploads.completing("up"):
        raise PermissionError
    assert index.uploads.put_part("up", Part(1, 5, "e", 0, "part", "")) == []
    assert index.uploads.put_part("up", Part(1, 5, "e", 0, "again", "")) == ["part"]


def test_the_trash_is_emptied_in_passing(index: KeyIndex) -> None:
    for number in range(5):
        index.trash.discarded(index.put(entry("key", f"blob{number}"), anything))
    assert index.trash.left() == ["blob3"]


def test_a_start_makes_bytes_and_rows_agree(index: KeyIndex, tmp_path: Path) -> None:
    """After a crash at each step of a put: before the commit, after it, and before the old bytes were dropped."""
    store = FileStore(tmp_path / "objects")
    draft = store.begin()
    draft.write([b"half"])
    orphan, committed = finished(store, b"orphan"), finished(store, b"committed")
    index.put(entry("committed", committed.id), anything)
    old, new = stored(store, b"old"), stored(store, b"new")
    index.put(entry("replaced", old.id), anything)
    index.put(entry("replaced", new.id), anything)
    part = finished(store, b"part")
    index.uploads.create(upload())
    index.uploads.put_part("up", Part(1, 4, "e", 0, part.id, ""))

    again = FileStore(tmp_path / "objects")
    recover(index, again)
    assert [content(again, blob) for blob in (committed, new, part)] == [b"committed", b"new", b"part"]
    for blob in (orphan, old):
        with pytest.raises(MissingBlobError):
            again.open(blob.id)
    files = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    assert len(files) == 3
    draft.abort()
