"""Promotion of rows over HTTP, by crud's own role: the board, copying from a counterpart, gates, approvals, history."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from integration.crud.serving import make_settings, serving
from rowcast.check import promote_cli

from .conftest import Place
from .test_commands import rowcast

HOW_TO = Path(__file__).parents[4] / "docs/how-to/promote.md"
TABLE = """
CREATE TABLE public.services (
    id bigserial PRIMARY KEY,
    name text NOT NULL,
    stage text NOT NULL,
    version text CHECK (version <> 'refused'),
    replicas int,
    shouted text GENERATED ALWAYS AS (upper(version)) STORED,
    settings jsonb
);
"""
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: services}
spec:
  source: {table: services, key: [id], edit: true}
  name: ${row.name}
  environment: ${row.stage}
  allow: {kinds: [ConfigMap]}
  manifests:
    - id: settings
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "${row.name}-${row.stage}"}
        data: {version: "${row.version}"}
"""
PROMOTION = (
    "  promotion: {match: [name], along: stage, order: [dev, staging, prod], fields: [version, settings]GATES}\n"
)
ROWS = (
    "(1, 'web', 'dev', 'v3', '{\"a\": [1, true]}')",
    "(2, 'web', 'staging', 'v2', NULL)",
    "(3, 'web', 'prod', 'v1', NULL)",
    "(4, 'api', 'dev', 'v9', NULL)",
    "(5, 'api', 'prod', 'v9', NULL)",
    "(6, 'web', 'attic', 'v0', NULL)",
)
BOARD = "/renderers/services/promotions"
CONFIGURATIONS = "/renderers/appconfigs/promotions"


@pytest.fixture(scope="module")
def place(migrated_url: str) -> Place:
    made = Place(migrated_url)
    made.run(TABLE)
    return made


@pytest.fixture(scope="module")
def served(place: Place, serving_url: str) -> Iterator[httpx.Client]:
    order = '{"order": ["dev", "prod"]}'
    with serving(make_settings(serving_url, dapr_http_port=1, promotion=order, target_kinds="k8s")) as client:
        yield client


@pytest.fixture(autouse=True)
def rows(place: Place, tmp_path: Any) -> None:
    place.run(
        "DELETE FROM rowcast.renderers",
        "DELETE FROM rowcast.sources",
        "TRUNCATE services RESTART IDENTITY",
        "DELETE FROM rowcast.rows",
        "DELETE FROM rowcast.row_history",
        "DELETE FROM rowcast.statuses",
        "DELETE FROM rowcast.promotions",
        f"INSERT INTO services (id, name, stage, version, settings) VALUES {', '.join(ROWS)}",
    )
    declare(place, tmp_path)


def declare(place: Place, folder: Any, gates: str = "", declaration: str = DECLARATION + PROMOTION) -> None:
    file = folder / "services.yaml"
    file.write_text(declaration.replace("GATES", f", gates: {gates}" if gates else ""))
    ran = rowcast(place, "apply", file)
    assert ran.exit_code == 0, ran.output


def healthy(place: Place, key: int, minutes: int, stage: str | None = "healthy") -> None:
    """The row is at its target, at its generation, for so long."""
    told = "NULL" if stage is None else f"'{stage}'"
    place.run(
        "DELETE FROM rowcast.statuses",
        "INSERT INTO rowcast.statuses (renderer, key, target, observed_generation, deleted, outcome, delivered_at,"
        f" stage, staged_at) SELECT renderer, key, 'k8s', generation, false, 'created', now() - interval '1 day',"
        f" {told}, now() - interval '{minutes} minutes' FROM rowcast.rows WHERE key = '{key}'",
    )


def board(client: httpx.Client, **params: Any) -> dict[str, dict[str, Any]]:
    """By what counterparts share, each place."""
    answer = client.get(BOARD, params=params)
    assert answer.status_code == 200, answer.text
    return {
        group["match"]["name"]: {place["place"]: place for place in group["places"]} for group in answer.json()["items"]
    }


def seen(client: httpx.Client, into: str, name: str = "web") -> dict[str, Any]:
    place = board(client)[name][into]
    return {
        "from_key": place["from_key"],
        "from_generation": place["from_generation"],
        "to_key": place["key"],
        "to_generation": place["generation"],
    }


def promote(client: httpx.Client, *items: Any, who: str = "ada", **more: Any) -> list[dict[str, Any]]:
    answer = client.post(BOARD, json={"items": list(items), **more}, headers={"x-rowcast-user": who})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def promote_to(client: httpx.Client, *keys: str) -> list[dict[str, Any]]:
    answer = client.post(BOARD, json={"keys": list(keys), "dry_run": True})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def version(client: httpx.Client, key: int) -> Any:
    return client.get(f"/renderers/services/rows/{key}").json()["row"]["version"]


def test_the_board_says_which_version_is_where_and_what_may_be_promoted(served: httpx.Client) -> None:
    found = board(served)
    assert list(found) == ["api", "web"]
    web = found["web"]
    assert {place: each["values"]["version"] for place, each in web.items()} == {
        "dev": "v3",
        "staging": "v2",
        "prod": "v1",
    }
    assert web["staging"]["fields"] == {"version": ["v2", "v3"], "settings": [None, {"a": [1, True]}]}
    assert (web["staging"]["allowed"], web["staging"]["from_key"]) == (True, "1")
    assert (web["dev"]["rule"], found["api"]["prod"]["rule"]) == ("first", "no-counterpart")
    assert found["api"]["staging"]["why"] == "there is no row in staging"


def test_the_board_is_had_in_pages_searched_and_narrowed_to_what_differs(served: httpx.Client, place: Place) -> None:
    first = served.get(BOARD, params={"limit": 1}).json()
    assert (first["total"], [group["match"]["name"] for group in first["items"]]) == (2, ["api"])
    second = served.get(BOARD, params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert ([group["match"]["name"] for group in second["items"]], second["next_cursor"]) == (["web"], None)
    assert list(board(served, search="AP")) == ["api"]
    assert list(board(served, differs="true")) == ["web"]
    assert served.get(BOARD, params={"cursor": "nonsense"}).status_code == 422


def test_a_dry_run_shows_the_manifests_before_and_after_and_changes_nothing(served: httpx.Client) -> None:
    [item] = promote(served, seen(served, "staging"), dry_run=True)
    assert (item["outcome"], item["from_place"], item["to_place"]) == ("possible", "dev", "staging")
    data = [item[side]["manifests"][0]["manifest"]["data"] for side in ("before", "after")]
    assert data == [{"version": "v2"}, {"version": "v3"}]
    assert version(served, 2) == "v2"


def test_a_promotion_is_an_edit_of_the_row_and_its_history_says_what_it_was(served: httpx.Client) -> None:
    [item] = promote(served, seen(served, "staging"))

    assert (item["outcome"], item["generation"]) == ("promoted", 2)
    row = served.get("/renderers/services/rows/2").json()
    assert (row["row"]["version"], row["row"]["settings"], row["actor"]) == ("v3", {"a": [1, True]}, "ada")
    [entry, first] = served.get("/renderers/services/history", params={"key": "2"}).json()["items"]
    assert first["promotion"] is None
    assert (entry["promotion"]["from_key"], entry["promotion"]["from_place"]) == ("1", "dev")
    assert (entry["promotion"]["asked_by"], entry["promotion"]["decided_by"]) == ("ada", None)
    assert board(served)["web"]["staging"]["rule"] == "same"


@pytest.mark.parametrize("key", [1, 2], ids=["source", "row"])
def test_what_has_changed_since_it_was_seen_is_refused(served: httpx.Client, place: Place, key: int) -> None:
    item = seen(served, "staging")
    place.run(f"UPDATE services SET version = 'v4' WHERE id = {key}")

    [refused] = promote(served, item)

    assert (refused["outcome"], refused["rule"]) == ("refused", "generation")
    assert version(served, 2) == ("v2" if key == 1 else "v4")


def test_all_that_differ_are_promoted_as_they_were_seen_one_step_each(served: httpx.Client) -> None:
    answer = served.post(BOARD, json={"all": True, "dry_run": True, "previews": 0}).json()
    assert (answer["groups"], [item["to_place"] for item in answer["items"]]) == (1, ["staging", "prod"])
    names = ("from_key", "from_generation", "to_key", "to_generation")

    done = promote(served, *({name: item[name] for name in names} for item in answer["items"]))

    assert [item["outcome"] for item in done] == ["promoted", "promoted"]
    assert [version(served, key) for key in (1, 2, 3)] == ["v3", "v3", "v2"]


def test_what_the_table_refuses_keeps_no_other_from_being_promoted(served: httpx.Client, place: Place) -> None:
    place.run(
        "ALTER TABLE services DROP CONSTRAINT services_version_check",
        "UPDATE services SET version = 'refused' WHERE id = 2",
        "ALTER TABLE services ADD CONSTRAINT services_version_check CHECK (version <> 'refused') NOT VALID",
    )
    done = promote(served, seen(served, "prod"), seen(served, "staging"))

    assert [(item["outcome"], item["rule"]) for item in done] == [("refused", "check"), ("promoted", None)]
    assert [version(served, key) for key in (2, 3)] == ["v3", "v1"]


def test_a_gate_opens_when_what_is_promoted_was_healthy_for_long_enough(
    served: httpx.Client, place: Place, tmp_path: Any
) -> None:
    declare(place, tmp_path, "{healthy: 30m}")
    assert board(served)["web"]["staging"]["rule"] == "unsettled"
    healthy(place, 1, 10)
    found = board(served)["web"]
    assert (found["staging"]["rule"], found["dev"]["state"]) == ("too-young", "healthy")
    assert 0 < found["staging"]["wait_seconds"] <= 1200
    assert promote(served, seen(served, "staging"))[0]["rule"] == "too-young"
    healthy(place, 1, 60, "synced")
    assert board(served)["web"]["staging"]["rule"] == "unsettled"
    healthy(place, 1, 31)
    assert promote(served, seen(served, "staging"))[0]["outcome"] == "promoted"

    place.run("UPDATE services SET version = 'v5' WHERE id = 1")
    assert board(served)["web"]["staging"]["rule"] == "unsettled"


def test_somebody_else_has_to_approve(served: httpx.Client, place: Place, tmp_path: Any) -> None:
    declare(place, tmp_path, "{approval: true}")
    [asked] = promote(served, seen(served, "staging"))
    again = promote(served, seen(served, "staging"), who="bob")[0]
    assert (asked["outcome"], again["record"], version(served, 2)) == ("awaiting", asked["record"], "v2")
    assert board(served)["web"]["staging"]["request"] == asked["record"]

    for who, status in (("ada", 403), ("anonymous", 403), ("bob", 200), ("eve", 409)):
        answer = served.post(f"{BOARD}/{asked['record']}:approve", headers={"x-rowcast-user": who})
        assert answer.status_code == status, answer.text

    row = served.get("/renderers/services/rows/2").json()
    assert (row["row"]["version"], row["actor"]) == ("v3", "ada")
    entry, *_ = served.get("/renderers/services/history", params={"key": "2"}).json()["items"]
    assert (entry["promotion"]["asked_by"], entry["promotion"]["decided_by"]) == ("ada", "bob")


def test_an_approval_counts_for_what_was_seen_and_for_nothing_else(
    served: httpx.Client, place: Place, tmp_path: Any
) -> None:
    declare(place, tmp_path, "{approval: true}")
    [asked] = promote(served, seen(served, "staging"))
    place.run("UPDATE services SET version = 'v4' WHERE id = 1")

    answer = served.post(f"{BOARD}/{asked['record']}:approve", headers={"x-rowcast-user": "bob"})

    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "generation")
    [record] = served.get(f"{BOARD}:requests").json()["items"]
    assert (record["state"], version(served, 2)) == ("outdated", "v2")


def test_a_request_is_refused_with_a_reason(served: httpx.Client, place: Place, tmp_path: Any) -> None:
    declare(place, tmp_path, "{approval: true}")
    [asked] = promote(served, seen(served, "staging"))
    refused = served.post(
        f"{BOARD}/{asked['record']}:refuse", json={"why": "not on a Friday"}, headers={"x-rowcast-user": "bob"}
    ).json()
    assert (refused["state"], refused["decided_by"], refused["why"]) == ("refused", "bob", "not on a Friday")
    assert served.get(f"{BOARD}:requests", params={"state": "awaiting"}).json()["items"] == []
    assert served.post(f"{BOARD}/{asked['record']}:approve", headers={"x-rowcast-user": "bob"}).status_code == 409


def test_what_a_login_vouched_for_takes_a_login_to_approve(served: httpx.Client, place: Place, tmp_path: Any) -> None:
    declare(place, tmp_path, "{approval: true}")
    vouched = {"x-rowcast-user": "ada", "x-rowcast-user-verified": "true"}
    [asked] = served.post(BOARD, json={"items": [seen(served, "staging")]}, headers=vouched).json()["items"]
    path = f"{BOARD}/{asked['record']}:approve"
    assert served.post(path, headers={"x-rowcast-user": "bob"}).status_code == 403
    assert served.post(path, headers={**vouched, "x-rowcast-user": "bob"}).status_code == 200
    assert served.get("/renderers/services/rows/2").json()["actor_verified"] is True


def test_the_commands_of_the_how_to_promote_and_approve(served: httpx.Client, place: Place, tmp_path: Any) -> None:
    declare(place, tmp_path, "{approval: true}")
    text = HOW_TO.read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]
    codes = []
    for line in lines:
        records = served.get(f"{BOARD}:requests").json()["items"]
        # The how-to's number stands for that of the first request.
        words = [str(records[-1]["id"]) if word == "7" else word for word in shlex.split(line, comments=True)]
        assert words[:2] == ["rowcast", "promote"]
        ran = CliRunner().invoke(promote_cli.app, [*words[2:], "--crud-url", str(served.base_url)])
        codes.append(ran.exit_code)
    # The last one refuses what the one before has approved.
    assert codes == [0, 3, 0, 0, 0, 0, 1]
    assert version(served, 2) == "v3"


def test_what_is_written_by_the_database_alone_and_a_table_not_to_be_edited_say_why(
    served: httpx.Client, place: Place, tmp_path: Any
) -> None:
    declare(place, tmp_path, declaration=(DECLARATION + PROMOTION).replace("version, settings", "shouted"))
    assert board(served)["web"]["staging"]["why"] == "shouted is written by the database alone"
    declare(place, tmp_path, declaration=(DECLARATION + PROMOTION).replace(", edit: true", ""))
    assert "no edit: true" in board(served)["web"]["staging"]["why"]
    declare(place, tmp_path, declaration=DECLARATION)
    answer = served.get(BOARD).json()
    assert (answer["promotion"], answer["why"]) == (None, "its declaration has no spec.promotion")


def test_no_such_renderer_and_wrong_questions_are_refused(served: httpx.Client) -> None:
    assert served.get("/renderers/nothing/promotions").status_code == 404
    assert served.post(BOARD, json={"all": True}).status_code == 422
    assert served.post(BOARD, json={"items": []}).status_code == 422
    assert served.post(BOARD, json={"keys": ["6"], "dry_run": True}).status_code == 404
    [first] = promote_to(served, "1")
    assert (first["outcome"], first["rule"], first["from_key"]) == ("refused", "first", "")
    item = seen(served, "staging")
    assert served.post(BOARD, json={"items": [item, item]}).status_code == 422
    [refused] = promote(served, {**item, "to_key": "no\x00ne"})
    assert refused["rule"] == "not-found"


def test_configurations_are_promoted_by_their_application_as_the_settings_say(served: httpx.Client) -> None:
    repository = "https://git.example/shop.git"
    for name, environment, branch in (("shop", "dev", "v2"), ("shop-prod", "prod", "v1")):
        body = {"name": name, "application": "shop", "environment": environment, "branch": branch}
        made = served.post("/appconfigs", json={**body, "repository_url": repository})
        assert made.status_code == 201, made.text
    [group] = served.get(CONFIGURATIONS).json()["items"]
    prod = group["places"][1]
    assert (group["match"], prod["fields"], prod["allowed"]) == (
        {"application": "shop"},
        {"branch": ["v1", "v2"]},
        True,
    )
    item = {
        "from_key": prod["from_key"],
        "from_generation": prod["from_generation"],
        "to_key": prod["key"],
        "to_generation": prod["generation"],
    }
    who = {"x-rowcast-user": "ada"}

    [done] = served.post(CONFIGURATIONS, json={"items": [item]}, headers=who).json()["items"]
    [stale] = served.post(CONFIGURATIONS, json={"items": [item]}, headers=who).json()["items"]

    assert (done["outcome"], stale["rule"]) == ("promoted", "generation")
    row = served.get(f"/appconfigs/{prod['key']}").json()
    assert (row["branch"], row["name"], row["updated_by"]) == ("v2", "shop-prod", "ada")
    entries = served.get(f"/appconfigs/{prod['key']}/history").json()["items"]
    assert [each["promotion"] and each["promotion"]["from_place"] for each in entries] == ["dev", None]
