"""Environments with namespaces of their own, as the settings name them, on the real API server."""

from __future__ import annotations

import pytest

from contract.targets.kubernetes_place import Kubernetes
from contract.targets.rows import saved
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered
from rowcast.core.row import app_config
from rowcast.sync.environments.starting import Starting
from rowcast.sync.settings import SyncSettings
from rowcast_local.platform import Platform

pytestmark = pytest.mark.anyio


async def test_a_row_moves_from_one_namespace_to_another(api_server: Platform) -> None:
    rest, prod = Kubernetes(api_server.env()), Kubernetes(api_server.env())
    settings = SyncSettings(
        target="k8s",
        kubeconfig=api_server.env()["KUBECONFIG"],
        namespace=rest.namespace,
        environments={"prod": {"namespace": prod.namespace, "kube_context": "rowcast"}},
    )
    target = Starting(settings)
    await target.start()
    try:
        await target.deliver([saved(1, 1, "a", environment="dev"), saved(2, 1, "b", environment="prod")])
        assert (set(rest.observe()), set(prod.observe())) == ({"a"}, {"b"})

        result = (await target.deliver([saved(1, 2, "a", environment="prod")]))[app_config(1)]

        assert isinstance(result, Delivered)
        assert result.outcome is Outcome.CONFIGURED
        assert (set(rest.observe()), set(prod.observe())) == (set(), {"a", "b"})
    finally:
        await target.close()
