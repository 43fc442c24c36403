from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.targets.places import PLACES, Place
from rowcast.core.ports import Target


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[*PLACES, "kubernetes"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param not in PLACES:
        pytest.skip(f"{request.param} is not wired into contract.targets.places yet")
    return PLACES[request.param](tmp_path)


@pytest.fixture
async def target(place: Place) -> AsyncIterator[Target]:
    target = place.target()
    await target.start()
    yield target
    await target.close()
