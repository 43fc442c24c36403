"""Every route is in the one table that says what it takes."""

from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute

from rowcast.core.policy import RESOURCES
from rowcast.crud.access.routes import ROUTES
from rowcast.crud.app import create_app
from rowcast.crud.settings import CrudSettings


def _routes(routes: Any) -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in route.methods or ())
        elif hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes)


def test_no_route_is_without_an_entry_and_no_entry_without_a_route() -> None:
    app = create_app(CrudSettings.model_validate({"database_url": "postgresql://nowhere/none"}))
    assert set(_routes(app.routes)) == set(ROUTES)


def test_the_acts_of_the_table_are_those_that_a_policy_can_name() -> None:
    for need in ROUTES.values():
        for resource, verb in need.acts:
            assert verb in RESOURCES[resource]


def test_what_changes_something_is_in_the_audit() -> None:
    only_asks = {
        "/appconfigs:preview",
        "/renderers/{name}/preview",
        "/renderers/{name:renderer}:impact",
        "/renderers/{name:renderer}:dry-run",
    }
    silent = {path for (method, path), need in ROUTES.items() if method != "GET" and not need.changes}
    by_targets = {path for (_, path), need in ROUTES.items() if need.scope in ("sync", "open")}
    assert silent - by_targets == only_asks
