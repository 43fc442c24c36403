"""Tells RBAC's no from an admission plugin's: both are a 403."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.render import ResourceType
from rowcast.sync.targets.kubernetes.api import ForbiddenError

T = TypeVar("T")


class Rights(Protocol):
    """Knows what RBAC lets us do."""

    async def allowed(self, verb: str, resource: ResourceType) -> bool:
        """Whether we may use a verb now."""
        ...


async def permitted(rights: Rights, verb: str, resource: ResourceType, request: Callable[[], Awaitable[T]]) -> T:
    """Make a request.

    RBAC is mended without touching the row: TransientError. An admission plugin's no is about the row: PermanentError
    (`denied`).

    An API server that has just started forbids everything until it has read its roles (seen with 1.36). So what RBAC
    allows when asked is requested once more: only what is forbidden then is forbidden by something else.
    """
    try:
        return await request()
    except ForbiddenError as error:
        if not await rights.allowed(verb, resource):
            raise TransientError(str(error)) from error
    try:
        return await request()
    except ForbiddenError as error:
        raise PermanentError("denied", str(error)) from error
