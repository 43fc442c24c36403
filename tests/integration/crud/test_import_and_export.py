"""Files of configurations: what comes out can go in again, and what is wrong is named line by line."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import yaml

New = Callable[..., dict[str, Any]]


def line(name: str, **other: Any) -> dict[str, Any]:
    return {
        "name": name,
        "repository_url": "https://git.example/shop.git",
        "branch": "main",
        "environment": "dev",
    } | other


def names(crud: httpx.Client, search: str) -> list[str]:
    return [row["name"] for row in crud.get("/appconfigs", params={"search": search}).json()["items"]]


def test_a_dry_run_tells_what_would_become_of_each_line_and_changes_nothing(crud: httpx.Client, new: New) -> None:
    there, same = new("dry-there"), new("dry-same")
    rows = [line("dry-new"), line("dry-there", branch="next"), line("dry-same"), line("dry-bad", environment="Not OK")]

    report = crud.post("/appconfigs:import", json={"rows": rows, "dry_run": True}).json()

    assert {key: report[key] for key in ("created", "changed", "unchanged", "refused")} == {
        "created": 1,
        "changed": 1,
        "unchanged": 1,
        "refused": 1,
    }
    made, changed, unchanged, refused = report["lines"]
    assert (made["action"], made["row_id"], made["fields"]["branch"]) == ("create", None, [None, "main"])
    assert (changed["row_id"], changed["fields"]) == (there["id"], {"branch": ["main", "next"]})
    assert (unchanged["action"], unchanged["row_id"]) == ("none", same["id"])
    assert (refused["index"], refused["errors"][0]["field"]) == (3, "environment")
    assert names(crud, "dry-") == ["dry-there", "dry-same"]


def test_it_creates_and_changes_in_the_name_of_the_person(crud: httpx.Client, new: New) -> None:
    there = new("in-there")
    rows = [line("in-new", id=77, generation=9, updated_by="x"), line("in-there", branch="next")]

    report = crud.post("/appconfigs:import", json={"rows": rows}, headers={"x-rowcast-user": "ada"}).json()

    made = crud.get(f"/appconfigs/{report['lines'][0]['row_id']}").json()
    assert (made["name"], made["generation"], made["updated_by"]) == ("in-new", 1, "ada")
    assert crud.get(f"/appconfigs/{there['id']}").json()["branch"] == "next"


def test_nothing_is_changed_if_a_line_is_refused_unless_that_was_asked_for(crud: httpx.Client) -> None:
    rows = [line("part-good"), line("part-bad", branch="a..b"), line("part-good")]

    refused = crud.post("/appconfigs:import", json={"rows": rows})

    problem = refused.json()
    assert (refused.status_code, problem["refused"], problem["created"]) == (422, 2, 1)
    assert refused.headers["content-type"] == "application/problem+json"
    assert [(one["index"], one["field"], one["rule"]) for one in problem["errors"]] == [
        (1, "branch", "git-branch"),
        (2, "name", "duplicate"),
    ]
    assert names(crud, "part-") == []

    assert crud.post("/appconfigs:import", json={"rows": rows, "partial": True}).status_code == 200
    assert names(crud, "part-") == ["part-good"]


def test_a_field_that_a_line_leaves_out_stays_as_it_is(crud: httpx.Client, new: New) -> None:
    row = new("keeps", branch="release")
    given = {name: value for name, value in line("keeps", environment="prod").items() if name != "branch"}

    crud.post("/appconfigs:import", json={"rows": [given]})

    found = crud.get(f"/appconfigs/{row['id']}").json()
    assert (found["branch"], found["environment"]) == ("release", "prod")


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("json", json.loads),
        ("yaml", yaml.safe_load),
        ("csv", lambda text: list(csv.DictReader(io.StringIO(text)))),
    ],
)
def test_what_is_exported_is_imported_again_without_a_change(
    crud: httpx.Client, new: New, kind: str, read: Callable[[str], list[dict[str, Any]]]
) -> None:
    for name in ("a", "b"):
        new(f"out-{kind}-{name}", branch="feature/ä,b", environment="1e3")
    new(f"other-{kind}")

    answer = crud.get("/appconfigs:export", params={"format": kind, "search": f"out-{kind}", "sort": "-name"})

    rows = read(answer.text)
    assert answer.headers["content-disposition"] == f'attachment; filename="configurations.{kind}"'
    assert [row["name"] for row in rows] == [f"out-{kind}-b", f"out-{kind}-a"]
    assert rows[0].keys() >= {"id", "generation", "updated_at", "updated_by"}
    report = crud.post("/appconfigs:import", json={"rows": rows, "dry_run": True}).json()
    assert report["unchanged"] == 2


def test_an_export_of_nothing_is_an_empty_file(crud: httpx.Client) -> None:
    def exported(kind: str) -> str:
        return crud.get("/appconfigs:export", params={"format": kind, "search": "nobody-has-this"}).text

    assert json.loads(exported("json")) == yaml.safe_load(exported("yaml")) == []
    assert exported("csv").splitlines() == [
        "name,repository_url,branch,environment,application,id,generation,updated_at,updated_by"
    ]


@pytest.mark.parametrize(
    ("row", "field", "rule"),
    [
        ({"brnach": "next"}, "brnach", "unknown-field"),
        ({"branch": None}, "branch", "string-type"),
        ({"branch": 1.10}, "branch", "string-type"),
        ({"branch": ["main"]}, "branch", "string-type"),
        ({"name": True}, "name", "string-type"),
        ({"name": "\ud800"}, "name", "dns-1123-label"),
        ({"\ud800": 1}, "?", "unknown-field"),
        ({"environment": {"a": {}}}, "environment", "string-type"),
    ],
)
def test_what_a_line_has_that_is_not_a_configurations_is_refused_by_line(
    crud: httpx.Client, row: dict[str, Any], field: str, rule: str
) -> None:
    content = json.dumps({"rows": [line("odd-good"), line("odd") | row], "partial": True, "dry_run": True})
    report = crud.post("/appconfigs:import", content=content, headers={"content-type": "application/json"}).json()
    assert [one["action"] for one in report["lines"]] == ["create", "refuse"]
    assert (report["lines"][1]["errors"][0]["field"], report["lines"][1]["errors"][0]["rule"]) == (field, rule)


def test_a_row_that_is_no_object_is_named_by_its_index(crud: httpx.Client) -> None:
    answer = crud.post("/appconfigs:import", json={"rows": [line("fine"), 7]})
    assert (answer.status_code, answer.json()["errors"][0]["index"]) == (422, 1)
