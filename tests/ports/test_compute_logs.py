"""From a container's output to CloudWatch Logs, and from its files to the platform: each line once, no file led astray."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.compute import outputs
from sagebrush.kernel.compute.base import TaskSpec
from sagebrush.kernel.compute.pump import Pump
from sagebrush.kernel.signals.logs import LogStore, Window
from sagebrush.kernel.state import lines
from sagebrush.kernel.state.sqlite import Database
from sagebrush.testing.bench import GROUP, OWNER, SMALL

SPEC = TaskSpec("a-task", OWNER, "plain", ("true",), SMALL, log_group=GROUP, log_stream="job/algo-1-1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LogStore]:
    database = Database(tmp_path / "signals.db", lines.SCHEMA)
    yield LogStore(database, MovableClock())
    database.close()


def stored(store: LogStore) -> list[tuple[int, str]]:
    group = store.group("123456789012", "us-east-1", GROUP)
    return [(line.time, line.message) for line in store.read(group, "job/algo-1-1", Window(), limit=100_000)]


def test_lines_arrive_with_their_times_and_tabs_as_cloudwatch_writes_them(store: LogStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1700000000001 [0]\ttrain-auc:0.9\tvalidation-auc:0.8\n1700000000002 \n1700000000003 \xff\r\n")
    Pump(store).move(log, SPEC)
    assert stored(store) == [
        (1700000000001, "[0]#011train-auc:0.9#011validation-auc:0.8"),
        (1700000000003, "\ufffd"),
    ]


def test_a_line_that_is_being_written_is_left_for_later(store: LogStore, tmp_path: Path) -> None:
    log, pump = tmp_path / "log", Pump(store)
    for part, expected in (
        (b"1 a\n2 b", ["a"]),
        (b"c\n", ["a", "bc"]),
        (b"", ["a", "bc"]),
        (b"3 d\n", ["a", "bc", "d"]),
    ):
        with log.open("ab") as out:
            out.write(part)
        pump.move(log, SPEC)
        assert [message for _, message in stored(store)] == expected


class Killed(Exception):
    """The server dies here."""


class DyingStore:
    """A log store whose process is killed in the middle of the n-th append: before it is on disk, or just after."""

    def __init__(self, store: LogStore, dies_at: int, *, late: bool) -> None:
        self.store, self.dies_at, self.late = store, dies_at, late

    def append(
        self,
        account: str,
        region: str,
        group: str,
        stream: str,
        events: Sequence[tuple[int, str]],
        *,
        mark: int | None = None,
    ) -> None:
        self.dies_at -= 1
        if self.dies_at == 0 and not self.late:
            raise Killed
        self.store.append(account, region, group, stream, events, mark=mark)
        if self.dies_at == 0:
            raise Killed

    def mark(self, account: str, region: str, group: str, stream: str) -> int:
        return self.store.mark(account, region, group, stream)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_kill_between_two_appends_loses_and_repeats_no_line(
    store: LogStore, tmp_path: Path, dies_at: int, late: bool
) -> None:
    log = tmp_path / "log"
    written = [(number, f"line {number} {'x' * 100}") for number in range(1, 25001)]
    log.write_text("".join(f"{time} {message}\n" for time, message in written))
    with pytest.raises(Killed):
        Pump(DyingStore(store, dies_at, late=late)).move(log, SPEC)
    Pump(store).move(log, SPEC)
    assert stored(store) == written


def test_a_task_without_a_stream_has_its_log_on_disk_only(store: LogStore, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("1 a\n")
    Pump(store).move(tmp_path / "log", TaskSpec("b", OWNER, "plain", ("true",), SMALL))
    Pump(store).move(tmp_path / "no-log", SPEC)
    assert store.groups("123456789012", "us-east-1") == []


def test_what_a_container_left_is_read_without_following_its_links(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("the user's own")
    folder = tmp_path / "root"
    (folder / "output/deep").mkdir(parents=True)
    (folder / "output/failure").write_text("x" * 3000)
    (folder / "output/deep/file").write_text("deep")
    (folder / "output/link").symlink_to(secret / "key")
    (folder / "output/way").symlink_to(secret)
    os.mkfifo(folder / "output/pipe")
    assert outputs.read(folder, "output/failure", 1024) == "x" * 1024
    for path in (
        "output/link",
        "output/way/key",
        "output/pipe",
        "output/deep",
        "output/none",
        "../secret/key",
        str(secret / "key"),
    ):
        assert outputs.read(folder, path, 1024) is None, path
    assert [(found.path, found.size) for found in outputs.files(folder / "output")] == [
        ("deep/file", 4),
        ("failure", 3000),
    ]
    with outputs.open_file(folder, "output/deep/file") as source:
        assert source.read() == b"deep"
