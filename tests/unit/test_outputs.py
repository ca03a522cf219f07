"""Reading what a container leaves while it may still change it."""

import threading
from pathlib import Path

from sagebrush.kernel.compute import outputs


def listed(folder: Path, below: str = "") -> list[str]:
    return [found.path for found in outputs.files(folder, below)]


def test_files_below_a_folder_are_relative_to_it_and_in_order(tmp_path: Path) -> None:
    for name in ("model/b/c", "model/a", "model/b/a", "other/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert listed(tmp_path, "model") == ["a", "b/a", "b/c"]
    assert listed(tmp_path, "model/b") == ["a", "c"]
    assert listed(tmp_path) == ["model/a", "model/b/a", "model/b/c", "other/x"]
    (found,) = outputs.files(tmp_path, "other")
    assert (found.size, found.changed) == (7, (tmp_path / "other/x").stat().st_mtime_ns)


def test_a_folder_that_is_gone_or_is_no_folder_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "target").mkdir()
    (tmp_path / "target/secret").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for below in ("none", "none/deeper", "file", "file/deeper", "link", "link/deeper"):
        assert listed(tmp_path, below) == []


def test_what_vanishes_between_two_looks_is_left_out(tmp_path: Path) -> None:
    """A container moves a folder about and makes and removes files, as fast as it can, while its files are listed."""
    (tmp_path / "kept").write_text("x")
    over = threading.Event()

    def disturb() -> None:
        while not over.is_set():
            for name in ("a", "b"):
                (tmp_path / "one").mkdir()
                (tmp_path / "one" / name).write_text(name)
                (tmp_path / "one").rename(tmp_path / "two")
                (tmp_path / "two" / name).unlink()
                (tmp_path / "two").rmdir()

    container = threading.Thread(target=disturb)
    container.start()
    try:
        seen = [listed(tmp_path) for _ in range(2000)]
    finally:
        over.set()
        container.join()
    assert all("kept" in found for found in seen)
    assert set().union(*seen) <= {"kept", "one/a", "one/b", "two/a", "two/b"}
