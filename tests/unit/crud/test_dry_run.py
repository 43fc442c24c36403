"""Which rows of an impact the API server is asked about, and what its answers say of the groups."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rowcast.core.shapes import RowShape
from rowcast.crud.renderers import dry_run as module
from rowcast.crud.renderers.dry_run import DryRun, Refused, ask, keys_of, with_dry_run

TAKEN: dict[str, Any] = {"unavailable": None, "refused": [], "unasked": [], "error": None}
FULL = {"manifest": "quota", "message": "exceeded quota"}


def group(manifest: str, *keys: str, action: str = "changed") -> dict[str, Any]:
    return {"action": action, "manifest": manifest, "examples": [{"key": key} for key in keys]}


def dry_runs(dry_run: DryRun | None, *groups: dict[str, Any]) -> list[Any]:
    return [each["dry_run"] for each in with_dry_run({"groups": groups}, dry_run)["groups"]]


class Sync:
    def __init__(self, *clusters: str, **answers: dict[str, Any]) -> None:
        """Answers by row, or by target and row (`eu/a`)."""
        self.clusters = clusters or ("k8s",)
        self.answers = answers
        self.asked: list[Any] = []

    def of_kind(self, kind: str) -> list[str]:
        return list(self.clusters) if kind == "k8s" else ["git"]

    async def ask(self, target: str, method: str, path: str, body: Any) -> Any:
        self.asked.append((target, method, path, body))
        return self.answers.get(f"{target}/{body['row']}", self.answers.get(body["row"], TAKEN))


def asked(sync: Any, *keys: str) -> DryRun:
    return asyncio.run(ask(sync, "text", RowShape({}), {key: key for key in keys}))


def test_the_first_row_of_each_group_is_asked_about_before_the_second_of_any() -> None:
    groups = [group("a", "1", "2", "3"), group("b", "4", "1"), group("c", "5", action="removed")]

    assert keys_of(groups) == ["1", "4", "2", "3"]
    assert keys_of(groups, 2) == ["1", "4"]


def test_a_refusal_is_told_in_the_groups_of_its_manifest() -> None:
    answered = DryRun.of({"1": {**TAKEN, "refused": [FULL]}, "2": TAKEN})

    quota, settings, gone = dry_runs(
        answered, group("quota", "1", "2", "3"), group("settings", "1"), group("quota", "1", action="retained")
    )

    assert quota == {"asked": 2, "refused": [{"key": "1", **FULL}]}
    assert settings == {"asked": 1, "refused": []}
    assert gone is None
    assert with_dry_run({"groups": []}, answered)["dry_run_refused"] == 1


def test_a_row_that_can_not_be_rendered_there_is_refused_in_each_of_its_groups() -> None:
    answered = DryRun.of({"1": {**TAKEN, "error": {"reason": "expression", "message": "division by zero"}}})

    assert answered.refused == {"1": [Refused("", "division by zero")]}
    assert dry_runs(answered, group("quota", "1")) == [
        {"asked": 1, "refused": [{"key": "1", "manifest": "", "message": "division by zero"}]}
    ]


def test_what_has_nowhere_to_be_tried_yet_was_not_asked_about() -> None:
    answered = DryRun.of({"1": {**TAKEN, "unasked": ["quota"]}})

    assert dry_runs(answered, group("quota", "1"), group("namespace", "1")) == [None, {"asked": 1, "refused": []}]
    assert dry_runs(None, group("quota", "1")) == [None]


def test_sync_of_the_cluster_is_asked_by_its_preview_and_nobody_else() -> None:
    sync = Sync(b={**TAKEN, "refused": [FULL]})

    found = asked(sync, "a", "b")

    assert found == DryRun({"a": [], "b": [Refused(**FULL)]}, {"a": [], "b": []})
    assert {each[:3] for each in sync.asked} == {("k8s", "POST", "/preview")}
    assert sync.asked[0][3]["declaration"] == {"text": "text", "shape": {"columns": {}, "related": {}}}


def test_the_first_row_that_can_not_be_asked_about_ends_it_and_says_why() -> None:
    sync = Sync(**{key: {"unavailable": "sync-k8s doesn't answer"} for key in "abcdefgh"})

    found = asked(sync, *"abcdefgh")

    assert (found.refused, found.unavailable) == ({}, "sync-k8s doesn't answer")
    assert len(sync.asked) <= module.AT_ONCE

    sync.clusters = ()
    assert asked(sync, "a").unavailable == "there is no target of the kind k8s"


def test_of_several_clusters_each_is_asked_and_says_itself_what_it_refuses() -> None:
    answers = {"us/a": {**TAKEN, "refused": [FULL]}, "us/b": {**TAKEN, "unavailable": "sync-us doesn't answer"}}

    answered = asked(Sync("eu", "us", **answers), "a", "b")

    assert answered.refused == {"a": [Refused("quota", "us: exceeded quota")], "b": []}
    assert answered.unavailable == "sync-us doesn't answer"


def test_what_is_not_answered_in_time_is_said_not_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.0)

    class Hanging(Sync):
        async def ask(self, *_: Any) -> Any:
            await asyncio.Event().wait()

    assert asked(Hanging(), "a").unavailable == "0 of 1 rows were answered within 0 s"
