"""Rows of any table where the policy wants an approval: by the API and by the commands, and rows that change along."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from client_contract import Run
from client_runs import against
from integration.crud.serving import make_settings, serving
from integration.crud.sources.conftest import Place
from integration.crud.sources.test_commands import rowcast
from integration.crud.test_access import TOKEN, by
from rowcast.crud.renderers.rollout_worker import look

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
p, role:operator, rollouts, *, *, allow
p, role:operator, rows, view, */*, allow
p, only-dev@example.com, rows, *, */dev, allow
p, not-prod@example.com, rows, *, */*, allow
p, not-prod@example.com, rows, approve, */prod, deny
p, bob@example.com, rows, *, */*, allow
g, ada@example.com, role:operator
g, bob@example.com, role:operator
g, only-dev@example.com, role:operator
g, not-prod@example.com, role:operator
approval, */prod
"""
ADA, BOB = {"x-rowcast-user": "ada"}, {"x-rowcast-user": "bob"}
ROWS = "/renderers/tenants/rows"
ROLLOUTS = "/renderers/tenants/rollouts"
LABELLED = DECLARATION.replace("namespace: teams}}", 'namespace: teams, labels: {plan: "${row.plan}"}}}')


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
def policy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What is served by it has a worker that looks at roll-outs once in an hour."""
    file = tmp_path_factory.mktemp("policy") / "policy.csv"
    file.write_text(POLICY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rowcast.crud.renderers.rollout_worker.IDLE_SECONDS", 3600)
        yield file


@pytest.fixture(scope="module")
def served(place: Place, serving_url: str, policy: Path) -> Iterator[httpx.Client]:
    """On the loopback, where typed names are all that there is."""
    with serving(make_settings(serving_url, dapr_http_port=1, policy=policy)) as client:
        yield client


@pytest.fixture(scope="module")
def vouching(place: Place, serving_url: str, policy: Path) -> Iterator[httpx.Client]:
    """The same, behind a sidecar that passes the dashboard's word on."""
    with serving(make_settings(serving_url, dapr_http_port=1, policy=policy, app_api_token=TOKEN)) as client:
        yield client


@pytest.fixture
def kept(place: Place, rows: None, tmp_path: Path) -> None:
    """Another revision of the declaration, which no row has."""
    file = tmp_path / "kept.yaml"
    file.write_text(LABELLED)
    assert rowcast(place, "apply", "--no-assign", file).exit_code == 0


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


def test_the_commands_show_why_and_what_the_manifests_become(run: Run, served: httpx.Client) -> None:
    headers = ADA | {"x-rowcast-comment": "it is sold"}
    operations = [
        {"op": "update", "key": "1", "values": {"slug": "sold"}},
        {"op": "create", "values": {"slug": "new", "stage": "dev"}},
        {"op": "delete", "key": "2"},
    ]
    asked = served.post(f"{ROWS}:batch", json={"operations": operations}, headers=headers).json()
    number = str(asked["id"])
    shown = run("proposals", "show", number)
    assert shown.code == 0, shown
    assert "why: it is sold" in shown.lines
    begins = [shown.lines.index(f"tenants/{name}") for name in ("sold: change", "new: create", "zoo: delete")]
    parts = [shown.lines[begin : min((each for each in begins if each > begin), default=None)] for begin in begins]
    assert [[line for line in part if line.startswith(("-  name:", "+  name:"))] for part in parts] == [
        ["-  name: acme", "+  name: sold"],
        ["+  name: new"],
        ["-  name: zoo"],
    ]
    without = run("proposals", "show", number, "--no-manifests")
    assert (without.code, "metadata" in without.stdout) == (0, False), without
    some = run("proposals", "show", number, "--limit", "1")
    assert some.lines[-1] == "the manifests of 2 more rows are not shown (--limit)"
    assert (
        json.loads(run("proposals", "show", number, "-o", "json").stdout) == served.get(f"/proposals/{number}").json()
    )
    # Of what is over nobody has to see what it would be.
    assert run("proposals", "withdraw", number, "--as", "ada").code == 0
    assert "metadata" not in run("proposals", "show", number).stdout


def test_a_target_that_cant_be_asked_is_a_line_of_what_the_commands_show(run: Run, served: httpx.Client) -> None:
    config = {"name": "shop", "repository_url": "https://git.example/shop.git", "environment": "prod"}
    asked = served.post("/appconfigs", json=config, headers=ADA).json()
    shown = run("proposals", "show", str(asked["id"]))
    assert shown.code == 0, shown
    assert [line.partition(": can't be asked now: ")[0] for line in shown.lines[-2:]] == ["k8s", "git"], shown


def started(client: httpx.Client, person: Mapping[str, str], revision: int = 2) -> str:
    """A roll-out that waits for another person; its path."""
    answer = client.post(ROLLOUTS, json={"revision": revision}, headers=person)
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "paused"
    assert "somebody else" in answer.json()["why"]
    return f"{ROLLOUTS}/{answer.json()['id']}"


def looked(serving_url: str, path: str) -> None:
    """What crud's worker does of a roll-out, as crud's role."""
    engine = sa.create_engine(serving_url, json_deserializer=json.loads)
    for _ in range(3):
        with engine.begin() as connection:
            look(connection, int(path.rpartition("/")[2]), ("k8s",))
    engine.dispose()


def signed(place: Place) -> set[tuple[Any, ...]]:
    """By which revision the rows are, in whose name, and approved by whom, as what is captured says it."""
    return set(
        place.ask("SELECT revision, actor, actor_verified, approved_by FROM rowcast.rows WHERE renderer = 'tenants'")
    )


def test_a_roll_out_begins_once_another_person_resumes_it(
    served: httpx.Client, place: Place, kept: None, serving_url: str
) -> None:
    path = started(served, ADA)
    alone = served.post(f"{path}:resume", headers=ADA)
    assert alone.status_code == 403, alone.text
    resumed = served.post(f"{path}:resume", headers=BOB)
    assert (resumed.status_code, resumed.json()["approved_by"]) == (200, "bob"), resumed.text
    # Nobody vouches for a typed name: no commit names it.
    looked(serving_url, path)
    assert signed(place) == {(2, "ada", False, None)}


def test_a_roll_out_is_of_who_started_it_and_its_rows_name_who_has_approved_it(
    vouching: httpx.Client, place: Place, kept: None, serving_url: str
) -> None:
    path = started(vouching, by("ada@example.com"))
    looked(serving_url, path)
    assert {revision for revision, *_ in signed(place)} == {1}
    bob = by("bob@example.com")
    assert vouching.post(f"{path}:resume", headers=bob).status_code == 200
    # Whoever holds it up for a while has not made the change.
    for verb in ("pause", "resume"):
        assert vouching.post(f"{path}:{verb}", headers=by("not-prod@example.com")).status_code == 200
    looked(serving_url, path)
    assert signed(place) == {(2, "ada@example.com", True, "bob@example.com")}
    # Nobody has approved that it goes back.
    assert vouching.post(f"{path}:rollback", headers=by("only-dev@example.com")).status_code == 200
    looked(serving_url, path)
    assert signed(place) == {(1, "only-dev@example.com", True, None)}


def test_who_may_not_approve_in_each_environment_does_not_let_a_roll_out_begin(
    vouching: httpx.Client, place: Place, kept: None
) -> None:
    path = started(vouching, by("ada@example.com"))
    for person in ("only-dev", "not-prod"):
        refused = vouching.post(f"{path}:resume", headers=by(f"{person}@example.com"))
        assert refused.status_code == 403, refused.text
        assert f"{person}@example.com may not approve rows of tenants/*" in refused.json()["detail"]
    # Bob under another name that is his, too: as an issuer's subject, say.
    place.run("UPDATE rowcast.rollouts SET authors = authors || ARRAY['bob@example.com']")
    same = vouching.post(f"{path}:resume", headers=by("bob@example.com"))
    assert (same.status_code, "has started it" in same.json()["detail"]) == (403, True), same.text
    assert place.ask("SELECT state, approved_by FROM rowcast.rollouts") == [("paused", None)]


def test_what_a_roll_out_has_done_goes_back_by_two_persons_too(served: httpx.Client, place: Place, kept: None) -> None:
    path = started(served, ADA)
    assert served.post(f"{path}:resume", headers=BOB).status_code == 200
    # While it is under way whoever sees it fail stops it and goes back.
    assert served.post(f"{path}:rollback", headers=ADA).json()["state"] == "rolling-back"
    for ended in ("done", "aborted"):
        place.run("UPDATE rowcast.rollouts SET state = 'aborted'")
        path = started(served, ADA)
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
    assert started(served, ADA, 1)
