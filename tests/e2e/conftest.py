from __future__ import annotations

import pytest

from e2e.world import World
from rowcast_local.platform import Platform


@pytest.fixture
def world(platform: Platform) -> World:
    """The whole platform; rows of other tests may be there, since the three places are compared as a whole."""
    return World(platform.env())
