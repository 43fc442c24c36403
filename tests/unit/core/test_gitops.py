"""What a GitOps engine says, read and turned into what it means for rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.gitops import SHOWN, Behind, Seen, of_application, of_kustomization, progress
from rowcast.core.row import app_config

AT = "2026-11-23T03:00:00.000000+00:00"
LONE = {"group": "rowcast.dev", "kind": "AppConfig"}


def application(**status: Any) -> dict[str, Any]:
    return {"kind": "Application", "status": status}


def test_a_synced_application_tells_its_commit() -> None:
    seen = of_application(
        application(
            sync={"status": "Synced", "revision": "abc"},
            health={"status": "Healthy"},
            resources=[{**LONE, "name": "a", "status": "Synced"}],
            operationState={"phase": "Succeeded", "message": "successfully synced (all tasks run)"},
        )
    )
    assert seen == Seen("abc", "Synced", "Healthy")


def test_a_resource_that_is_refused_is_named_with_the_servers_words() -> None:
    refused = {**LONE, "name": "b", "status": "SyncFailed", "message": 'admission webhook "x" denied it'}
    seen = of_application(
        application(
            sync={"status": "OutOfSync", "revision": "abc"},
            health={"status": "Missing"},
            resources=[{**LONE, "name": "a", "status": "Synced"}, {**LONE, "name": "b", "status": "OutOfSync"}],
            operationState={
                "phase": "Failed",
                "message": "one or more objects failed to apply",
                "syncResult": {"resources": [{**LONE, "name": "a", "status": "Synced"}, refused]},
            },
        )
    )
    assert seen.lagging == {"b"}
    assert seen.errors == {"b": 'admission webhook "x" denied it'}
    assert seen.message == "one or more objects failed to apply"


def test_a_refusal_that_is_over_is_told_no_more() -> None:
    refused = {**LONE, "name": "a", "status": "SyncFailed", "message": "denied"}
    seen = of_application(
        application(
            sync={"status": "Synced", "revision": "abc"},
            resources=[{**LONE, "name": "a", "status": "Synced"}],
            operationState={"phase": "Failed", "syncResult": {"resources": [refused]}},
        )
    )
    assert seen.errors == {}


def test_what_keeps_it_from_comparing_is_its_message() -> None:
    conditions = [
        {"type": "ComparisonError", "message": "Failed to load target state"},
        {"type": "SharedResourceWarning", "message": "never mind"},
    ]
    seen = of_application(application(conditions=conditions, sync={"status": "Unknown"}))
    assert (seen.sync, seen.revision, seen.message) == ("Unknown", None, "Failed to load target state")


def test_resources_of_somebody_else_in_the_repository_are_none_of_ours() -> None:
    foreign = {"group": "apps", "kind": "Deployment", "name": "a", "status": "OutOfSync"}
    assert of_application(application(resources=[foreign])).lagging == frozenset()


def test_an_object_that_is_not_there_says_so() -> None:
    assert of_application(None).message == "the Application is not there"
    assert of_kustomization(None).message == "the Kustomization is not there"


def test_a_kustomization_tells_the_commit_that_it_applied() -> None:
    ready = {"type": "Ready", "status": "True", "message": "Applied revision: main@sha1:abc"}
    body = {"status": {"lastAppliedRevision": "main@sha1:abc", "conditions": [ready]}}
    assert of_kustomization(body) == Seen("abc", "Synced", "Healthy")


def test_a_kustomization_that_fails_says_why_and_at_which_row() -> None:
    message = 'AppConfig/team/a dry-run failed (Invalid): appconfigs.rowcast.dev "a" is forbidden: no\n'
    ready = {"type": "Ready", "status": "False", "message": message}
    body = {"status": {"lastAppliedRevision": "main@sha1:abc", "conditions": [ready]}}
    assert of_kustomization(body) == Seen("abc", "OutOfSync", "Degraded", message, errors={"a": message.strip()})


@pytest.mark.parametrize(
    "message", ["kustomize build failed: AppConfig/a is broken", "Deployment/team/a dry-run failed", "AppConfig/"]
)
def test_what_is_of_no_row_of_ours_is_said_of_all(message: str) -> None:
    ready = {"type": "Ready", "status": "False", "message": message}
    seen = of_kustomization({"status": {"conditions": [ready]}})
    assert (seen.message, seen.errors) == (message, {})


def test_a_kustomization_at_work_has_not_said_its_last_word() -> None:
    ready = {"type": "Ready", "status": "Unknown", "reason": "Progressing"}
    body = {"status": {"lastAppliedRevision": "main@sha1:abc", "conditions": [ready]}}
    assert of_kustomization(body).passing
    assert not of_kustomization(None).passing


leaf = st.sampled_from([None, True, 7, "", "Synced", "SyncFailed", "Running", "rowcast.dev", "AppConfig"])
part = st.dictionaries(
    st.sampled_from(["group", "kind", "name", "status", "type", "message", "phase"]), leaf, max_size=4
)
json = leaf | part | st.lists(leaf | part, max_size=3)
known = st.sampled_from(["status", "sync", "health", "resources", "operationState", "conditions", "syncResult"])


@given(st.dictionaries(known, json, max_size=4))
def test_whatever_is_in_the_status_it_is_read(status: dict[str, Any]) -> None:
    assert of_application({"status": status}).sync
    assert of_kustomization({"status": status}).sync


def test_rows_wait_while_their_files_or_their_resources_do() -> None:
    seen = Seen("abc", "OutOfSync", "Healthy", lagging=frozenset({"b", "gone"}), errors={"b": "denied"})
    told = progress("argocd/rowcast", seen, Behind(frozenset({app_config(1)}), {"b": app_config(2)}), AT)

    assert (told["pending"], told["pending_truncated"], told["errors"]) == (
        ["appconfigs/1", "appconfigs/2"],
        False,
        {"appconfigs/2": "denied"},
    )
    assert (told["application"], told["revision"], told["observed_at"]) == ("argocd/rowcast", "abc", AT)


def test_of_a_commit_that_nobody_knows_all_rows_wait() -> None:
    told = progress("argocd/rowcast", Seen("abc", "Synced", "Healthy"), None, AT)
    assert (told["pending"], told["pending_truncated"]) == ([], True)


def test_a_message_has_a_limit() -> None:
    many = frozenset(map(app_config, range(SHOWN + 1)))
    told = progress("argocd/rowcast", Seen("abc", "Synced", "Healthy"), Behind(many, {}), AT)
    assert (len(told["pending"]), told["pending_truncated"]) == (SHOWN, True)


def test_a_no_to_what_a_row_was_is_not_one_to_what_it_is() -> None:
    a, b = app_config(1), app_config(2)
    seen = Seen("abc", "OutOfSync", "Healthy", "failed", errors={"a": "denied", "b": "denied"}, attempted="def")
    told = progress(
        "argocd/rowcast", seen, Behind(frozenset({a, b}), {"a": a, "b": b}), AT, overtaken=frozenset({b, app_config(3)})
    )
    assert (told["errors"], told["pending"]) == ({"appconfigs/1": "denied"}, ["appconfigs/1", "appconfigs/2"])


def test_an_engine_says_which_commit_it_failed_with() -> None:
    assert of_application(application(operationState={"syncResult": {"revision": "def"}})).attempted == "def"
    assert of_kustomization({"status": {"lastAttemptedRevision": "main@sha1:def"}}).attempted == "def"
