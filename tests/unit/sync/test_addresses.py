"""What may be the address of a repository, and of a forge."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rowcast.runtime.settings import describe
from rowcast.sync.settings import SyncSettings
from rowcast.sync.settings.addresses import check_api, check_remote

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "url",
    [
        "/srv/repository.git",
        "file:///srv/repository.git",
        "https://git.example.com/acme/deployment.git",
        "https://git.example.com:8443/acme/deployment",
        "http://127.0.0.1:3000/acme/deployment.git",
        "http://[::1]:3000/acme/deployment.git",
        "ssh://git@git.example.com:2222/acme/deployment.git",
        "ssh://git.example.com/~rowcast/deployment.git",
        "ssh://git@[2001:db8::1]/acme/deployment.git",
        "git@git.example.com:acme/deployment.git",
        "git.example.com:acme/deployment.git",
        "git://git.example.com/acme/deployment.git",
        "https://git.example.com/acme/sub@group/deployment.git",
    ],
)
def test_what_git_can_push_to_is_taken(url: str) -> None:
    assert check_remote(url) == url


@pytest.mark.parametrize(
    "url",
    [
        f"https://rowcast:{SECRET}@git.example.com/a/b.git",
        f"https://{SECRET}@git.example.com/a/b.git",
        f"https://{SECRET}:x-oauth-basic@git.example.com/a/b.git",
        f"https://:{SECRET}@git.example.com/a/b.git",
        "https://@git.example.com/a/b.git",
        f"HTTPS://{SECRET}@git.example.com/a/b.git",
        f"https://user%3A{SECRET}@git.example.com/a/b.git",
        f"https://git.example.com/a/b.git?private_token={SECRET}",
        f"https://git.example.com/a/b.git#{SECRET}",
        "https://git.example.com/a/b.git?",
        f"ssh://git:{SECRET}@git.example.com/a/b.git",
        f"ssh://git%3a{SECRET}@git.example.com/a/b.git",
        f"git:{SECRET}@git.example.com:a/b.git",
        f"git://{SECRET}@git.example.com/a/b.git",
        f"https://a@b:{SECRET}@git.example.com/a/b.git",
        f"ftp://{SECRET}@git.example.com/a/b.git",
    ],
)
def test_what_has_a_secret_in_it_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SyncSettings.model_validate({"target": "git", "git_url": url, "git_cache": Path("/cache")})
    said = describe(SyncSettings, caught.value)
    assert said.startswith("ROWCAST_GIT_URL: ")
    assert SECRET not in said


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch /tmp/x",
        "--upload-pack@host:x",
        "-oProxyCommand=x@host:a/b",
        "git@-oProxyCommand=x:a/b",
        "ssh://-oProxyCommand=x/a",
        "ssh://git@-oProxyCommand=x/a",
        "ssh://-l@host/a",
        "git@host:-x",
        "ext::sh -c touch% /tmp/x",
        "ext::sh",
        "fd::17",
        "remote-http::https://git.example.com/a",
        "persistent-https://git.example.com/a",
        "git+ssh://git@git.example.com/a",
        "file://other/srv/a",
        "https:///a/b",
        "https://git.example.com:99999/a",
        "https://git.example.com\n/a",
        "https://git.example.com/a b",
        "https://git .example.com/a",
        "",
        "\x00",
        "https://git.example.com\u2028/a",
    ],
)
def test_what_is_no_place_to_push_to_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"it must|not used|its |a file's"):
        check_remote(url)


def test_an_environments_own_address_is_judged_the_same() -> None:
    environments = {"prod": {"git_url": f"https://{SECRET}@git.example.com/a/b.git"}}
    with pytest.raises(ValidationError) as caught:
        SyncSettings.model_validate(
            {"target": "git", "git_url": "/srv/a.git", "git_cache": "/cache", "environments": environments}
        )
    said = describe(SyncSettings, caught.value)
    assert "prod: git_url: " in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "url",
    [
        f"https://rowcast:{SECRET}@git.example.com/api/v1",
        f"https://{SECRET}@git.example.com/api/v1",
        f"https://git.example.com/api/v1?access_token={SECRET}",
        "https://git.example.com/ api",
    ],
)
def test_a_forges_address_has_no_secret_in_it_either(url: str) -> None:
    with pytest.raises(ValueError, match="it must not have") as caught:
        check_api(url)
    assert SECRET not in str(caught.value)
    given = {"target": "git", "git_url": "https://git.example.com/a/b.git", "git_cache": "/cache"}
    given |= {"git_mode": "pull-request", "git_forge": "gitea", "git_forge_url": url, "git_forge_token_file": "/t"}
    with pytest.raises(ValidationError, match="it must not have"):
        SyncSettings.model_validate(given)
