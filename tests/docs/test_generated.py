"""The generated pages say what the code says."""

import pytest

from sagebrush.cli.pages import FOLDER, pages


@pytest.mark.parametrize("name", ["settings.md", "operations.md", "images.md"])
def test_a_generated_page_is_current(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    path = FOLDER / name
    assert path.exists(), f"{name} is missing; run python -m sagebrush.cli.pages"
    assert path.read_text("utf-8") == pages()[name], f"{name} is stale; run python -m sagebrush.cli.pages"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == pages().keys()
