from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rowcast.sync.settings import SyncSettings

PULL_REQUEST = {
    "target": "git",
    "git_url": "https://git.example.com/acme/deployment.git",
    "git_cache": Path("/var/cache/rowcast"),
    "git_mode": "pull-request",
    "git_forge": "gitea",
    "git_forge_url": "https://git.example.com/api/v1",
    "git_forge_token_file": Path("/run/secrets/forge"),
}


def test_pull_requests_take_a_forge_and_a_token() -> None:
    assert SyncSettings.model_validate(PULL_REQUEST).git_poll_seconds == 15


@pytest.mark.parametrize("missing", ["git_forge", "git_forge_url", "git_forge_token_file"])
def test_without_one_of_them_the_mode_is_refused(missing: str) -> None:
    with pytest.raises(ValidationError, match="required when ROWCAST_GIT_MODE=pull-request"):
        SyncSettings.model_validate({name: value for name, value in PULL_REQUEST.items() if name != missing})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"git_url": "file:///srv/repository.git"}, "no owner and name"),
        ({"git_proposal_branch": "main"}, "it must be another branch"),
        ({"git_forge_url": "git.example.com"}, "should match pattern"),
        ({"git_forge": "bitbucket"}, "gitea"),
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SyncSettings.model_validate(PULL_REQUEST | wrong)
