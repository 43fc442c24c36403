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
from rowcast.core.row import app_config
from rowcast.sync.targets.git import GitSettings, GitTarget
from rowcast.sync.targets.git.repository.credentials import readable, variables
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
    result = results[app_config(1)]
    assert isinstance(result, Delivered)
    assert result.outcome is Outcome.CREATED
    assert set(place.observe()) == {"a"}


@pytest.mark.parametrize("url", ["ssh://git@git.example/x.git", "git@git.example:x.git", "file:///x.git"])
def test_a_password_that_is_not_there_is_no_matter_to_a_remote_that_takes_none(url: str, tmp_path: Path) -> None:
    """A secret for SSH has a key and no password; the Kustomize base names the files of both."""
    missing = tmp_path / "nothing"
    settings = GitSettings(url=url, cache=tmp_path, username_file=missing, password_file=missing)
    readable(settings)
    assert variables(settings) == {}
    with pytest.raises(TransientError, match="user's name cannot be read"):
        readable(replace(settings, url="https://git.example/x.git"))
