"""A login that is changed while an instance runs: the old one is refused with a clear word, the new one is taken up."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.git_server import USER, GitServer
from contract.targets.places import Git, git
from contract.targets.rows import saved
from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered
from rowcast.sync.targets.git import GitTarget
from rowcast_local.ports import free_ports

pytestmark = pytest.mark.anyio


async def test_a_password_that_is_changed_is_taken_up_without_a_restart(place: Git, tmp_path: Path) -> None:
    secret, configuration = tmp_path / "password", tmp_path / "gitconfig"
    secret.write_text("old")
    # As in the cluster: a helper that reads a mounted secret at each call.
    helper = f'"!f() {{ echo username={USER}; echo password=$(cat {secret}); }}; f"'
    configuration.write_text(f"[credential]\n\thelper = {helper}\n")
    git("-C", str(place.repository), "config", "http.receivepack", "true")
    port = next(free_ports())
    url = f"http://127.0.0.1:{port}/{place.repository.name}"
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(configuration)}
    with GitServer(place.repository.parent, port, "old").running() as server:
        target = GitTarget(replace(place.settings(), url=url, environment=environment))
        await target.start()
        try:
            server.password = "new"
            with pytest.raises(TransientError, match="Authentication failed") as refused:
                await target.deliver([saved(1, 1, "a")])
            assert "old" not in str(refused.value)

            secret.write_text("new")
            results = await target.deliver([saved(1, 1, "a")])
        finally:
            await target.close()
    result = results["app_configs", 1]
    assert isinstance(result, Delivered)
    assert result.outcome is Outcome.CREATED
    assert set(place.observe()) == {"a"}
