"""The engines: Argo CD by its Application, Flux by its GitRepository and Kustomization."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rowcast.core.gitops import Seen, of_application, of_kustomization
from rowcast.core.render import ResourceType
from rowcast.sync.targets.kubernetes.api import Api
from rowcast.sync.targets.kubernetes.login import configuration

APPLICATION = ResourceType("argoproj.io", "v1alpha1", "applications", "Application")
GIT_REPOSITORY = ResourceType("source.toolkit.fluxcd.io", "v1", "gitrepositories", "GitRepository")
KUSTOMIZATION = ResourceType("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization")
IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """How an engine is spoken to: which object is asked to look, by which annotation, and which one tells."""

    asked: ResourceType
    annotation: str
    value: Callable[[], str]
    told: ResourceType
    read: Callable[[Mapping[str, Any] | None], Seen]


ENGINES: Mapping[str, Kind] = {
    "argocd": Kind(APPLICATION, "argocd.argoproj.io/refresh", lambda: "normal", APPLICATION, of_application),
    "flux": Kind(
        GIT_REPOSITORY,
        "reconcile.fluxcd.io/requestedAt",
        lambda: datetime.now(UTC).isoformat(),
        KUSTOMIZATION,
        of_kustomization,
    ),
}


class Engine:
    """One object of one engine; `name` is its `namespace/name`."""

    def __init__(self, kind: Kind, api: Api, name: str) -> None:
        self._kind = kind
        self._api = api
        self.name = name
        self._object = name.rpartition("/")[2]

    @classmethod
    async def connect(cls, engine: str, name: str, kubeconfig: str | None, context: str | None) -> Engine:
        """Raises TransientError while there is no access configured."""
        namespace = name.partition("/")[0]
        api = await Api.connect(partial(configuration, kubeconfig, context), namespace, IN_FLIGHT)
        return cls(ENGINES[engine], api, name)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def refresh(self) -> None:
        """Ask the engine to look at the repository now. Raises RowcastError."""
        body = {"metadata": {"annotations": {self._kind.annotation: self._kind.value()}}}
        await self._api.merge(self._kind.asked, self._object, body)

    async def watch(self) -> AsyncIterator[Seen]:
        """What the engine says, now and whenever it says something else. Ends when the server ends it, or raises."""
        body = await self._api.read(self._kind.told, self._object)
        yield self._kind.read(body)
        version = body["metadata"]["resourceVersion"] if body is not None else "0"
        async for kind, changed in self._api.watch(self._kind.told, version, self._object):
            yield self._kind.read(None if kind == "DELETED" else changed)
