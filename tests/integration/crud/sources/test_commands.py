"""`rowcast renderer` with a real database: from a table that knows nothing of Rowcast to what its rows become."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from rowcast.cli import app

from .conftest import Place

EXAMPLES = Path(__file__).parents[4] / "examples"


def rowcast(place: Place, *arguments: object, stdin: str | None = None) -> Result:
    environment = {"ROWCAST_DATABASE_URL": place.url}
    return CliRunner().invoke(app, ["renderer", *map(str, arguments)], input=stdin, env=environment)


def offline(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["renderer", *map(str, arguments)], env={"ROWCAST_DATABASE_URL": None})


@pytest.fixture(params=["tenants", "services"])
def example(request: pytest.FixtureRequest, place: Place) -> Path:
    name = str(request.param)
    place.run((EXAMPLES / name / f"{name}.sql").read_text())
    return EXAMPLES / name / f"{name}.yaml"


def test_an_example_is_of_the_table_that_its_sql_makes(place: Place, example: Path) -> None:
    saved = rowcast(place, "columns", example)

    assert saved.stdout == example.with_name(f"{example.stem}.columns.yaml").read_text()
    assert rowcast(place, "check", example).exit_code == 0
    assert rowcast(place, "test", example).exit_code == 0


def test_the_sql_of_an_example_captures_its_rows_and_can_be_run_again(place: Place, example: Path) -> None:
    printed = rowcast(place, "sql", "-f", example)
    assert printed.exit_code == 0, printed.output
    place.run(printed.stdout, printed.stdout)

    assert len(place.rows(example.stem)) == 2
    assert set(place.generations(example.stem).values()) == {1}
    assert "secret" not in str(place.rows(example.stem))
    place.run(rowcast(place, "sql", "-f", example, "--remove").stdout, f"DELETE FROM {example.stem}")
    assert None not in place.rows(example.stem).values()


def test_a_row_of_the_database_is_rendered_as_its_test_says(place: Place) -> None:
    place.run((EXAMPLES / "tenants" / "tenants.sql").read_text())

    printed = rowcast(place, "render", EXAMPLES / "tenants" / "tenants.yaml", "--key", "1")

    assert printed.exit_code == 0, printed.output
    assert printed.stdout == (EXAMPLES / "tenants" / "golden" / "acme.yaml").read_text()


def test_a_row_is_rendered_as_it_is_captured_whatever_the_types(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE TABLE odd (m mood, n numeric, at timestamptz NOT NULL, big bigint NOT NULL, PRIMARY KEY (m, n))",
        "INSERT INTO odd VALUES ('good', 1.50, '2026-01-02 03:04:05+02', 9007199254740993)",
    )
    file = tmp_path / "odd.yaml"
    assert rowcast(place, "init", "odd", "-o", file).exit_code == 0

    printed = rowcast(place, "render", file, "--key", "good", "--key", "1.50")

    assert printed.exit_code == 0, printed.output
    [manifest] = yaml.safe_load_all(printed.stdout)
    assert manifest["metadata"]["name"] == "good-1.50"
    assert manifest["data"] == {"m": "good", "n": "1.50", "at": "2026-01-02T01:04:05+00:00", "big": "9007199254740993"}
    place.run(rowcast(place, "sql", "-f", file).stdout)
    assert place.rows("odd").keys() == {'["good", "1.50"]'}


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("tenants (id bigint PRIMARY KEY, slug text UNIQUE NOT NULL, plan text, seats int, password text)", "tenants"),
        ('"Odd Names" ("first key" text, "in" int, "größe" text, ok bool, PRIMARY KEY ("in"))', "Odd Names"),
        ("twice (region text, id uuid, name text NOT NULL, doc jsonb, PRIMARY KEY (region, id))", "twice"),
        ("dates (at date NOT NULL UNIQUE, list int[], f double precision)", "dates"),
        ('beside ("Schlüssel Nr" int PRIMARY KEY, code text NOT NULL UNIQUE)', "beside"),
    ],
)
def test_a_first_declaration_passes_its_check_and_is_not_overwritten(
    place: Place, tmp_path: Path, table: str, name: str
) -> None:
    place.run(f"CREATE TABLE {table}")
    file = tmp_path / "first.yaml"

    assert rowcast(place, "init", name, "-o", file).exit_code == 0
    checked = rowcast(place, "check", file)
    assert checked.exit_code == 0, checked.output
    again = rowcast(place, "init", name, "-o", file)
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    assert rowcast(place, "init", name, "-o", file, "--force").exit_code == 0
    assert rowcast(place, "init", name).stdout == file.read_text()
    assert "password" not in str(yaml.safe_load(file.read_text())["spec"]["manifests"])


def test_saved_columns_check_without_the_database(place: Place, tmp_path: Path) -> None:
    place.run("CREATE TABLE tenants (id bigint PRIMARY KEY, slug text NOT NULL)")
    file = tmp_path / "tenants.yaml"
    rowcast(place, "init", "tenants", "-o", file)
    assert offline("check", file).exit_code == 2

    assert rowcast(place, "columns", file, "-o", tmp_path / "tenants.columns.yaml").exit_code == 0

    assert offline("check", file).exit_code == 0


def test_a_table_that_has_changed_fails_the_check(place: Place, tmp_path: Path) -> None:
    place.run("CREATE TABLE tenants (id bigint PRIMARY KEY, slug text NOT NULL)")
    file = tmp_path / "tenants.yaml"
    rowcast(place, "init", "tenants", "-o", file)
    place.run("ALTER TABLE tenants RENAME slug TO slugs")

    checked = rowcast(place, "check", file)

    assert checked.exit_code == 1
    assert (
        f"{file}:8:15: spec.name: undefined field 'slug' not found among the row's columns (slugs is meant?)"
        in checked.stdout
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("init", "nowhere"), 1, "there is no table public.nowhere"),
        (("init", "keyless"), 1, "has no primary key"),
        (("init", "unsayable"), 1, "and the key of public.unsayable is Schlüssel Nr: give it a NOT NULL column"),
        (("sql", "-f", EXAMPLES / "tenants" / "tenants.yaml"), 1, "there is no table public.tenants"),
        (("columns", EXAMPLES / "tenants" / "tenants.yaml"), 1, "there is no table public.tenants"),
        (("check", "nowhere.yaml"), 2, "nowhere.yaml: No such file"),
        (("init", "keyless", "--database-url", "nonsense"), 2, "must be like postgresql://"),
        (("init", "keyless", "--database-url", "mysql://a/b"), 2, "must be of PostgreSQL"),
        (("init", "keyless", "--database-url", "postgresql://u:hidden@127.0.0.1:1/x"), 1, "the database: "),
    ],
)
def test_what_cannot_be_is_one_line_and_an_exit_code(
    place: Place, arguments: tuple[object, ...], code: int, said: str
) -> None:
    place.run("CREATE TABLE keyless (id int)", 'CREATE TABLE unsayable ("Schlüssel Nr" int PRIMARY KEY)')

    result = rowcast(place, *arguments)

    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert "hidden" not in result.stderr


@pytest.mark.parametrize(
    ("made", "what", "instead"),
    [
        (["CREATE VIEW t AS SELECT * FROM u"], "a view", "declare the table behind it"),
        (["CREATE MATERIALIZED VIEW t AS SELECT * FROM u"], "a materialized view", "declare the table behind it"),
        (
            [
                "CREATE FOREIGN DATA WRAPPER nothing",
                "CREATE SERVER away FOREIGN DATA WRAPPER nothing",
                "CREATE FOREIGN TABLE t (id int NOT NULL, name text NOT NULL) SERVER away",
            ],
            "a foreign table",
            "subscribe to it by logical replication",
        ),
    ],
)
def test_what_has_no_triggers_is_refused_with_what_to_do_instead(
    place: Place, tmp_path: Path, made: list[str], what: str, instead: str
) -> None:
    place.run("CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL)")
    file = tmp_path / "t.yaml"
    rowcast(place, "init", "t", "-o", file)
    place.run("ALTER TABLE t RENAME TO u", *made)

    for command in (("init", "t"), ("columns", file), ("check", file)):
        result = rowcast(place, *command)

        assert result.exit_code == 1
        assert f"public.t is {what}, on which no trigger tells of changes: {instead}" in result.output, command


def test_a_row_that_is_not_there_is_said(place: Place) -> None:
    place.run((EXAMPLES / "tenants" / "tenants.sql").read_text())
    file = EXAMPLES / "tenants" / "tenants.yaml"

    missing = rowcast(place, "render", file, "--key", "99")
    two = rowcast(place, "render", file, "--key", "1", "--key", "2")
    nonsense = rowcast(place, "render", file, "--key", "one")

    assert (missing.exit_code, "there is no row of the key 99" in missing.stderr) == (1, True)
    assert (two.exit_code, "the key is id" in two.stderr) == (2, True)
    assert (nonsense.exit_code, "invalid input syntax" in nonsense.stderr) == (1, True)
