"""The folder of declarations that a local platform applies: kept until another is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcast_local import platform
from rowcast_local.platform import Platform, PlatformError


@pytest.fixture
def declarations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "state").mkdir()
    monkeypatch.setattr(Platform, "blueprint", None)
    monkeypatch.setattr(platform, "apply_renderers", lambda _, folder: f"applied {folder.name}")
    folder = tmp_path / "declarations"
    folder.mkdir()
    return folder


def test_a_folder_is_applied_at_each_start_until_none_is_named(tmp_path: Path, declarations: Path) -> None:
    state = tmp_path / "state"

    assert Platform(state).apply_renderers() == ""
    assert Platform(state, renderers=str(declarations)).apply_renderers() == "applied declarations"
    assert Platform(state).apply_renderers() == "applied declarations"
    assert Platform(state, renderers="").apply_renderers() == ""
    assert Platform(state).renderers is None


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, declarations: Path) -> None:
    gone = Platform(tmp_path / "state", renderers=str(declarations / "gone"))

    with pytest.raises(PlatformError, match="there is no such folder"):
        gone.apply_renderers()
    assert Platform(tmp_path / "state").renderers is None
