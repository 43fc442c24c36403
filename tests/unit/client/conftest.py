from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from client_contract import Run
from client_runs import against
from unit.check.fake_crud import serving
from unit.client.fake_api import FakeApi


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def url(api: FakeApi) -> Iterator[str]:
    with serving(api) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    return against(url, tmp_path / "config")
