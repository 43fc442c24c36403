"""Which settings an environment's rows are delivered by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rowcast.sync.settings import SyncSettings
from rowcast.sync.settings.overrides import destinations


def settings(**environments: Any) -> SyncSettings:
    return SyncSettings(target="git", git_url="https://git/a", git_cache=Path("/cache"), environments=environments)


def test_what_an_environment_does_not_say_is_the_instances_own() -> None:
    found = destinations(settings(prod={"git_branch": "release"}))

    assert (found.route_of("dev"), found.route_of("prod")) == ("*", "prod")
    assert (found.by_route["prod"].git_url, found.by_route["prod"].git_branch) == ("https://git/a", "release")
    assert found.by_route["*"].git_branch == "main"


def test_environments_of_one_place_share_it() -> None:
    found = destinations(settings(one={"git_branch": "release"}, two={"git_branch": "release"}, three={}))

    assert [found.route_of(name) for name in ("one", "two", "three", "four")] == ["one", "one", "*", "*"]
    assert found.by_route.keys() == {"*", "one"}


def test_each_repository_has_a_mirror_of_its_own() -> None:
    found = destinations(settings(one={"git_branch": "a"}, two={"git_branch": "b"}))

    assert len({there.git_cache for there in found.by_route.values()}) == 3
    assert found.by_route["*"].git_cache == Path("/cache")


def test_all_that_are_not_named_can_be_left_to_others() -> None:
    found = destinations(settings(**{"*": None, "prod": {}}))

    assert (found.route_of("dev"), found.route_of("prod")) == (None, "prod")


@pytest.mark.parametrize(
    ("environments", "said"),
    [
        ({"prod": {"git_brunch": "x"}}, "prod: git_brunch: no setting of an environment; there is git_url"),
        ({"prod": {"namespace": "x"}}, "prod: namespace: no setting of an environment"),
        ({"prod": {"git_branch": 7}}, "prod: git_branch: Input should be a valid string"),
        ({"prod": {"git_root": "environments/prod"}}, r"prod: its files would be among those of \*"),
        ({"prod": {"git_root": ""}}, r"prod: its files would be among those of \*"),
        ({"*": None}, "no environment is delivered anywhere"),
        ({"Prod": {}}, "'Prod' is not a DNS-1123 label"),
    ],
)
def test_what_can_not_be_is_refused_by_name(environments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**environments)


def test_folders_beside_each_other_in_one_branch_are_no_matter() -> None:
    assert len(destinations(settings(prod={"git_root": "environments-prod"})).by_route) == 2


def test_they_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWCAST_ENVIRONMENTS", '{"prod": {"namespace": "prod"}, "sandbox": null}')
    found = destinations(SyncSettings(target="k8s"))

    assert found.route_of("sandbox") is None
    assert found.by_route["prod"].namespace == "prod"


def test_a_wrong_one_ends_the_process_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROWCAST_TARGET", "k8s")
    monkeypatch.setenv("ROWCAST_ENVIRONMENTS", '{"prod": {"name": "x"}}')
    with pytest.raises(SystemExit):
        SyncSettings.load()
    assert "ROWCAST_ENVIRONMENTS: prod: name: no setting of an environment" in capsys.readouterr().err


def test_a_target_of_a_name_of_its_own_has_what_its_kind_has() -> None:
    found = destinations(
        SyncSettings(target="k8s-eu", target_kind="k8s", environments={"prod": {"namespace": "prod"}, "us": None})
    )

    assert (found.by_route["prod"].target, found.by_route["prod"].target_kind) == ("k8s-eu", "k8s")
    assert found.route_of("us") is None
    with pytest.raises(ValidationError, match="git_url: no setting of an environment"):
        SyncSettings(target="k8s-eu", target_kind="k8s", environments={"prod": {"git_url": "https://git/a"}})


@pytest.mark.parametrize(
    ("target", "kind", "said"),
    [
        ("k8s-eu", "", "ROWCAST_TARGET_KIND: Value error, k8s-eu is not called as a kind of target is"),
        ("k8s-eu", "swarm", "ROWCAST_TARGET_KIND: Value error, 'swarm' is no kind of target"),
        ("git", "k8s", "ROWCAST_TARGET_KIND: Value error, git is the name of a target of the kind git, not k8s"),
        ("K8S", "k8s", "ROWCAST_TARGET: Value error, 'K8S' is not a DNS-1123 label of 58 characters at most"),
        ("forge", "git", "ROWCAST_GIT_URL: Value error, required for a target of the kind git"),
    ],
)
def test_a_target_that_cannot_be_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], target: str, kind: str, said: str
) -> None:
    monkeypatch.setenv("ROWCAST_TARGET", target)
    monkeypatch.setenv("ROWCAST_TARGET_KIND", kind)
    with pytest.raises(SystemExit):
        SyncSettings.load()
    assert said in capsys.readouterr().err


def test_an_engine_needs_an_application_and_follows_one_branch() -> None:
    git: dict[str, Any] = {
        "target": "git",
        "git_url": "https://git/a",
        "git_cache": Path("/cache"),
        "gitops_engine": "argocd",
    }
    assert SyncSettings(**git, gitops_application="argocd/rowcast").gitops_application
    with pytest.raises(ValidationError, match="ROWCAST_GITOPS_APPLICATION: required"):
        SyncSettings(**git)
    with pytest.raises(ValidationError, match="one Application follows one branch"):
        SyncSettings(**git, gitops_application="argocd/rowcast", environments={"prod": {"git_branch": "x"}})
    with pytest.raises(ValidationError, match="only for a target of the kind git"):
        SyncSettings(target="k8s", gitops_engine="argocd", gitops_application="argocd/rowcast")


def test_one_environment_can_be_under_review() -> None:
    forge = {"git_forge": "gitea", "git_forge_url": "https://git.example/api/v1", "git_forge_token_file": "/token"}
    prod: dict[str, Any] = {"git_mode": "pull-request", "git_root": "production", **forge}
    url = "https://git.example/team/configurations.git"
    git: dict[str, Any] = {"target": "git", "git_url": url, "git_cache": Path("/cache")}

    found = destinations(SyncSettings(**git, environments={"prod": prod}))

    assert (found.by_route["prod"].git_mode, found.by_route["*"].git_mode) == ("pull-request", "push")
    with pytest.raises(ValidationError, match=r"prod: git_forge: .*required when ROWCAST_GIT_MODE=pull-request"):
        SyncSettings(**git, environments={"prod": {"git_mode": "pull-request", "git_root": "production"}})
