"""`rowcast renderer test`: rows and golden files, with neither database nor cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rowcast.cli import app

DECLARATION = """\
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: teams}
spec:
  source: {table: public.teams, key: [id]}
  name: ${row.slug}
  allow: {kinds: [Namespace]}
  manifests:
    - id: namespace
      template: {apiVersion: v1, kind: Namespace, metadata: {name: "team-${row.slug}", labels: {plan: "${row.plan}"}}}
  tests:
    - {name: Acme has a namespace, row: {id: 1, slug: acme, plan: gold}, expect: golden/acme.yaml}
    - {name: so has tiny, row: rows/tiny.yaml, expect: golden/tiny.yaml}
    - {name: a slug may not be missing, row: {id: 3, plan: free}, error: is without slug}
"""
COLUMNS = "public.teams: {keys: [[id]], columns: {id: int, slug: string, plan: string}}\n"
ACME = "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: team-acme\n  labels:\n    plan: gold\n"


@pytest.fixture
def teams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A declaration whose three tests pass."""
    monkeypatch.delenv("ROWCAST_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = Path("teams")
    for name, text in {
        "teams.yaml": DECLARATION,
        "teams.columns.yaml": COLUMNS,
        "rows/tiny.yaml": "{id: 2, slug: tiny, plan: free}",
        "golden/acme.yaml": ACME,
        "golden/tiny.yaml": ACME.replace("acme", "tiny").replace("gold", "free"),
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "teams.yaml"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["renderer", "test", *map(str, arguments)])


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def tree(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_a_folder_has_each_of_its_declarations_tested(teams: Path) -> None:
    result = run(teams.parent)

    assert (result.exit_code, result.stderr) == (0, "3 passed\n")
    assert result.stdout.splitlines() == [
        f"{teams}: Acme has a namespace: passed",
        f"{teams}: so has tiny: passed",
        f"{teams}: a slug may not be missing: passed",
    ]


def test_what_differs_is_a_unified_diff_of_the_golden_file(teams: Path) -> None:
    change(teams, "${row.plan}", "${row.plan}-plan")

    result = run(teams, "-k", "ACME")

    assert (result.exit_code, result.stderr) == (1, "1 failed\n")
    assert result.stdout.splitlines() == [
        f"{teams}: Acme has a namespace: failed",
        "--- teams/golden/acme.yaml",
        "+++ rendered",
        "@@ -4,4 +4,4 @@",
        " metadata:",
        "   name: team-acme",
        "   labels:",
        "-    plan: gold",
        "+    plan: gold-plan",
    ]


def test_a_last_line_that_an_editor_has_ended_otherwise_is_no_difference(teams: Path) -> None:
    (teams.parent / "golden" / "acme.yaml").write_text(ACME.rstrip("\n"))

    assert run(teams).exit_code == 0


def test_tests_are_chosen_by_a_part_of_their_names(teams: Path) -> None:
    assert run(teams, "-k", "tiny", "-k", "acme").stderr == "2 passed\n"
    assert run(teams, "-k", "no such").exit_code == 1
    assert "no test has been run" in run(teams, "-k", "no such").stderr


def test_update_says_which_files_it_writes_and_touches_no_other(teams: Path) -> None:
    change(teams, "golden/tiny.yaml", "new/folder/tiny.yaml")
    before = tree(teams.parent)

    result = run(teams, "--update")

    assert (result.exit_code, result.stderr) == (0, "2 passed, 1 written\n")
    assert f"{teams}: so has tiny: written: teams/new/folder/tiny.yaml\n" in result.stdout
    assert tree(teams.parent) == {**before, "new/folder/tiny.yaml": before["golden/tiny.yaml"]}
    assert run(teams).exit_code == 0


def test_update_of_chosen_tests_writes_their_files_only(teams: Path) -> None:
    change(teams, "${row.plan}", "${row.plan}-plan")
    before = tree(teams.parent)

    run(teams, "--update", "-k", "acme")

    after = tree(teams.parent)
    assert [name for name in after if after[name] != before[name]] == ["golden/acme.yaml"]


def test_update_writes_nothing_outside_of_the_declarations_folder(teams: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (teams.parent / "link").symlink_to(tmp_path / "elsewhere")
    change(teams, "golden/acme.yaml", "link/acme.yaml")

    result = run(teams, "--update")

    assert result.exit_code == 1
    assert "teams/link/acme.yaml leads out of the declaration's folder" in result.stdout
    assert tree(tmp_path / "elsewhere") == {}


def test_two_tests_that_need_one_file_to_be_different_are_told(teams: Path) -> None:
    change(teams, "golden/tiny.yaml", "golden/acme.yaml")

    result = run(teams, "--update")

    assert result.exit_code == 1
    assert "so has tiny: failed: teams/golden/acme.yaml is what another test expects" in result.stdout


@pytest.mark.parametrize("file", ["/etc/acme.yaml", "../acme.yaml", "a/../../acme.yaml"])
@pytest.mark.parametrize("what", ["row: rows/tiny.yaml", "expect: golden/tiny.yaml"])
def test_files_of_tests_are_beside_the_declaration_or_below(teams: Path, file: str, what: str) -> None:
    name = what.partition(":")[0]
    change(teams, what, f"{name}: {file}")

    result = run(teams)

    assert result.exit_code == 1
    assert f"spec.tests[1].{name}: must be a file beside the declaration, or below" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no teams/rows/tiny.yaml"),
        ("[1]", "teams/rows/tiny.yaml: must be a mapping of columns to values"),
        ("a: [", "teams/rows/tiny.yaml:1:5: is no YAML"),
        ("{id: 2, slgu: tiny, plan: free}", "row.slgu: there is no such column; slug is meant?"),
    ],
)
def test_a_file_of_a_row_that_is_none_fails_its_test_and_no_other(teams: Path, text: str | None, said: str) -> None:
    file = teams.parent / "rows" / "tiny.yaml"
    file.unlink() if text is None else file.write_text(text)

    result = run(teams, "--update")

    assert (result.exit_code, result.stderr) == (1, "2 passed, 1 failed\n")
    assert f"so has tiny: failed: {said}" in result.stdout


def test_a_golden_file_that_is_no_text_fails_its_test(teams: Path) -> None:
    (teams.parent / "golden" / "acme.yaml").write_bytes(b"\xff")

    assert "Acme has a namespace: failed: teams/golden/acme.yaml: is no UTF-8" in run(teams).stdout


def test_another_error_than_the_one_that_is_expected_says_both(teams: Path) -> None:
    change(teams, "error: is without slug", "error: is without plan")

    assert "failed: row: is without slug, which can't be NULL; and not 'is without plan'" in run(teams).stdout


def test_a_declaration_with_problems_keeps_no_other_from_being_tested(teams: Path) -> None:
    for name, text in {"a.yaml": "{", "b.yaml": DECLARATION.partition("  tests:")[0]}.items():
        (teams.parent / name).write_text(text)

    result = run(teams.parent)

    assert result.exit_code == 1
    assert "teams/a.yaml:1:2: is no YAML" in result.stderr
    assert "teams/b.yaml: spec.tests has no test" in result.stderr
    assert result.stdout.count(": passed") == 3


def test_neither_database_nor_cluster_is_imported_for_it() -> None:
    script = (
        "import sys, rowcast.renderer_cli; print(*{'sqlalchemy', 'kubernetes', 'httpx', 'fastapi'} & {*sys.modules})"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "\n"


def test_tests_run_where_crud_can_not_be_imported_and_the_rest_says_so(
    teams: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rowcast.crud.renderers.cli", None)

    assert run(teams).exit_code == 0
    result = CliRunner().invoke(app, ["renderer", "check", str(teams)])
    assert result.exit_code == 1
    assert "rowcast.crud.renderers.cli cannot be imported" in result.stderr
