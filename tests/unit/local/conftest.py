from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One without any program, and without apt."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("rowcast_local.provision.debian.ADMINISTRATION", str(tmp_path))
    return tmp_path
