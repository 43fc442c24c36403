"""Every look at the shared platform compares all its rows: what a test has made goes in its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from world import World


@pytest.fixture(autouse=True)
def rows_of_the_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Deleted in the end, which nobody waits for: whoever looks next waits until all places agree."""
    if not {"platform", "world"} <= {*request.fixturenames}:
        yield
        return
    world: World = request.getfixturevalue("world")
    with world.sql() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM app_configs")
        (last,) = cursor.fetchone() or (0,)
    yield
    with world.sql() as cursor:
        cursor.execute("DELETE FROM app_configs WHERE id > %s", (last,))
