"""What files say is taken as it stands, and what is wrong in them is named with its place."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from client_contract import Run
from rowcast.client.files import read
from rowcast.client.output import age, by_path
from rowcast.runtime.exits import UsageError


def values(text: str, renderer: str = "tenants") -> list[Any]:
    return [dict(row.values) for row in read(["-"], renderer, io.StringIO(text))[renderer]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1.10", "1.10"),
        ("a: 1.5", 1.5),
        ("a: 12", 12),
        ("a: 012", "012"),
        ("a: 9007199254740993", "9007199254740993"),
        ("a: yes", "yes"),
        ("a: true", True),
        ("a: 2026-11-29", "2026-11-29"),
        ("a: null", None),
        ("a: 'null'", "null"),
        ("a: [1, {b: x}]", [1, {"b": "x"}]),
        ('{"a": 9007199254740993}', "9007199254740993"),
        ('{"a": 1.10}', "1.10"),
        ("a,b\n,'=1\n", None),
    ],
)
def test_a_value_is_what_was_written(text: str, value: Any) -> None:
    assert values(text)[0]["a"] == value


def test_configurations_have_texts_whatever_they_look_like() -> None:
    assert values("- {name: 007, branch: 1.10}\n- name: on", "appconfigs") == [
        {"name": "007", "branch": "1.10"},
        {"name": "on"},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "- {id: 1}\n- {id: 2}",
        "id: 1\n---\nid: 2",
        '[{"id": 1}, {"id": 2}]',
        '{"id": 1}\n{"id": 2}\n',
        '{"renderer": "tenants", "rows": [{"id": 1}, {"id": 2}]}',
        "renderer: tenants\nrows:\n- id: 1\n- id: 2\n",
    ],
)
def test_rows_come_in_every_form(text: str) -> None:
    assert values(text) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "a is there twice"),
        ('{"a": 1, "a": 2}', "a is there twice"),
        ("a,a\n1,2", "names a column twice"),
        ("a,b\n1", "another number of cells at line 2"),
        ("a: [", "is not YAML: line"),
        ("[1]", "has '1' where a row must be"),
        ("<<: {a: 1}", "a name must be a plain text"),
    ],
)
def test_what_could_mean_two_things_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(["-"], "tenants", io.StringIO(text))


def test_files_that_are_not_there_or_not_of_rows_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    for name, said in (("none", "there is no file"), ("a.txt", "ends in .csv"), (".", "has no file of rows")):
        with pytest.raises(UsageError, match=said):
            read([str(tmp_path / name)], "tenants", io.StringIO())


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.items[*].name}", "a b"),
        ("items[0].name", "a"),
        ('{.items[0].name}{"\\n"}{.items[1].at}', 'a\n{"x": 1}'),
        ("{$.none}", ""),
    ],
)
def test_jsonpath_is_written_as_kubectl_takes_it(template: str, text: str) -> None:
    assert by_path(template, {"items": [{"name": "a"}, {"name": "b", "at": {"x": 1}}]}) == text


def test_options_that_make_no_sense_are_code_2(run: Run) -> None:
    for arguments, said in (
        (("get", "-o", "xml"), "is one of table"),
        (("get", "-o", "jsonpath={[}"), "jsonpath"),
        (("get", "-l", "dev"), "COLUMN=VALUE"),
        (("get", "-l", "owner=ada"), "configurations have no owner"),
        (("get", "appconfigs", "shop", "--limit", "3"), "are not filtered"),
        (("apply", "-l", "a=b", "-f", "-"), "--selector is for --prune"),
        (("apply", "-f", "-"), "no row in these files"),
        (("history", "appconfigs", "none"), "named by its id"),
    ):
        ran = run(*arguments, input="")
        assert (ran.code, said in " ".join(ran.stderr.replace("│", "").split())) == (2, True), ran


def test_ages_are_in_their_largest_unit() -> None:
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    ages = [age(f"2026-11-{day}T{time}Z", now) for day, time in ((27, "11:00:00"), (29, "06:30:00"), (29, "11:59:53"))]
    assert ages == ["2d", "5h", "7s"]


def test_more_changes_than_a_transaction_takes_are_refused_and_unchanged_ones_do_not_count(run: Run) -> None:
    many = json.dumps([{"id": n, "slug": "s"} for n in range(1, 1002)])
    ran = run("apply", "tenants", "-f", "-", input=many)

    assert (ran.code, "1001 rows of tenants would change" in ran.stderr) == (1, True)
    for part in (many.replace('{"id": 1001, "slug": "s"}', '{"id": 1, "slug": "s"}'),):
        assert "is there twice" in run("apply", "tenants", "-f", "-", input=part).stderr
    half = json.dumps([{"id": n, "slug": "s"} for n in range(1, 900)])
    assert run("apply", "tenants", "-f", "-", input=half).code == 0
    assert run("apply", "tenants", "-f", "-", input=many, ROWCAST_TOKEN="x").code == 0


def test_a_shell_completes_commands_and_options(run: Run) -> None:
    assert "_ROWCAST_COMPLETE=complete_bash" in run("completion", "bash").stdout
