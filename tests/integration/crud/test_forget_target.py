"""`rowcast targets`: a target that is gone for good is forgotten by the database's owner, and nothing waits for it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner, Result

from rowcast.cli import app
from rowcast.crud.deliveries import outstanding
from rowcast.crud.renderers.tombstones import TOMBSTONES
from rowcast.runtime import confirmation
from world import wait_until

from .sources.conftest import Place
from .sources.test_apply import apply, shops  # noqa: F401
from .test_dead_letters import kept
from .test_pipeline import stations
from .test_sync_status import report, status

Row = dict[str, Any]
TARGETS = ("k8s", "git")
GONE = "k8s-eu"


@pytest.fixture
def engine(migrated_url: str) -> Iterator[sa.Engine]:
    """The owner's, to a database that crud serves for TARGETS."""
    made = sa.create_engine(migrated_url)
    outstanding.settle(made, TARGETS)
    yield made
    made.dispose()


@pytest.fixture(autouse=True)
def empty(sql: sa.Connection) -> Iterator[None]:
    yield
    for table in ("app_configs", "app_config_deletions", "sync_statuses", "gitops_progress", "dead_letters"):
        sql.execute(sa.text(f"DELETE FROM {table}"))
    sql.execute(sa.text("DELETE FROM app_config_deletions"))


@pytest.fixture
def targets(migrated_url: str) -> Callable[..., Result]:
    """Runs the command with the owner's access, unless another is given, and with variables if any are."""

    def run(*arguments: str, url: str = migrated_url, stdin: str | None = None, **variables: str) -> Result:
        environment = {"ROWCAST_DATABASE_URL": url, "ROWCAST_TARGETS": None, "DAPR_HTTP_PORT": None, **variables}
        return CliRunner(env=environment).invoke(app, ["targets", *arguments], input=stdin)

    return run


def silent(sql: sa.Connection) -> None:
    """As if all that was told had been told an hour ago."""
    for table in ("sync_statuses", "rowcast.statuses"):
        sql.execute(sa.text(f"UPDATE {table} SET recorded_at = now() - interval '1 hour'"))
    sql.execute(sa.text("UPDATE dead_letters SET received_at = now() - interval '1 hour'"))


def names(crud: httpx.Client, state: str) -> list[str]:
    return [row["name"] for row in crud.get("/appconfigs", params={"state": state, "sort": "name"}).json()["items"]]


def told(crud: httpx.Client, row: Row, generation: int, *some: str) -> None:
    for target in some:
        report(crud, status(row["id"], generation), target=target)


def once_unknown(crud: httpx.Client, wanted: dict[str, int]) -> Row:
    """The station of the rows, once that many wait for unknown targets: a busy crud shows an earlier count first."""
    found: list[Row] = []

    def counted() -> bool:
        found.append(stations(crud)["rows"])
        return bool(found[-1]["facts"].get("unknown_targets") == wanted)

    wait_until(counted, lambda: str(found[-1]))
    return found[-1]


@pytest.fixture
def waiting(crud: httpx.Client, engine: sa.Engine, new: Callable[..., Row], sql: sa.Connection) -> Row:
    """A row that has changed since k8s-eu has told of it, and that all others have; another one that all have."""
    row, other = new("changed"), new("same")
    for one in (row, other):
        told(crud, one, 1, *TARGETS, GONE)
    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "b"})
    told(crud, row, 2, *TARGETS)
    silent(sql)
    outstanding.settle(engine, TARGETS)
    return row


@pytest.mark.usefixtures("waiting")
def test_rows_that_wait_for_a_forgotten_target_alone_are_synced_at_once(
    crud: httpx.Client, sql: sa.Connection, targets: Callable[..., Result]
) -> None:
    kept_by_others = sa.text("SELECT row_id, target FROM sync_statuses WHERE target <> 'k8s-eu' ORDER BY 1, 2")
    before = sql.execute(kept_by_others).all()
    assert names(crud, "pending") == ["changed"]

    ran = targets("forget", GONE, "--yes")

    assert ran.exit_code == 0, ran.output
    assert ran.stderr == (
        "k8s-eu: what it has told of 2 configurations and 0 rows of tables, and 0 open dead letters;"
        " 1 row waits for it\n"
    )
    assert ran.stdout.startswith("k8s-eu: forgotten: what it has told of 2 configurations ")
    assert "What is live at its place stays as it is" in ran.stdout
    assert (names(crud, "pending"), names(crud, "synced")) == ([], ["changed", "same"])
    assert sql.execute(sa.text("SELECT count(*) FROM rowcast.outstanding")).scalar() == 0
    assert sql.execute(sa.text("SELECT count(*) FROM sync_statuses WHERE target = 'k8s-eu'")).scalar() == 0
    assert sql.execute(kept_by_others).all() == before


@pytest.mark.usefixtures("waiting")
def test_the_pipeline_names_a_target_that_is_not_known_with_its_rows_and_what_to_do(
    crud: httpx.Client, targets: Callable[..., Result]
) -> None:
    station = once_unknown(crud, {GONE: 1})
    targets("forget", GONE, "--yes")
    after = once_unknown(crud, {})

    assert station["message"] == "k8s-eu is not among the targets, and 1 row waits for it"
    assert "rowcast targets forget k8s-eu" in station["action"]
    assert (station["state"], station["advice"]) == ("degraded", "unknown-target")
    assert after["state"] == "ok"


def test_rows_of_tables_go_on_and_their_tombstones_too(
    crud: httpx.Client,
    engine: sa.Engine,
    shops: Place,  # noqa: F811
    tmp_path: Path,
    targets: Callable[..., Result],
) -> None:
    apply(shops, tmp_path)
    at = {"renderer": "shops", "outcome": "created", "delivered_at": "2026-01-01T10:00:00Z"}
    for target in (*TARGETS, GONE):
        report(crud, at | {"key": "1", "generation": 1}, at | {"key": "2", "generation": 1}, target=target)
    shops.run("UPDATE shops SET size = 9 WHERE id = 1", "DELETE FROM shops WHERE id = 2")
    for target in TARGETS:
        gone = {"key": "2", "generation": 2, "outcome": "deleted", "deleted": True}
        report(crud, at | {"key": "1", "generation": 2}, at | gone, target=target)
    with engine.connect() as connection:
        silent(connection.execution_options(isolation_level="AUTOCOMMIT"))
    shops.run("UPDATE rowcast.rows SET changed_at = now() - interval '2 days' WHERE renderer = 'shops'")
    outstanding.settle(engine, TARGETS)
    assert crud.get("/renderers/shops/rows/1").json()["targets"][GONE]["state"] == "pending"
    once_unknown(crud, {GONE: 2})
    assert TOMBSTONES.once(engine, timedelta(days=1)) == 0

    ran = targets("forget", GONE, "--yes")

    assert "0 configurations and 2 rows of tables" in ran.stdout
    assert list(crud.get("/renderers/shops/rows/1").json()["targets"]) == list(TARGETS)
    assert shops.ask("SELECT * FROM rowcast.outstanding") == []
    assert TOMBSTONES.once(engine, timedelta(days=1)) == 1


@pytest.mark.usefixtures("engine")
def test_a_deletion_that_waited_for_it_alone_is_made(
    crud: httpx.Client, sql: sa.Connection, new: Callable[..., Row], targets: Callable[..., Result]
) -> None:
    row = new("gone")
    told(crud, row, 1, *TARGETS, GONE)
    crud.delete(f"/appconfigs/{row['id']}")
    sql.execute(sa.text("CREATE TEMP TABLE was AS SELECT * FROM app_config_deletions"))
    for target in TARGETS:
        report(crud, status(row["id"], 2, "deleted", deleted=True), target=target)
    # As a crud has left it for which the target was one of its own.
    sql.execute(sa.text("INSERT INTO app_config_deletions SELECT * FROM was"))
    silent(sql)

    assert targets("forget", GONE, "--yes").exit_code == 0

    assert sql.execute(sa.text("SELECT id FROM app_config_deletions")).all() == []


@pytest.mark.usefixtures("waiting")
def test_its_dead_letters_are_discarded_with_the_reason_and_its_engines_word_goes(
    crud: httpx.Client, sql: sa.Connection, targets: Callable[..., Result]
) -> None:
    ours, others = kept(crud, target=GONE), kept(crud, target="git")
    sql.execute(
        sa.text(
            "INSERT INTO gitops_progress (target, application, sync, health, observed_at, pending, pending_truncated,"
            " errors) VALUES (:target, 'shop', 'Synced', 'Healthy', now() - interval '1 hour', '{}', false, '{}')"
        ),
        {"target": GONE},
    )
    silent(sql)

    ran = targets("forget", GONE, "--yes")

    assert "its GitOps engine's word, and 1 open dead letter." in ran.stdout
    letter = crud.get(f"/deadletters/{ours['id']}").json()
    assert (letter["state"], letter["resolution_reason"]) == ("discarded", "the target was forgotten")
    assert crud.get(f"/deadletters/{others['id']}").json()["state"] == "open"
    assert sql.execute(sa.text("SELECT count(*) FROM gitops_progress")).scalar() == 0


@pytest.mark.usefixtures("waiting")
def test_the_audit_has_who_forgot_it(
    crud: httpx.Client, targets: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")

    targets("forget", GONE, "--yes")

    entry = crud.get("/audit").json()["items"][0]
    assert [entry[name] for name in ("person", "act", "path", "way", "verified", "outcome")] == [
        "ada",
        "targets/forget",
        GONE,
        "owner",
        False,
        "done",
    ]


@pytest.mark.usefixtures("waiting")
def test_the_list_has_what_is_known_and_what_has_told_of_rows(
    crud: httpx.Client, targets: Callable[..., Result]
) -> None:
    kept(crud, target=GONE)
    listed = targets("list", "-o", "yaml", ROWCAST_TARGETS="git,edge=k8s")

    found = {one.pop("name"): one for one in yaml.safe_load(listed.stdout)}
    moments = {name: one.pop("told_at") for name, one in found.items()}
    assert found == {
        "git": {"kind": "git", "known": True, "rows": 2, "dead_letters": 0},
        "edge": {"kind": "k8s", "known": True, "rows": 0, "dead_letters": 0},
        "k8s": {"kind": "k8s", "known": True, "rows": 2, "dead_letters": 0},
        GONE: {"kind": None, "known": False, "rows": 2, "dead_letters": 1},
    }
    assert [name for name, at in moments.items() if at is None] == ["edge"]
    head, *lines = targets("list").stdout.splitlines()
    assert head.split("  ")[0] == "NAME"
    assert [line.split()[:4] for line in lines] == [
        ["k8s", "k8s", "yes", "2"],
        ["git", "git", "yes", "2"],
        [GONE, "-", "no", "2"],
    ]


@pytest.mark.usefixtures("waiting")
class TestItIsRefused:
    def refused(self, sql: sa.Connection, ran: Result, code: int = 1) -> str:
        assert ran.exit_code == code, ran.output
        assert sql.execute(sa.text("SELECT count(*) FROM sync_statuses WHERE target = 'k8s-eu'")).scalar() == 2
        return ran.stderr

    def test_of_a_target_that_crud_serves(self, sql: sa.Connection, targets: Callable[..., Result]) -> None:
        told = self.refused(sql, targets("forget", "git", "--yes", ROWCAST_TARGETS="k8s"))
        assert told.startswith("rowcast: git is among the targets that rows are delivered to")
        assert sql.execute(sa.text("SELECT count(*) FROM sync_statuses WHERE target = 'git'")).scalar() == 2

    def test_of_a_target_that_is_configured(self, sql: sa.Connection, targets: Callable[..., Result]) -> None:
        told = self.refused(sql, targets("forget", GONE, "--yes", ROWCAST_TARGETS="k8s,git,k8s-eu=k8s"))
        assert "take it out of ROWCAST_TARGETS" in told

    def test_of_a_target_that_nobody_has_heard_of(self, sql: sa.Connection, targets: Callable[..., Result]) -> None:
        told = self.refused(sql, targets("forget", "k8s-ue", "--yes"))
        assert told == "rowcast: there is no target k8s-ue, and nothing is kept of one that was called so\n"

    def test_of_a_target_that_has_just_told_something(
        self, crud: httpx.Client, sql: sa.Connection, waiting: Row, targets: Callable[..., Result]
    ) -> None:
        report(crud, status(waiting["id"], 2, outcome="dead-lettered", error="no"), target=GONE)
        told = self.refused(sql, targets("forget", GONE, "--yes"))
        assert "s ago: stop its instance; once it has told nothing for 5 min" in told

    def test_while_its_instance_answers(self, sql: sa.Connection, targets: Callable[..., Result]) -> None:
        with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as instance:
            threading.Thread(target=instance.handle_request, daemon=True).start()
            url = f"http://127.0.0.1:{instance.server_port}"
            told = self.refused(sql, targets("forget", GONE, "--yes", ROWCAST_SYNC_K8S_EU_URL=url))
        assert "sync-k8s-eu answers: stop it first" in told

    def test_to_the_role_that_crud_serves_as(
        self, sql: sa.Connection, serving_url: str, targets: Callable[..., Result]
    ) -> None:
        told = self.refused(sql, targets("forget", GONE, "--yes", url=serving_url))
        assert told == "rowcast: this login may take no status away: it has to be that of Rowcast's owner\n"

    @pytest.mark.parametrize(("terminal", "words"), [(False, "--yes confirms it"), (True, "nothing has changed")])
    def test_unless_it_is_confirmed(
        self,
        sql: sa.Connection,
        targets: Callable[..., Result],
        monkeypatch: pytest.MonkeyPatch,
        terminal: bool,
        words: str,
    ) -> None:
        monkeypatch.setattr(confirmation, "at_a_terminal", lambda: terminal)
        told = self.refused(sql, targets("forget", GONE, stdin="k8s\n"), 2)
        assert words in told
        assert "1 row waits for it" in told


@pytest.mark.usefixtures("waiting")
def test_its_name_confirms_it(
    crud: httpx.Client, targets: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirmation, "at_a_terminal", lambda: True)
    assert targets("forget", GONE, stdin=f"{GONE}\n").exit_code == 0
    assert names(crud, "pending") == []
