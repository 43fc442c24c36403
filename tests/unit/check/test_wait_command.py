"""`rowcast wait`: what it waits for, what it prints, and its exit codes."""

from __future__ import annotations

import os
from typing import Any

import pytest
from typer.testing import CliRunner

from rowcast.cli import app
from unit.check.fake_crud import FakeCrud


def wait(*options: str) -> Any:
    return CliRunner().invoke(app, ["wait", "--row", "7", *options])


def test_a_row_that_arrives_gets_a_line_for_each_target(crud: FakeCrud) -> None:
    crud.add(7, generation=3)

    ran = wait()

    assert (ran.exit_code, ran.stdout.splitlines()) == (
        0,
        ["k8s: synced, generation 3: configured", "git: synced, generation 3: configured"],
    )
    assert crud.looks == crud.after


def test_a_target_that_is_not_named_may_lag(crud: FakeCrud) -> None:
    crud.add(7)
    crud.behaviour["git"] = "never"

    assert wait("--target", "k8s").exit_code == 0
    assert wait("--target", "k8s", "--target", "git", "--timeout", "0").exit_code == 3


def test_a_newer_generation_than_the_one_asked_for_is_as_good(crud: FakeCrud) -> None:
    crud.add(7, generation=5)

    assert wait("--generation", "2").exit_code == 0


def test_a_generation_that_is_yet_to_come_is_waited_for(crud: FakeCrud) -> None:
    crud.add(7, generation=2)

    ran = wait("--generation", "4", "--timeout", "0.1")

    assert (ran.exit_code, "at generation 2 of 4" in ran.stderr) == (3, True)


def test_time_that_is_up_tells_where_the_row_is(crud: FakeCrud) -> None:
    crud.add(7, generation=3)
    crud.behaviour["git"] = "never"

    ran = wait("--timeout", "0.1")

    assert ran.exit_code == 3
    assert ran.stdout.startswith("k8s: synced")
    assert "not within 0.1 s: git: pending, at generation 2 of 3" in ran.stderr


def test_a_dead_letter_ends_the_wait_with_its_reason(crud: FakeCrud) -> None:
    crud.add(7, generation=3)
    crud.behaviour = {"k8s": "fails", "git": "never"}

    ran = wait()

    assert (ran.exit_code, "k8s: failed, generation 3: rejected: no" in ran.stderr) == (1, True)


def test_a_stage_is_waited_for_where_an_engine_follows(crud: FakeCrud) -> None:
    crud.add(7, generation=3)
    crud.after = 1
    crud.at_git = [{"stage": stage} for stage in ("proposed", "committed", "synced", "healthy")]

    ran = wait("--stage", "healthy")

    assert (ran.exit_code, ran.stdout.splitlines()) == (
        0,
        ["k8s: synced, generation 3: configured", "git: synced, generation 3: configured, healthy"],
    )
    assert crud.looks == 4


@pytest.mark.parametrize("stage", ["committed", "synced", "healthy"])
def test_a_later_stage_than_the_one_asked_for_is_as_good(crud: FakeCrud, stage: str) -> None:
    crud.add(7)
    crud.at_git = [{"stage": "healthy"}]

    assert wait("--stage", stage).exit_code == 0


@pytest.mark.parametrize("stage", ["proposed", "committed", "synced", "failed"])
def test_without_asking_for_a_stage_delivered_will_do(crud: FakeCrud, stage: str) -> None:
    crud.add(7)
    crud.at_git = [{"stage": stage, "stage_error": "denied"}]

    assert wait().exit_code == 0


@pytest.mark.parametrize(
    ("at_git", "words"),
    [
        ({"stage": "synced"}, "git: pending, generation 3: configured, synced, not healthy yet"),
        ({"stage": "committed", "stage_error": "bad\n file"}, "configured, committed, not healthy yet: bad file"),
        ({"stage": "proposed", "link": "https://a/1"}, "configured, proposed, not healthy yet: at https://a/1"),
        ({"stage": "unheard-of"}, "configured, unheard-of, not healthy yet"),
    ],
)
def test_a_stage_that_is_late_is_told_with_what_keeps_it(crud: FakeCrud, at_git: dict[str, Any], words: str) -> None:
    crud.add(7, generation=3)
    crud.at_git = [at_git]

    ran = wait("--stage", "healthy", "--timeout", "0.1")

    assert (ran.exit_code, ran.stderr.rstrip().endswith(words)) == (3, True), ran.stderr


def test_what_the_engine_refuses_is_code_1_with_its_words(crud: FakeCrud) -> None:
    crud.add(7, generation=3)
    crud.at_git = [{"stage": "failed", "stage_error": "admission webhook denied it"}]

    ran = wait("--stage", "synced")

    assert (ran.exit_code, ran.stdout.splitlines()) == (1, ["k8s: synced, generation 3: configured"])
    assert "git: failed, generation 3: configured, but failed: admission webhook denied it" in ran.stderr


def test_a_refusal_of_an_earlier_generation_is_not_one_of_the_one_waited_for(crud: FakeCrud) -> None:
    crud.add(7, generation=3)
    crud.behaviour["git"] = "never"
    crud.at_git = [{"stage": "failed", "stage_error": "denied"}]

    ran = wait("--stage", "healthy", "--timeout", "0.1")

    assert (ran.exit_code, "git: pending, at generation 2 of 3" in ran.stderr) == (3, True)


def test_while_a_newer_generation_is_on_its_way_nothing_is_known_of_its_stage(crud: FakeCrud) -> None:
    crud.add(7, generation=3)
    crud.behaviour["git"] = "never"

    assert wait("--generation", "2").exit_code == 0
    ran = wait("--generation", "2", "--stage", "committed", "--timeout", "0.1")
    assert (ran.exit_code, "generation 2: configured, a newer generation is on its way" in ran.stderr) == (3, True)


def test_what_has_left_a_target_is_waited_for_until_it_is_gone_from_there(crud: FakeCrud) -> None:
    crud.add(7, generation=2)
    crud.at_git = [{"outcome": "elsewhere", "error": "stays until it has arrived there"}]
    late = wait("--timeout", "0.1")
    assert (late.exit_code, "stays until it has arrived there" in late.stderr) == (3, True)

    crud.at_git = [{"outcome": "elsewhere", "error": "stays until it has arrived there"}, {"outcome": "elsewhere"}]
    assert wait().exit_code == 0


def test_a_deletion_is_waited_for_when_asked_for(crud: FakeCrud) -> None:
    crud.gone.add(7)

    assert wait().exit_code == 1
    ran = wait("--deleted")
    assert (ran.exit_code, ran.stdout.splitlines()) == (0, ["k8s: synced, deleted", "git: synced, deleted"])


def test_a_row_that_is_still_there_is_not_deleted(crud: FakeCrud) -> None:
    crud.add(7)

    ran = wait("--deleted", "--timeout", "0.1")

    assert (ran.exit_code, "the row itself is not deleted yet" in ran.stderr) == (3, True)


def of(row: str, *options: str) -> Any:
    return CliRunner().invoke(app, ["wait", row, *options])


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ("tenants/42", "tenants/rows/42"),
        ("tenants/a/b,ü", "tenants/rows/a%2Fb%2C%C3%BC"),
        ('tenants/["eu", "7"]', "tenants/rows/%5B%22eu%22%2C%20%227%22%5D"),
    ],
)
def test_a_row_of_any_table_is_waited_for_by_its_renderer_and_key(crud: FakeCrud, row: str, path: str) -> None:
    crud.add_other(path, 3)

    ran = of(row)

    assert (ran.exit_code, ran.stdout.splitlines()) == (
        0,
        ["k8s: synced, generation 3: configured", "git: synced, generation 3: configured"],
    )
    late = of(row, "--generation", "4", "--timeout", "0.1")
    assert (late.exit_code, "git: pending, at generation 3 of 4" in late.stderr) == (3, True)


def test_a_row_of_any_table_that_is_refused_is_code_1_with_the_reason(crud: FakeCrud) -> None:
    crud.add_other("tenants/rows/42", 3, state="failed", outcome="dead-lettered", error="spec.name: no such key")

    ran = of("tenants/42")

    assert (ran.exit_code, "git: failed, generation 3: spec.name: no such key" in ran.stderr) == (1, True)


def test_a_row_of_any_table_that_is_deleted_is_gone(crud: FakeCrud) -> None:
    crud.add_other("tenants/rows/42", 3, deleted=True)

    gone = of("tenants/42")

    assert (gone.exit_code, "row tenants/42 is deleted" in gone.stderr) == (1, True)
    assert of("tenants/42", "--deleted").stdout.splitlines() == ["k8s: synced, deleted", "git: synced, deleted"]
    crud.add_other("tenants/rows/42", 3, deleted=True, state="pending")
    late = of("tenants/42", "--deleted", "--timeout", "0.1")
    assert (late.exit_code, "git: pending, not deleted yet" in late.stderr) == (3, True)


def test_a_configuration_is_a_row_of_the_built_in_renderer(crud: FakeCrud) -> None:
    crud.add(7, generation=3)
    assert of("appconfigs/7", "--timeout", "5").exit_code == 0


def test_a_row_of_a_renderer_that_never_was_is_code_1(crud: FakeCrud) -> None:
    ran = of("tenants/42")
    assert (ran.exit_code, "404: there is no such row" in ran.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name one row"),
        (["tenants/42", "--row", "7"], "name one row"),
        (["tenants"], "a row is named as renderer/key"),
        (["tenants/"], "a row is named as renderer/key"),
        (["appconfigs/x"], "the key of a configuration is its id"),
    ],
)
def test_a_row_has_to_be_named_once(crud: FakeCrud, arguments: list[str], words: str) -> None:
    ran = CliRunner().invoke(app, ["wait", *arguments])
    assert (ran.exit_code, words in " ".join(ran.stderr.replace("│", " ").split())) == (2, True), ran.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--target", "moon"], "crud knows no target moon, only k8s, git"),
        (["--deleted", "--generation", "2"], "exclude each other"),
        (["--deleted", "--stage", "healthy"], "exclude each other"),
        (["--stage", "failed"], "--stage"),
        (["--generation", "0"], "--generation"),
    ],
)
def test_options_that_make_no_sense_are_code_2(crud: FakeCrud, options: list[str], words: str) -> None:
    crud.add(7)

    ran = wait(*options)

    assert (ran.exit_code, words in " ".join(ran.stderr.split())) == (2, True)


def test_a_row_that_never_was_is_code_1(crud: FakeCrud) -> None:
    ran = wait()

    assert (ran.exit_code, "404: there is no configuration 7" in ran.stderr) == (1, True)


def test_crud_may_be_away_for_a_while(crud: FakeCrud) -> None:
    crud.add(7)
    crud.failures = [500, 503, 429]

    assert wait().exit_code == 0


def test_nobody_there_is_code_3_and_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = wait("--crud-url", "http://127.0.0.1:1", "--timeout", "0.1")

    assert (ran.exit_code, "crud cannot be reached at http://127.0.0.1:1" in ran.stderr) == (3, True)


def test_a_refused_token_is_not_waited_for(crud: FakeCrud) -> None:
    crud.add(7)
    crud.failures = [401]

    ran = wait()

    assert (ran.exit_code, "set DAPR_API_TOKEN" in ran.stderr) == (1, True)


def test_the_sidecar_gets_its_token_and_crud_its_own(crud: FakeCrud, monkeypatch: pytest.MonkeyPatch) -> None:
    crud.add(7)
    monkeypatch.setenv("DAPR_API_TOKEN", "sidecars")
    monkeypatch.setenv("APP_API_TOKEN", "cruds")

    wait()
    wait("--crud-url", f"http://127.0.0.1:{os.environ['DAPR_HTTP_PORT']}")

    (_, _, through), *_, (_, _, direct) = crud.requests
    assert (through["dapr-app-id"], through["dapr-api-token"]) == ("crud", "sidecars")
    assert ("dapr-app-id" in direct, direct["dapr-api-token"]) == (False, "cruds")
