"""`rowcast renderer list`, `show`, `history` and `delete`: what is made of declarations that were applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from rowcast.runtime import confirmation

from .conftest import Place
from .test_apply import DECLARATION, apply, revisions, shops  # noqa: F401
from .test_commands import rowcast

CHANGED = DECLARATION.replace("size: ", "area: ")
RETAINING = DECLARATION.replace("- id: settings", "- id: settings\n      delete: retain")


@pytest.fixture
def applied(shops: Place, tmp_path: Path) -> Place:  # noqa: F811
    apply(shops, tmp_path)
    return shops


def delivered(place: Place) -> None:
    place.run(
        "INSERT INTO rowcast.statuses (renderer, key, target, observed_generation, deleted, outcome, delivered_at)"
        " SELECT renderer, key, 'k8s', generation, false, 'created', now() FROM rowcast.rows WHERE renderer = 'shops'"
        " ON CONFLICT (renderer, key, target) DO UPDATE SET observed_generation = excluded.observed_generation"
    )


def deleted_rows(place: Place) -> dict[str, tuple[int, bool]]:
    found = place.ask("SELECT key, generation, deleted FROM rowcast.rows WHERE renderer = 'shops'")
    return {key: (generation, deleted) for key, generation, deleted in found}


class TestListShowAndHistory:
    def test_what_was_applied_is_listed_with_its_rows_and_its_state(self, applied: Place) -> None:
        head, line = rowcast(applied, "list").stdout.splitlines()
        assert (head.split(), line.split()[:3], line.split()[-1]) == (
            ["NAME", "REVISION", "ROWS", "BY", "AT", "STATE"],
            ["shops", "1", "2"],
            "captured",
        )
        [as_json] = json.loads(rowcast(applied, "list", "-o", "json").stdout)
        assert [as_json] == yaml.safe_load(rowcast(applied, "list", "-o", "yaml").stdout)
        assert (as_json["revision"], as_json["rows"], as_json["deleted"]) == (1, 2, False)

    def test_a_source_that_was_changed_says_why_it_is_not_captured(self, applied: Place) -> None:
        applied.run('ALTER TABLE shops DISABLE TRIGGER "rowcast/shops/source/insert"')
        assert "not captured: a trigger on public.shops disabled" in rowcast(applied, "list").stdout
        applied.run("ALTER TABLE shops DROP COLUMN size", "DELETE FROM shops")
        assert "not captured: public.shops has no column size any more; a trigger" in rowcast(applied, "list").stdout
        applied.run("ALTER TABLE shops RENAME TO other")
        try:
            assert "not captured: there is no table public.shops any more" in rowcast(applied, "show", "shops").stderr
        finally:
            applied.run("ALTER TABLE other RENAME TO shops")

    def test_a_declaration_is_shown_as_it_was_applied(self, applied: Place, tmp_path: Path) -> None:
        apply(applied, tmp_path, CHANGED)

        newest, first = rowcast(applied, "show", "shops"), rowcast(applied, "show", "shops", "--revision", "1")

        assert (newest.stdout, first.stdout) == (CHANGED, DECLARATION)
        assert "shops revision 2, applied by " in newest.stderr
        whole = json.loads(rowcast(applied, "show", "shops", "--revision", "1", "-o", "json").stdout)
        assert (whole["text"], whole["shape"]["columns"]["size"]["type"]) == (DECLARATION, "int")

    def test_revisions_are_listed_newest_first_and_their_difference_is_shown(
        self, applied: Place, tmp_path: Path
    ) -> None:
        apply(applied, tmp_path, CHANGED)

        listed = rowcast(applied, "history", "shops").stdout.splitlines()
        assert [line.split()[0] for line in listed] == ["REVISION", "2", "1"]
        difference = rowcast(applied, "history", "shops", "--diff", "1", "2").stdout.splitlines()
        assert difference[:2] == ["--- shops revision 1", "+++ shops revision 2"]
        assert [line.strip("+- ") for line in difference if line.startswith(("+ ", "- "))] == [
            'data: {size: "${string(row.size)}"}',
            'data: {area: "${string(row.size)}"}',
        ]
        assert json.loads(rowcast(applied, "history", "shops", "-o", "json").stdout)[1]["revision"] == 1

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("show", "nobody"), 1, "there is no renderer nobody"),
            (("show", "shops", "--revision", "9"), 1, "there is no revision 9 of shops"),
            (("history", "nobody"), 1, "there is no renderer nobody"),
            (("history", "shops", "--diff", "1", "9"), 1, "there is no revision 9 of shops"),
            (("history", "shops", "--diff", "1", "1", "-o", "json"), 2, "--diff is a text"),
            (("delete", "nobody", "--objects", "remove", "--yes"), 1, "there is no renderer nobody"),
            (("delete", "appconfigs", "--objects", "remove", "--yes"), 1, "appconfigs is built in"),
        ],
    )
    def test_what_is_not_there_is_one_line_and_an_exit_code(
        self, applied: Place, arguments: tuple[str, ...], code: int, said: str
    ) -> None:
        ran = rowcast(applied, *arguments)

        assert (ran.exit_code, ran.stdout) == (code, "")
        assert said in ran.stderr


def test_check_says_that_changes_were_not_captured_until_it_is_applied_again(applied: Place, tmp_path: Path) -> None:
    file = tmp_path / "shops.yaml"
    applied.run("ALTER TABLE shops RENAME size TO area", "DELETE FROM shops", "ALTER TABLE shops RENAME area TO size")

    checked = rowcast(applied, "check", file)

    assert checked.exit_code == 1
    assert checked.stdout == (
        f"{file}:6:19: spec.source.table: column t.size does not exist (apply it again once that is mended)\n"
    )
    apply(applied, tmp_path)
    assert rowcast(applied, "check", file).exit_code == 0


class TestDelete:
    def test_its_rows_are_deleted_and_its_table_is_left(self, applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rowcast.crud.renderers.deletion.BATCH", 1)

        ran = rowcast(applied, "delete", "shops", "--objects", "remove", "--yes")

        assert ran.exit_code == 0, ran.output
        assert ran.stdout == "shops: no more captured; 2 rows deleted, its targets remove their objects\n"
        assert deleted_rows(applied) == {"1": (2, True), "2": (2, True)}
        applied.run("INSERT INTO shops VALUES (3, 7)", "DELETE FROM shops WHERE id = 1")
        assert deleted_rows(applied).keys() == {"1", "2"}
        assert applied.ask("SELECT FROM pg_trigger WHERE tgrelid = 'shops'::regclass AND NOT tgisinternal") == []
        assert rowcast(applied, "list").stdout.splitlines()[1].endswith("deleted")

    def test_a_name_that_is_used_again_goes_on_from_its_revisions_and_generations(
        self, applied: Place, tmp_path: Path
    ) -> None:
        rowcast(applied, "delete", "shops", "--objects", "remove", "--yes")

        assert apply(applied, tmp_path, CHANGED) == "shops revision 2: 2 rows captured, 0 follow"
        assert revisions(applied) == {"1": (3, 2), "2": (3, 2)}
        assert rowcast(applied, "list").stdout.splitlines()[1].endswith("captured")

    def test_one_whose_table_is_gone_can_be_deleted(self, applied: Place) -> None:
        applied.run("ALTER TABLE shops RENAME TO other")
        try:
            ran = rowcast(applied, "delete", "shops", "--objects", "remove", "--yes")
            assert ran.exit_code == 0, ran.output
        finally:
            applied.run("ALTER TABLE other RENAME TO shops")
        assert deleted_rows(applied) == {"1": (2, True), "2": (2, True)}

    def test_one_that_was_broken_off_goes_on(self, applied: Place) -> None:
        applied.run("DELETE FROM rowcast.sources WHERE renderer = 'shops'")
        assert rowcast(applied, "list").stdout.rstrip().endswith("deleted, but for 2 rows: delete it again")

        assert rowcast(applied, "delete", "shops", "--objects", "remove", "--yes").exit_code == 0

        assert deleted_rows(applied) == {"1": (2, True), "2": (2, True)}

    def test_more_than_the_prune_limit_is_refused_and_changes_nothing(self, applied: Place) -> None:
        applied.run("INSERT INTO shops SELECT number, 1 FROM generate_series(10, 13) AS number")

        refused = rowcast(applied, "delete", "shops", "--objects", "remove", "--yes")

        assert refused.exit_code == 1
        assert "would remove 6 of 6 rows, 100%, and the limit is 20% (5 rows); --prune-limit 1" in refused.stderr
        assert {deleted for _, deleted in deleted_rows(applied).values()} == {False}
        applied.run("UPDATE shops SET size = 8 WHERE id = 1")
        assert deleted_rows(applied)["1"] == (2, False)
        allowed = rowcast(applied, "delete", "shops", "--objects", "remove", "--yes", "--prune-limit", "1")
        assert allowed.exit_code == 0, allowed.output

    def test_functions_of_an_administrator_are_named_and_nothing_is_changed(self, applied: Place) -> None:
        applied.run("CREATE ROLE clerk LOGIN PASSWORD 'c'", "GRANT ALL ON SCHEMA rowcast, public TO clerk")
        applied.run("GRANT ALL ON ALL TABLES IN SCHEMA rowcast, public TO clerk")
        try:
            clerk = Place(applied.url.replace(applied.url.split("//")[1].split("@")[0], "clerk:c"))
            ran = rowcast(clerk, "delete", "shops", "--objects", "remove", "--yes")
        finally:
            applied.run("DROP OWNED BY clerk", "DROP ROLE clerk")

        assert ran.exit_code == 1
        assert "may not take away shops/compare, shops/refresh, shops/source" in ran.stderr
        assert revisions(applied) == {"1": (1, 1), "2": (1, 1)}


class TestWhatBecomesOfTheObjects:
    def test_is_said_where_nobody_can_be_asked(self, applied: Place) -> None:
        silent, unconfirmed = (
            rowcast(applied, "delete", "shops"),
            rowcast(applied, "delete", "shops", "--objects=remove"),
        )

        assert (silent.exit_code, "--objects remove, or --objects retain" in silent.stderr) == (2, True)
        assert (unconfirmed.exit_code, "--yes confirms it" in unconfirmed.stderr) == (2, True)
        assert revisions(applied) == {"1": (1, 1), "2": (1, 1)}

    @pytest.mark.parametrize(
        ("typed", "code", "deleted"),
        [("remove\nshops\n", 0, True), ("remove\nshop\n", 2, False), ("drop\nshops\n", 2, False)],
    )
    def test_is_asked_at_a_terminal_and_the_name_confirms_it(
        self, applied: Place, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, deleted: bool
    ) -> None:
        monkeypatch.setattr(confirmation, "at_a_terminal", lambda: True)

        ran = rowcast(applied, "delete", "shops", stdin=typed)

        assert ran.exit_code == code, ran.output
        assert {gone for _, gone in deleted_rows(applied).values()} == {deleted}

    def test_they_are_left_behind_only_as_the_declaration_says_that_delivered_all_of_them(
        self, applied: Place, tmp_path: Path
    ) -> None:
        retain = ("delete", "shops", "--objects", "retain", "--yes")
        refused = rowcast(applied, *retain)
        assert "the objects of settings can't be left behind: the declaration says delete: delete" in refused.stderr

        delivered(applied)
        apply(applied, tmp_path, RETAINING)
        early = rowcast(applied, *retain)
        assert "2 rows aren't delivered by revision 2 yet" in early.stderr
        assert (refused.exit_code, early.exit_code) == (1, 1)
        assert {deleted for _, deleted in deleted_rows(applied).values()} == {False}

        delivered(applied)
        ran = rowcast(applied, *retain)
        assert ran.stdout == "shops: no more captured; 2 rows deleted, their objects are left behind\n"
