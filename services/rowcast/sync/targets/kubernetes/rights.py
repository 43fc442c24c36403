"""What RBAC doesn't allow of what declarations need: to this instance's account, or to another one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from rowcast.core.renderer import Renderer
from rowcast.core.rights import Account, Need
from rowcast.renderers.rights import needs
from rowcast.sync.targets.kubernetes.api import Api
from rowcast.sync.targets.kubernetes.login import configuration

_IN_FLIGHT = 8


async def lacking(api: Api, renderers: Sequence[Renderer], account: Account | None = None) -> list[Need]:
    """Needs with the verbs that are not allowed, and kinds that the API server hasn't. Raises RowcastError.

    `account`: whose rights are asked for; None for our own, which everybody may ask.
    """
    asked = needs(renderers, await api.called()) if renderers else []
    found = await asyncio.gather(*(_lacking(api, need, account) for need in asked))
    return [one for one in found if one is not None]


async def lacking_at(kubeconfig: str | None, renderers: Sequence[Renderer], account: Account) -> list[Need]:
    """The same at the API server of a kubeconfig, or of the pod. Raises RowcastError."""
    api = await Api.connect(partial(configuration, kubeconfig), "default", _IN_FLIGHT)
    try:
        return await lacking(api, renderers, account)
    finally:
        await api.close()


async def _lacking(api: Api, need: Need, account: Account | None) -> Need | None:
    if not need.resource:
        return need
    answers = [await api.allowed_everywhere(verb, need.group, need.resource, account) for verb in need.verbs]
    refused = [verb for verb, allowed in zip(need.verbs, answers, strict=True) if not allowed]
    return need.lacking(refused) if refused else None
