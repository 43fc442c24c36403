from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.targets.kubernetes_place import Kubernetes
from contract.targets.places import PLACES, Place
from rowcast.core.ports import Target
from rowcast_local.platform import Platform


@pytest.fixture(params=[*PLACES, "kubernetes"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "kubernetes":
        api_server: Platform = request.getfixturevalue("api_server")
        return Kubernetes(api_server.env())
    return PLACES[request.param](tmp_path)


@pytest.fixture
async def target(place: Place) -> AsyncIterator[Target]:
    target = place.target()
    await target.start()
    yield target
    await target.close()
