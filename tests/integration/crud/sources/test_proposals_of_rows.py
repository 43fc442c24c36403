"""Rows of any table where the policy wants an approval: by the API and by the commands, and rows that change along."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from client_contract import Run
from client_runs import against
from integration.crud.serving import make_settings, serving
from integration.crud.sources.conftest import Place
from integration.crud.sources.test_commands import rowcast

DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: tenants}
spec:
  source:
    {table: tenants, key: [id], edit: true, with: {hosts: {table: hosts, on: {tenant: id}, columns: [host]}}}
  name: "${row.slug}"
  environment: "${row.stage}"
  allow: {kinds: [ConfigMap], namespaces: [teams]}
  manifests:
    - id: one
      template: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${row.slug}", namespace: teams}}
"""
HOSTS = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: hosts}
spec:
  source: {table: hosts, key: [id], edit: true}
  name: "${row.host}"
  environment: dev
  allow: {kinds: [ConfigMap], namespaces: [teams]}
  manifests:
    - id: one
      template: {apiVersion: v1, kind: ConfigMap, metadata: {name: "host-${string(row.id)}", namespace: teams}}
"""
POLICY = """\
p, anonymous, *, *, */*, allow
approval, */prod
"""
ADA, BOB = {"x-rowcast-user": "ada"}, {"x-rowcast-user": "bob"}
ROWS = "/renderers/tenants/rows"


@pytest.fixture(scope="module")
def place(migrated_url: str) -> Place:
    made = Place(migrated_url)
    made.run(
        "CREATE TABLE tenants (id bigserial PRIMARY KEY, slug text NOT NULL UNIQUE, stage text NOT NULL,"
        " plan text NOT NULL DEFAULT 'free')",
        "CREATE TABLE hosts (id bigint PRIMARY KEY, host text NOT NULL,"
        " tenant bigint REFERENCES tenants ON DELETE CASCADE ON UPDATE CASCADE)",
    )
    return made


@pytest.fixture(scope="module")
def served(place: Place, serving_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """On the loopback, where typed names are all that there is."""
    policy = tmp_path_factory.mktemp("policy") / "policy.csv"
    policy.write_text(POLICY)
    with serving(make_settings(serving_url, dapr_http_port=1, policy=policy)) as client:
        yield client


@pytest.fixture(autouse=True)
def rows(place: Place, served: httpx.Client, tmp_path: Path) -> None:
    place.run(
        "DELETE FROM app_configs",
        "DELETE FROM rowcast.renderers",
        "DELETE FROM rowcast.sources",
        "TRUNCATE tenants RESTART IDENTITY CASCADE",
        "DELETE FROM rowcast.rows",
        "DELETE FROM rowcast.row_history",
        "DELETE FROM rowcast.proposals",
        "DELETE FROM rowcast.rollouts",
        "INSERT INTO tenants (slug, stage) VALUES ('acme', 'prod'), ('zoo', 'dev')",
        "INSERT INTO hosts VALUES (1, 'a.example', 1), (2, 'z.example', 2)",
    )
    for name, text in (("tenants", DECLARATION), ("hosts", HOSTS)):
        file = tmp_path / f"{name}.yaml"
        file.write_text(text)
        ran = rowcast(place, "apply", file)
        assert ran.exit_code == 0, ran.output


@pytest.fixture
def run(served: httpx.Client, tmp_path: Path) -> Iterator[Run]:
    with capture_logs():  # crud is in this process, and would write into what the commands print
        yield against(str(served.base_url), tmp_path / "config")


def content(place: Place) -> Any:
    return place.ask("SELECT t.* FROM tenants AS t ORDER BY id"), place.ask("SELECT h.* FROM hosts AS h ORDER BY id")


def test_no_way_of_the_api_changes_such_a_row_for_one_person(served: httpx.Client, place: Place) -> None:
    dev = {"op": "create", "values": {"slug": "other", "stage": "dev"}}
    ways: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", ROWS, {"json": {"values": {"slug": "new", "stage": "prod"}}}),
        ("PATCH", f"{ROWS}/1", {"json": {"values": {"plan": "gold"}}}),
        ("PATCH", f"{ROWS}/1", {"json": {"values": {"stage": "dev"}}}),
        ("PATCH", f"{ROWS}/2", {"json": {"values": {"stage": "prod"}}}),
        ("PATCH", f"{ROWS}/1", {"json": {"values": {"id": 9}}}),
        ("DELETE", f"{ROWS}/1", {}),
        ("POST", f"{ROWS}:batch", {"json": {"operations": [dev, {"op": "delete", "key": "1"}]}}),
        ("POST", f"{ROWS}:import", {"json": {"rows": [{"id": 1, "plan": "x"}, {"id": 2, "plan": "x"}]}}),
        ("POST", f"{ROWS}:import", {"content": "id,plan\n1,x\n", "headers": {"content-type": "text/csv"}}),
        # What another table's rows take along: columns of related rows are in the row.
        ("PATCH", "/renderers/hosts/rows/1", {"json": {"values": {"host": "b.example"}}}),
        ("DELETE", "/renderers/hosts/rows/1", {}),
    ]
    before = content(place)
    for method, path, request in ways:
        answer = served.request(method, path, **request | {"headers": ADA | request.get("headers", {})})
        assert answer.status_code == 202, (method, path, answer.text)
    assert content(place) == before
    free = served.patch(f"{ROWS}/2", json={"values": {"plan": "gold"}}, headers=ADA)
    assert free.status_code == 200, free.text


def test_another_person_makes_it_so_and_the_history_names_both(served: httpx.Client, place: Place) -> None:
    operations = [
        {"op": "create", "values": {"slug": "new", "stage": "prod"}},
        {"op": "update", "key": "1", "values": {"plan": "gold"}},
    ]
    asked = served.post(f"{ROWS}:batch", json={"operations": operations}, headers=ADA).json()
    assert [each["op"] for each in asked["changes"]] == ["update", "create"] or len(asked["changes"]) == 2
    assert asked["environments"] == ["prod"]
    assert served.post(f"/proposals/{asked['id']}:approve", headers=ADA).status_code == 403
    approved = served.post(f"/proposals/{asked['id']}:approve", headers=BOB)
    assert approved.status_code == 200, approved.text
    assert place.ask("SELECT slug, plan FROM tenants WHERE stage = 'prod' ORDER BY slug") == [
        ("acme", "gold"),
        ("new", "free"),
    ]
    latest = served.get("/renderers/tenants/history", params={"key": "1"}).json()["items"][0]
    assert (latest["actor"], latest["proposal"]["decided_by"]) == ("ada", "bob")
    # Nobody vouches for a typed name: no commit names it.
    assert set(place.ask("SELECT approved_by FROM rowcast.rows WHERE renderer = 'tenants'")) == {(None,)}


def test_what_changed_meanwhile_makes_it_stale(served: httpx.Client, place: Place) -> None:
    asked = served.patch(f"{ROWS}/1", json={"values": {"plan": "gold"}}, headers=ADA).json()
    place.run("UPDATE tenants SET plan = 'sql' WHERE id = 1")
    answer = served.post(f"/proposals/{asked['id']}:approve", headers=BOB)
    assert answer.status_code == 409, answer.text
    assert "tenants/acme" in answer.json()["detail"]
    renewed = served.post(f"/proposals/{asked['id']}:renew", headers=ADA)
    assert renewed.status_code == 202
    assert served.post(f"/proposals/{renewed.json()['id']}:approve", headers=BOB).status_code == 200
    assert place.ask("SELECT plan FROM tenants WHERE id = 1") == [("gold",)]


def test_who_approves_has_seen_all_rows_that_change_along(served: httpx.Client, place: Place) -> None:
    asked = served.patch("/renderers/hosts/rows/1", json={"values": {"host": "b.example"}}, headers=ADA).json()
    assert {each["renderer"] for each in asked["changes"]} == {"tenants", "hosts"}
    other = served.patch("/renderers/hosts/rows/2", json={"values": {"host": "y.example"}}, headers=ADA)
    assert other.status_code == 200, "dev alone"
    assert served.post(f"/proposals/{asked['id']}:approve", headers=BOB).status_code == 200
    assert place.ask("SELECT host FROM hosts WHERE id = 1") == [("b.example",)]


def test_the_commands_propose_and_say_so_by_their_exit_code(run: Run, place: Place, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id,plan\n1,gold\n")
    applied = run("apply", "tenants", "-f", str(file), "--as", "ada", "--comment", "Größe für die Messe")
    assert applied.code == 4, applied
    assert applied.lines == ["tenants/1 change: proposed"]
    number = re.search(r"proposal (\d+)", applied.stderr)
    assert number is not None
    assert run("delete", "tenants", "1", "--yes", "--as", "ada").code == 4
    assert place.ask("SELECT plan FROM tenants WHERE id = 1") == [("free",)]

    listed = run("proposals", "list")
    assert listed.code == 0
    assert "update acme" in listed.stdout
    assert "delete acme" in listed.stdout
    shown = run("proposals", "show", number[1])
    assert "Größe für die Messe" in shown.stdout
    assert re.search(r"free.*gold|- *plan.*\n\+ *plan", shown.stdout, re.DOTALL), shown
    alone = run("proposals", "approve", number[1], "--as", "ada")
    assert (alone.code, "somebody else" in alone.stderr) == (1, True)
    approved = run("proposals", "approve", number[1], "--as", "bob")
    assert (approved.code, approved.lines) == (0, [f"proposals/{number[1]} approved"]), approved
    assert place.ask("SELECT plan FROM tenants WHERE id = 1") == [("gold",)]

    back = run("rollback", "tenants", "1", "--as", "ada")
    assert back.code == 4, back
    items = json.loads(run("proposals", "list", "-o", "json").stdout)["items"]
    latest = str(items[0]["id"])
    assert run("proposals", "reject", latest, "--why", "no", "--as", "bob").lines == [f"proposals/{latest} rejected"]
    again = run("rollback", "tenants", "1", "--as", "ada")
    latest = re.search(r"proposal (\d+)", again.stderr)[1]  # type: ignore[index]
    assert run("proposals", "withdraw", latest, "--as", "ada").lines == [f"proposals/{latest} withdrawn"]


def test_a_roll_out_begins_once_another_person_resumes_it(served: httpx.Client, place: Place, tmp_path: Path) -> None:
    file = tmp_path / "kept.yaml"
    file.write_text(DECLARATION.replace("namespace: teams}}", 'namespace: teams, labels: {plan: "${row.plan}"}}}'))
    assert rowcast(place, "apply", "--no-assign", file).exit_code == 0
    started = served.post("/renderers/tenants/rollouts", json={"revision": 2}, headers=ADA)
    assert started.status_code == 201, started.text
    assert started.json()["state"] == "paused"
    assert "somebody else" in started.json()["why"]
    path = f"/renderers/tenants/rollouts/{started.json()['id']}:resume"
    alone = served.post(path, headers=ADA)
    assert alone.status_code == 403, alone.text
    resumed = served.post(path, headers=BOB)
    assert (resumed.status_code, resumed.json()["approved_by"]) == (200, "bob"), resumed.text


def test_what_a_roll_out_has_done_goes_back_by_two_persons_too(
    served: httpx.Client, place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "kept.yaml"
    file.write_text(DECLARATION.replace("namespace: teams}}", 'namespace: teams, labels: {plan: "${row.plan}"}}}'))
    assert rowcast(place, "apply", "--no-assign", file).exit_code == 0

    def started(revision: int) -> str:
        answer = served.post("/renderers/tenants/rollouts", json={"revision": revision}, headers=ADA)
        assert answer.status_code == 201, answer.text
        assert answer.json()["state"] == "paused"
        return f"/renderers/tenants/rollouts/{answer.json()['id']}"

    path = started(2)
    assert served.post(f"{path}:resume", headers=BOB).status_code == 200
    # While it is under way whoever sees it fail stops it and goes back.
    assert served.post(f"{path}:rollback", headers=ADA).json()["state"] == "rolling-back"
    for ended in ("done", "aborted"):
        place.run("UPDATE rowcast.rollouts SET state = 'aborted'")
        path = started(2)
        place.run(
            f"UPDATE rowcast.rollouts SET state = '{ended}' WHERE id = {path.rpartition('/')[2]}",
            # Made since, and approved as it is: nobody has seen it by the revision of before.
            "INSERT INTO tenants (slug, stage) VALUES ('since', 'prod') ON CONFLICT DO NOTHING",
        )
        for person in (ADA, BOB):
            alone = served.post(f"{path}:rollback", headers=person)
            assert alone.status_code == 403, alone.text
            assert "start a roll-out of revision 1, which another person resumes" in alone.json()["detail"]
        assert served.get(path).json()["state"] == ended
    assert started(1)
