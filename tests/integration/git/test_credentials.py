"""A login that is changed while an instance runs: the old one is refused with a clear word, the new one is taken up."""

from __future__ import annotations

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
    """As in the cluster: by the files of a mounted secret."""
    secret, name = tmp_path / "password", tmp_path / "username"
    secret.write_text("old")
    name.write_text(USER)
    git("-C", str(place.repository), "config", "http.receivepack", "true")
    port = next(free_ports())
    url = f"http://127.0.0.1:{port}/{place.repository.name}"
    with GitServer(place.repository.parent, port, "old").running() as server:
        target = GitTarget(
            replace(place.settings(), url=url, username="nobody", username_file=name, password_file=secret)
        )
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
