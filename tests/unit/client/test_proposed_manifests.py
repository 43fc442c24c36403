"""What `rowcast proposals show` says of manifests, by what the targets answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from client_contract import Ran
from client_runs import against
from unit.check.fake_crud import serving

ROW = {"id": 7, "generation": 3, "name": "shop", "repository_url": "https://git.example/shop.git"}
ROW |= {"branch": "main", "environment": "prod", "application": "shop"}
NOTHING: dict[str, Any] = {"place": None, "live": None, "error": None, "unavailable": None}
AWAY = "sync-git doesn't answer: connection refused\nand more"


class Api:
    """One proposal of a change, and answers by path; what was asked of a preview is kept."""

    def __init__(self, change: dict[str, Any], answers: dict[str, tuple[int, Any]]) -> None:
        its = {"renderer": "appconfigs", "key": "7", "name": "shop", "environments": ["prod"], **change}
        proposal = {"id": 9, "renderer": "appconfigs", "state": "open", "changes": [its], "comment": "the new release"}
        proposal |= {"asked_by": "ada", "asked_at": "2026-11-29T06:00:00Z", "decided_by": None, "why": None}
        self.answers = {"/proposals/9": (200, {**proposal, "outdated": []}), "/appconfigs/7": (200, ROW), **answers}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.previewed: Any = None

    def answer(self, _method: str, path: str, _query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        self.previewed = body or self.previewed
        return self.answers[path]


def shown(api: Api, folder: Path) -> Ran:
    with serving(api) as port:
        return against(f"http://127.0.0.1:{port}", folder)("proposals", "show", "9")


UPDATE = {"op": "update", "fields": {"branch": ["main", "next"]}}


def test_each_target_says_what_it_would_have_and_what_it_refuses(tmp_path: Path) -> None:
    diff = "--- appconfigs/shop\n+++ appconfigs/shop\n@@ -1 +1 @@\n-branch: main\n+branch: next\n"
    refusal = {"reason": "invalid", "message": "no\nsuch branch"}
    targets = [
        {**NOTHING, "target": "k8s", "place": "appconfigs/shop", "change": "update", "diff": diff, "error": refusal},
        {**NOTHING, "target": "git", "unavailable": AWAY},
        {**NOTHING, "target": "k8s-eu", "change": "none"},
    ]
    api = Api(UPDATE, {"/appconfigs:preview": (200, {"generation": 4, "targets": targets})})
    ran = shown(api, tmp_path)
    assert ran.code == 0, ran
    assert ran.lines[1:] == [
        "why: the new release",
        "appconfigs/shop: change",
        "-  branch: main",
        "+  branch: next",
        "k8s: update appconfigs/shop",
        "k8s: would refuse it: invalid: no such branch",
        *diff.splitlines(),
        "git: can't be asked now: sync-git doesn't answer: connection refused and more",
        "k8s-eu: does not deliver the environment",
    ]
    config = {name: ROW[name] for name in ("name", "repository_url", "environment", "application")}
    assert api.previewed == {"id": 7, "config": config | {"branch": "next"}, "updated_by": "ada"}


def test_of_a_deletion_it_is_shown_what_goes(tmp_path: Path) -> None:
    there = {**NOTHING, "target": "k8s", "place": "appconfigs/shop", "live": "kind: AppConfig\nbranch: main\n"}
    targets = [there, {**NOTHING, "target": "git"}]
    change = {"op": "delete", "fields": {"name": ["shop", None]}}
    ran = shown(Api(change, {"/appconfigs/7/live": (200, {"targets": targets})}), tmp_path)
    assert ran.lines[4:] == [
        "k8s: delete appconfigs/shop",
        "--- appconfigs/shop",
        "+++ /dev/null",
        "@@ -1,2 +0,0 @@",
        "-kind: AppConfig",
        "-branch: main",
        "git: has nothing of it",
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((503, {"detail": "the database\nis away"}), "manifests: not known now: 503: the database is away"),
        ((404, {"detail": "there is no configuration 7"}), "manifests: refused: 404: there is no configuration 7"),
    ],
)
def test_what_cant_be_known_is_one_line_and_no_failure(tmp_path: Path, answer: tuple[int, Any], said: str) -> None:
    ran = shown(Api(UPDATE, {"/appconfigs:preview": answer}), tmp_path)
    assert (ran.code, ran.lines[-1]) == (0, said), ran


def test_what_of_a_row_has_no_value_is_said_with_its_place(tmp_path: Path) -> None:
    error = {"path": "spec.name", "expression": "row.slug", "message": "is no name", "line": 1, "column": 2}
    answer = {"name": None, "environment": None, "manifests": [], "errors": [error]}
    api = Api({**UPDATE, "renderer": "tenants"}, {"/renderers/tenants/preview": (200, answer)})
    api.answers["/proposals/9"][1]["renderer"] = "tenants"
    ran = shown(api, tmp_path)
    assert (ran.code, ran.lines[-1]) == (0, "manifests: spec.name: is no name"), ran
