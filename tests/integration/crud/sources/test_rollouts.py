"""Roll-outs on a real database, by crud's own role: which rows go on, what stops one, and how one is taken back."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from integration.crud.serving import make_settings, serving
from rowcast.crud.database.tables import rollouts
from rowcast.crud.renderers import rollout_progress, rollout_worker
from rowcast.crud.renderers.rollout_between import Between
from rowcast.crud.renderers.rollout_worker import RolloutWorker, look
from rowcast.crud.renderers.rollouts import as_rollout

from .conftest import Place
from .test_apply import DECLARATION, apply, revisions, shops  # noqa: F401
from .test_commands import rowcast

CHANGED = f"{DECLARATION}\n# changed\n"
TARGETS = ("k8s", "git")


@dataclass
class Driven:
    """Roll-outs of `shops`, driven by looks in crud's role, and by what this test's targets tell."""

    place: Place
    folder: Path
    engine: sa.Engine
    api: httpx.Client
    failing: dict[str, str] = field(default_factory=dict)
    unready: dict[str, str] = field(default_factory=dict)
    proposed: bool = False
    known: Between | None = None
    """What is remembered from look to look."""

    def start(self, *options: object, code: int = 0, declaration: str = CHANGED) -> str:
        file = self.folder / "changed.yaml"
        file.write_text(declaration)
        ran = rowcast(self.place, "rollout", "start", file, *options)
        assert ran.exit_code == code, ran.output
        return str(ran.output)

    def command(self, *arguments: object, code: int = 0) -> str:
        ran = rowcast(self.place, "rollout", *arguments)
        assert ran.exit_code == code, ran.output
        return str(ran.output)

    def seen(self) -> dict[str, Any]:
        (newest, *_) = self.api.get("/renderers/shops/rollouts").json()["items"]
        found: dict[str, Any] = newest
        return found

    def look(self, times: int = 1) -> dict[str, Any]:
        for _ in range(times):
            with self.engine.begin() as connection:
                look(connection, self.seen()["id"], TARGETS, self.known)
        return self.seen()

    def tell(self, *targets: str, only: Callable[[str], bool] = lambda _key: True) -> None:
        """What became of all rows, or of some, at these targets, as they are now."""
        for target in targets or TARGETS:
            statuses = [
                self._status(key, generation, target)
                for key, generation in self.place.ask(
                    "SELECT key, generation FROM rowcast.rows WHERE renderer = 'shops' AND NOT deleted"
                )
                if only(key)
            ]
            data = {"target": target, "statuses": statuses}
            event = {"id": "1", "source": "test", "type": "test", "specversion": "1.0", "data": data}
            assert self.api.post("/events/sync-status", json=event).json() == {"status": "SUCCESS"}

    def _status(self, key: str, generation: int, target: str) -> dict[str, Any]:
        told: dict[str, Any] = {"renderer": "shops", "key": key, "generation": generation, "outcome": "configured"}
        told["delivered_at"] = "2026-11-29T06:00:00Z"
        if key in self.failing and target == "k8s":
            return told | {"outcome": "dead-lettered", "error": self.failing[key]}
        if target == "k8s":
            word = (
                {"stage": "synced", "stage_error": self.unready[key]} if key in self.unready else {"stage": "healthy"}
            )
            return told | word | {"staged_at": "2026-11-29T06:00:00Z"}
        return told | {"stage": "proposed"} if self.proposed else told

    def to_the_end(self) -> dict[str, Any]:
        for _ in range(60):
            self.tell()
            found = self.look()
            if found["state"] in ("done", "stopped", "aborted", "rolled-back"):
                return found
        raise AssertionError(found)

    def with_new(self) -> set[str]:
        return {key for key, (_, revision) in revisions(self.place).items() if revision == 2}


@pytest.fixture(scope="module")
def slow_api(serving_url: str) -> Iterator[httpx.Client]:
    """crud whose own worker looks once in an hour."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rowcast.crud.renderers.rollout_worker.IDLE_SECONDS", 3600)
        with serving(make_settings(serving_url)) as client:
            yield client


@pytest.fixture(params=[False, True], ids=["all counted", "remembered"])
def driven(
    request: pytest.FixtureRequest,
    shops: Place,  # noqa: F811
    tmp_path: Path,
    serving_url: str,
    slow_api: httpx.Client,
) -> Iterator[Driven]:
    """By looks that count all rows each time, or by one who believes a count until something is to be decided."""
    engine = sa.create_engine(serving_url, json_deserializer=json.loads)
    shops.run("INSERT INTO shops SELECT n, n FROM generate_series(3, 10) AS n")
    apply(shops, tmp_path)
    known = Between(clock=lambda: 0.0) if request.param else None
    yield Driven(shops, tmp_path, engine, slow_api, known=known)
    engine.dispose()
    shops.run("DELETE FROM rowcast.rollouts")


def test_rows_go_on_step_by_step_and_new_ones_in_the_end_by_themselves(driven: Driven) -> None:
    assert "roll-out" in driven.start("--step", "row.size > 8", "--step", "5", "--step", "80%")
    driven.look(2)
    assert driven.with_new() == {"9", "10"}
    driven.tell("k8s")
    driven.look(2)
    assert driven.with_new() == {"9", "10"}
    driven.place.run("INSERT INTO shops VALUES (20, 20), (21, 1)")
    assert revisions(driven.place)["20"] == (1, 1)

    sizes = []
    for _ in range(20):
        driven.tell()
        found = driven.look()
        sizes.append(len(driven.with_new()))
    assert found["state"] == "done"
    # Who remembers the rows of before learns at the step's end that there are more.
    assert [size for size in dict.fromkeys(sizes) if size != 9 or not driven.known] == [6, 10, 12]
    assert "20" in driven.with_new()
    assert [step["state"] for step in found["steps"]] == ["done"] * 4
    assert [step["ready"] for step in found["steps"]] == [3, 3, 4, 2]
    assert {generation for generation, _ in revisions(driven.place).values()} == {2}
    driven.place.run("INSERT INTO shops VALUES (30, 1)")
    assert revisions(driven.place)["30"] == (1, 2)


def test_a_step_waits_until_what_is_proposed_is_merged(driven: Driven) -> None:
    driven.start("--step", "2")
    driven.look()
    driven.proposed = True
    driven.tell()

    step = driven.look(3)["steps"][0]
    assert (step["state"], step["assigned"], step["delivered"], step["ready"]) == ("delivering", 2, 0, 0)

    driven.proposed = False
    assert driven.to_the_end()["state"] == "done"


def test_a_step_waits_for_every_target_and_for_what_is_there_to_be_ready(driven: Driven) -> None:
    driven.start("--step", "1", "--hold", "0")
    driven.look()
    (canary,) = driven.with_new()
    driven.unready[canary] = "Deployment/a: 0 of 1 ready"
    driven.tell()
    step = driven.look(3)["steps"][0]

    assert (step["state"], step["delivered"], step["ready"], step["failed"]) == ("delivering", 1, 0, 0)
    (row,) = driven.api.get(f"/renderers/shops/rollouts/{driven.seen()['id']}/rows").json()["items"]
    assert (row["key"], row["name"], row["state"], row["target"]) == (canary, f"shop-{canary}", "pending", "k8s")
    assert row["message"] == "Deployment/a: 0 of 1 ready"
    driven.unready.clear()
    assert driven.to_the_end()["state"] == "done"


def test_what_is_not_ready_in_time_has_failed_and_stops_it_after_its_first_step(driven: Driven) -> None:
    driven.start("--step", "1", "--ready", "1")
    driven.look()
    (canary,) = driven.with_new()
    driven.unready[canary] = "Deployment/a: 0 of 1 ready"
    driven.tell()
    driven.place.run("UPDATE rowcast.rollout_rows SET assigned_at = now() - interval '2 seconds'")
    found = driven.look()

    assert found["state"] == "stopped"
    assert found["why"] == (
        f"1 row has failed, and the limit is 0; {canary} at k8s: not ready after 1 s: Deployment/a: 0 of 1 ready"
    )
    assert driven.look(3)["state"] == "stopped"
    assert len(driven.with_new()) == 1
    assert "stopped" in driven.command("watch", "shops", code=1)


def test_failures_beyond_the_limit_stop_it_and_it_is_rolled_back(driven: Driven) -> None:
    apply(driven.place, driven.folder, DECLARATION)
    driven.start("--step", "4", "--failures", "1")
    driven.look()
    first, second, *_ = sorted(driven.with_new())
    driven.failing = {first: "no quota"}
    driven.tell()
    assert driven.look()["state"] == "running"
    driven.failing[second] = "no room"
    driven.tell()
    found = driven.look()

    assert found["state"] == "stopped"
    assert found["why"] == f"2 rows have failed, and the limit is 1; {first} at k8s: no quota"
    failed = driven.api.get(f"/renderers/shops/rollouts/{found['id']}/rows", params={"state": "failed"}).json()
    assert [(row["key"], row["message"]) for row in failed["items"]] == [(first, "no quota"), (second, "no room")]
    driven.failing.clear()
    before = {key for key, (generation, _) in revisions(driven.place).items() if generation == 1}
    driven.command("rollback", "shops")
    assert driven.to_the_end()["state"] == "rolled-back"
    after = revisions(driven.place)
    assert {revision for _, revision in after.values()} == {1}
    assert {key for key, (generation, _) in after.items() if generation == 1} == before
    assert "rolled-back" in driven.command("list", "shops")


def test_one_that_is_done_is_taken_back_with_the_rows_that_were_made_since(driven: Driven) -> None:
    driven.start()
    assert driven.to_the_end()["state"] == "done"
    driven.place.run("INSERT INTO shops VALUES (20, 20)", "DELETE FROM shops WHERE id = 1")
    assert revisions(driven.place)["20"] == (1, 2)

    assert driven.api.get("/renderers/shops").json()["revision"] == 2
    driven.command("rollback", "shops")
    assert driven.to_the_end()["state"] == "rolled-back"

    assert driven.api.get("/renderers/shops").json()["revision"] == 1
    driven.place.run("INSERT INTO shops VALUES (1, 1), (21, 1)")
    assert {revision for _, revision in revisions(driven.place).values()} == {1}


def test_rows_that_are_changed_deleted_and_made_again_meanwhile_are_not_left_behind(driven: Driven) -> None:
    driven.start("--step", "row.size == 100", "--step", "3")
    driven.tell()
    driven.look(8)
    assert len(driven.with_new()) == 3
    (again, *_) = sorted(driven.with_new())
    driven.place.run(
        f"DELETE FROM shops WHERE id = {again}",
        "UPDATE shops SET size = 100 WHERE id = (SELECT key::int FROM rowcast.rows WHERE revision = 1 LIMIT 1)",
        f"INSERT INTO shops VALUES ({again}, 5)",
    )
    assert revisions(driven.place)[again][1] == 1
    driven.look(2)
    sizes = driven.place.ask("SELECT row->>'size' FROM rowcast.rows WHERE revision = 2")
    assert ("100",) in sizes

    assert driven.to_the_end()["state"] == "done"
    assert len(driven.with_new()) == 10


def test_a_row_of_a_transaction_that_was_open_when_the_last_step_began_is_waited_for(driven: Driven) -> None:
    connection = driven.place.connect()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO shops VALUES (50, 1)")
        driven.start()
        driven.look()
        driven.tell()
        for _ in range(4):
            found = driven.look()
        assert found["state"] == "running"
    connection.commit()
    connection.close()

    assert driven.to_the_end()["state"] == "done"
    assert revisions(driven.place)["50"] == (2, 2)


def test_a_row_that_somebody_holds_has_its_turn_later(driven: Driven) -> None:
    connection = driven.place.connect()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE shops SET size = 99 WHERE id = 4")
        driven.start()
        driven.look(2)
        assert driven.with_new() == {str(number) for number in (1, 2, 3, 5, 6, 7, 8, 9, 10)}
    connection.commit()
    connection.close()

    assert driven.to_the_end()["state"] == "done"
    assert revisions(driven.place)["4"] == (3, 2)


def test_it_is_paused_resumed_and_aborted_and_what_makes_no_sense_is_refused(driven: Driven) -> None:
    driven.start("--step", "1")
    number = driven.seen()["id"]
    assert "makes" not in driven.command("pause", "shops")
    driven.look(3)
    assert driven.with_new() == set()
    assert "only one that goes on can be paused" in driven.command("pause", "shops", code=1)
    refused = driven.api.post(f"/renderers/shops/rollouts/{number}:pause")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "state")
    assert driven.api.post(f"/renderers/shops/rollouts/{number}:resume").json()["state"] == "running"
    driven.look()
    assert len(driven.with_new()) == 1
    again = driven.api.post("/renderers/shops/rollouts", json={"revision": 2})
    assert (again.status_code, again.json()["errors"][0]["rule"]) == (409, "rollout")
    file = driven.folder / "shops.yaml"
    file.write_text(DECLARATION)
    at_once = rowcast(driven.place, "apply", file)
    assert (at_once.exit_code, "roll-out" in at_once.output) == (1, True)

    assert driven.command("abort", "shops", "--id", number).endswith("is aborted\n")
    driven.look(2)
    assert len(driven.with_new()) == 1
    assert json.loads(driven.command("status", "shops", "-o", "json"))["why"] == "aborted by a person"
    back = driven.api.post("/renderers/shops/rollouts", json={"revision": 1})
    assert (back.status_code, back.json()["from_revisions"]) == (201, [1, 2])
    assert driven.to_the_end()["state"] == "done"
    assert driven.with_new() == set()


def test_renderers_are_listed_with_the_roll_out_that_is_under_way_and_its_step(driven: Driven) -> None:
    driven.start("--step", "row.size > 8", "--step", "50%")
    driven.look(2)
    driven.tell()
    # The rows of the second step are delivered nowhere yet.
    driven.look(2)
    driven.command("pause", "shops")
    under_way = {"id": driven.seen()["id"], "state": "paused", "step": 1, "steps": 3}
    answers = (driven.api.get("/renderers", params={"counts": counts}).json()["items"] for counts in (True, False))
    assert [one["rollout"] for items in answers for one in items if one["name"] == "shops"] == [under_way] * 2
    assert driven.api.get("/renderers/shops").json()["rollout"] == under_way
    [as_json] = json.loads(rowcast(driven.place, "list", "-o", "json").stdout)
    assert as_json["rollout"] == under_way
    said = f"captured; roll-out {under_way['id']} paused, step 2/3"
    assert rowcast(driven.place, "list").stdout.rstrip().endswith(said)

    driven.command("abort", "shops")
    assert driven.api.get("/renderers/shops").json()["rollout"] is None
    assert rowcast(driven.place, "list").stdout.rstrip().endswith(" captured")


@pytest.mark.parametrize(
    ("asked", "field_name"),
    [
        ({"revision": 9}, "revision"),
        ({"revision": 2, "steps": [{"rows": 1}, {"filter": "row.sizes > 1"}]}, "steps[1].filter"),
        ({"revision": 2, "steps": [{"filter": "row.size"}]}, "steps[0].filter"),
        ({"revision": 2, "steps": [{"rows": 1, "share": 5}]}, "steps.0"),
        ({"revision": 2, "token": "abc.1.2.3"}, "token"),
        ({"revision": 2, "changed_limit": 1}, "changed_limit"),
    ],
)
def test_what_is_wrong_with_what_is_asked_for_is_named_by_its_field(
    driven: Driven, asked: dict[str, Any], field_name: str
) -> None:
    file = driven.folder / "kept.yaml"
    file.write_text(CHANGED)
    assert "revision 2 is kept" in rowcast(driven.place, "apply", "--no-assign", file).output
    refused = driven.api.post("/renderers/shops/rollouts", json=asked)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field_name
    assert revisions(driven.place)["1"] == (1, 1)


def test_an_impact_is_of_a_revision_that_is_kept_beside_the_one_that_rows_are_of(driven: Driven) -> None:
    file = driven.folder / "kept.yaml"
    file.write_text(DECLARATION.replace("row.size)}", "row.size + 1)}"))
    rowcast(driven.place, "apply", "--no-assign", file)

    seen = driven.api.post("/renderers/shops:impact", json={"revision": 2}).json()["seen"]
    none = driven.api.post("/renderers/shops:impact", json={"revision": 3})

    assert (seen["revision"], seen["changed_rows"]) == (1, 10)
    assert none.status_code == 404
    assert driven.api.get("/renderers/shops").json()["revision"] == 1


def test_a_declaration_that_captures_anything_else_is_for_apply(driven: Driven) -> None:
    driven.place.run("ALTER TABLE shops ADD city text")

    assert "rowcast renderer apply" in driven.start(code=1)


def test_rows_that_have_changed_since_the_impact_are_counted_and_too_many_refuse_it(driven: Driven) -> None:
    file = driven.folder / "changed.yaml"
    file.write_text(CHANGED)
    token = json.loads(rowcast(driven.place, "impact", file, "-o", "json").stdout)["token"]
    driven.place.run("UPDATE shops SET size = 77 WHERE id IN (1, 2)", "DELETE FROM shops WHERE id = 3")

    refused = driven.start("--token", token, "--max-changed", "2", code=1)
    assert "3 rows have changed since that impact was seen, and the limit is 2" in refused
    assert "changed since its impact: 3 rows" in driven.start("--token", token, "--max-changed", "3")
    assert driven.seen()["changed_since"] == 3


@pytest.mark.parametrize("driven", [False], indirect=True)
def test_two_instances_of_crud_bring_each_row_there_once(driven: Driven, serving_url: str, tmp_path: Path) -> None:
    driven.place.run("INSERT INTO shops SELECT n, n FROM generate_series(100, 1600) AS n")
    driven.start("--step", "10%")
    with (
        pytest.MonkeyPatch.context() as patch,
        serving(make_settings(serving_url)),
        serving(make_settings(serving_url)),
        ThreadPoolExecutor(1) as pool,
    ):
        patch.setattr("rowcast.crud.renderers.rollout_worker.IDLE_SECONDS", 0.05)
        over = threading.Event()

        def tell() -> None:
            while not over.is_set():
                driven.tell()

        telling = pool.submit(tell)
        try:
            ran = rowcast(driven.place, "rollout", "watch", "shops")
        finally:
            over.set()
        telling.result()
    assert (ran.exit_code, "done" in ran.output) == (0, True), ran.output
    assert set(Counter(revisions(driven.place).values())) == {(2, 2)}


@pytest.mark.parametrize("driven", [True], indirect=True)
def test_what_is_remembered_is_what_a_count_finds(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowcast.core.rollout.AT_ONCE", 3)
    monkeypatch.setattr("rowcast.core.rollout.ON_THEIR_WAY", 7)
    chance = random.Random(7)
    driven.place.run("INSERT INTO shops SELECT n, n FROM generate_series(100, 150) AS n")
    driven.unready = {"101": "starts", "110": "starts"}
    driven.start("--step", "row.size > 140", "--step", "25", "--step", "60%")

    def compare_until(state: str) -> int:
        """How often the two were compared."""
        compared = 0
        while (found := driven.look())["state"] != state:
            if chance.random() < 0.1:
                driven.unready.clear()
            for target in TARGETS:
                driven.tell(target, only=lambda _key: chance.random() < 0.5)
            with driven.engine.begin() as connection:
                kept = connection.execute(sa.select(rollouts).where(rollouts.c.id == found["id"])).mappings().one()
                assert driven.known
                remembered = driven.known.facts(connection, kept, as_rollout(kept), TARGETS)
                counted = rollout_progress.seen(connection, kept, as_rollout(kept), TARGETS)
            if remembered is not None:
                compared += 1
                # Of rows that are taken back, what steps have of them, and which one failed, is looked up in the end.
                taken_back = {"steps": counted.steps, "failing": counted.failing} if state == "rolled-back" else {}
                assert replace(remembered, switched=counted.switched, **taken_back) == counted  # type: ignore[arg-type]
        return compared

    assert compare_until("done") > 10
    assert len(driven.with_new()) == 61
    driven.command("rollback", "shops")
    driven.failing = {"101": "denied"}
    assert compare_until("rolled-back") > 10
    assert driven.with_new() == set()


@pytest.mark.parametrize("driven", [False], indirect=True)
def test_an_instance_leaves_a_roll_out_to_the_one_that_gives_its_rows_the_revision_until_that_is_gone(
    driven: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    driven.start("--step", "1", "--step", "2", "--step", "3", "--step", "4")
    first, second = (RolloutWorker(driven.engine, TARGETS) for _ in range(2))

    def looks(*workers: RolloutWorker) -> list[int]:
        """How many rows have the revision after each look; targets tell of them at once."""
        numbers = []
        for worker in workers:
            worker.look_at_all()
            driven.tell()
            numbers.append(len(driven.with_new()))
        return numbers

    assert looks(first, first) == [1, 2]
    assert looks(second) == [3]  # which has seen nobody else at it
    assert looks(first, first) == [3, 3]
    assert looks(second) == [4]
    assert looks(first) == [4]
    monkeypatch.setattr(rollout_worker, "TAKE_OVER_SECONDS", 0.0)
    assert looks(first) == [10]
