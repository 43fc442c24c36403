"""A 403 that comes of rights is waited out; one that is about the row is not."""

from __future__ import annotations

import pytest

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.render import ResourceType
from rowcast.sync.targets.kubernetes.api import ForbiddenError
from rowcast.sync.targets.kubernetes.permission import permitted

pytestmark = pytest.mark.anyio


APPCONFIG = ResourceType("rowcast.dev", "v1alpha1", "appconfigs", "AppConfig")


class Server:
    """Forbids the first `forbids` requests, and says of our rights what it is told to."""

    def __init__(self, forbids: int, allowed: bool) -> None:
        self.forbids = forbids
        self.says = allowed
        self.asked: list[str] = []

    async def allowed(self, verb: str, resource: ResourceType) -> bool:
        self.asked.append(verb)
        return self.says

    async def request(self) -> str:
        self.forbids -= 1
        if self.forbids >= 0:
            raise ForbiddenError("forbidden")
        return "done"


async def test_what_is_permitted_asks_for_no_rights() -> None:
    server = Server(forbids=0, allowed=True)
    assert await permitted(server, "patch", APPCONFIG, server.request) == "done"
    assert server.asked == []


async def test_a_right_that_is_missing_is_waited_for() -> None:
    server = Server(forbids=1, allowed=False)
    with pytest.raises(TransientError, match="forbidden"):
        await permitted(server, "patch", APPCONFIG, server.request)


async def test_an_api_server_that_had_not_yet_read_its_roles_is_asked_again() -> None:
    server = Server(forbids=1, allowed=True)
    assert await permitted(server, "delete", APPCONFIG, server.request) == "done"


async def test_what_is_forbidden_although_rights_allow_it_is_about_the_row() -> None:
    server = Server(forbids=2, allowed=True)
    with pytest.raises(PermanentError) as refused:
        await permitted(server, "patch", APPCONFIG, server.request)
    assert refused.value.reason == "denied"
