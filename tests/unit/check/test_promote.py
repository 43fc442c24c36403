"""`rowcast promote` as a script sees it: what it asks of crud, what it prints, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from rowcast.check import promote_cli
from rowcast.check.access import Access, Crud

ITEM = {
    "from_key": "1",
    "from_generation": 4,
    "to_key": "2",
    "to_generation": 7,
    "from_place": "dev",
    "to_place": "staging",
    "fields": {"version": ["v1", "v2"]},
    "outcome": "possible",
    "rule": None,
    "why": None,
    "generation": None,
    "record": None,
    "before": {"manifests": [{"data": "v1"}], "errors": []},
    "after": {"manifests": [{"data": "v2"}], "errors": []},
}
RECORD = {**ITEM, "id": 9, "state": "promoted", "asked_by": "ada"}
PLACE = {"place": "dev", "key": "1", "values": {"version": "v2"}, "state": "healthy", "allowed": False, "fields": {}}
BOARD = {
    "promotion": {"match": ["name"], "order": ["dev", "staging", "prod"]},
    "items": [
        {
            "match": {"name": "web"},
            "places": [
                {**PLACE, "rule": "first", "why": "dev is where a change begins"},
                {**PLACE, "place": "staging", "key": "2", "values": {"version": "v1"}, "allowed": True, "why": None}
                | {"fields": {"version": ["v1", "v2"]}, "rule": None},
                {"place": "prod", "key": None, "rule": "missing", "why": "there is no row", "fields": {}},
            ],
        }
    ],
    "next_cursor": None,
}
Answer = Callable[[httpx.Request], dict[str, Any]]


class Served:
    """crud, as the command asks it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.people: list[str] = []
        self.answers: list[dict[str, Any] | int] = []

        def crud(_to: Access, person: str) -> Crud:
            return Crud(Access("http://crud"), person=person, transport=httpx.MockTransport(self._answer))

        monkeypatch.setattr(promote_cli, "Crud", crud)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((f"{request.method} {request.url.raw_path.decode()}", json.loads(request.content or "null")))
        self.people.append(request.headers["x-rowcast-user"])
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            return httpx.Response(answer, json={"detail": "no"})
        return httpx.Response(200, json=answer)

    def run(self, *arguments: str, answers: list[dict[str, Any] | int]) -> tuple[int, str]:
        self.answers = answers
        ran = CliRunner().invoke(promote_cli.app, list(arguments))
        return ran.exit_code, ran.output


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    return Served(monkeypatch)


def test_without_rows_it_shows_which_version_is_where(served: Served) -> None:
    code, said = served.run("web", answers=[BOARD])
    assert code == 0
    assert served.asked == [("GET /renderers/web/promotions?limit=1000", None)]
    assert said.splitlines() == [
        "NAME  DEV                  STAGING                PROD",
        "web   v2 (row 1, healthy)  v1 (row 2, healthy) <  -",
    ]


def test_a_row_is_promoted_as_it_was_seen_a_moment_before(served: Served) -> None:
    done = {**ITEM, "outcome": "promoted", "generation": 8}
    code, said = served.run("web", "2", "--as", "ada", answers=[{"items": [ITEM]}, {"items": [done]}])
    assert (code, said) == (0, '2: dev -> staging, version "v1" -> "v2": promoted, at generation 8\n')
    assert served.asked == [
        ("POST /renderers/web/promotions", {"keys": ["2"], "dry_run": True, "previews": 0}),
        (
            "POST /renderers/web/promotions",
            {"items": [{"from_key": "1", "from_generation": 4, "to_key": "2", "to_generation": 7}]},
        ),
    ]
    assert served.people == ["ada", "ada"]


def test_what_is_refused_says_why_and_fails_and_the_others_are_promoted(served: Served) -> None:
    refused = {**ITEM, "to_key": "3", "outcome": "refused", "why": "is too young"}
    asked = {**ITEM, "outcome": "awaiting", "record": 5}
    code, said = served.run("web", "--all", answers=[{"items": [refused, ITEM]}, {"items": [asked]}])
    assert code == 1
    assert "2: dev -> staging" in said.splitlines()[0]
    assert said.splitlines()[0].endswith("request 5 waits for somebody else's approval")
    assert said.splitlines()[1].endswith("refused: is too young")


def test_a_dry_run_shows_what_the_manifests_become_and_promotes_nothing(served: Served) -> None:
    code, said = served.run("web", "--all", "--into", "staging", "--dry-run", answers=[{"items": [ITEM]}])
    assert code == 3
    assert '    -    "data": "v1"' in said.splitlines()
    assert '    +    "data": "v2"' in said.splitlines()
    assert served.asked[0][1] == {"all": True, "into": "staging", "dry_run": True, "previews": 20}


def test_where_nothing_differs_nothing_is_done(served: Served) -> None:
    assert served.run("web", "--all", answers=[{"items": []}]) == (0, "nothing differs\n")
    assert served.run("web", "--all", "--dry-run", answers=[{"items": []}]) == (0, "nothing differs\n")


def test_requests_are_listed_approved_and_refused(served: Served) -> None:
    code, said = served.run("web", "--requests", answers=[{"items": [RECORD]}])
    assert (code, said) == (0, '9: dev -> staging, version "v1" -> "v2", asked by ada\n')
    assert served.run("web", "--approve", "9", answers=[RECORD])[0] == 0
    assert served.run("web", "--refuse", "9", "--why", "no", answers=[{**RECORD, "state": "refused"}])[0] == 0
    assert served.asked[1:] == [
        ("POST /renderers/web/promotions/9:approve", None),
        ("POST /renderers/web/promotions/9:refuse", {"why": "no"}),
    ]
    assert served.run("web", "--approve", "9", answers=[403])[0] == 1


def test_a_renderer_that_is_not_promoted_says_why(served: Served) -> None:
    code, said = served.run("web", answers=[{"promotion": None, "why": "it has none", "items": []}])
    assert code == 2
    assert "rows of web are not promoted: it has none" in said


@pytest.mark.parametrize(
    "options", [("--all", "--requests"), ("2", "--all"), ("--into", "prod"), ("--dry-run",), ("2", "--approve", "1")]
)
def test_options_that_say_two_things_are_refused(served: Served, options: tuple[str, ...]) -> None:
    assert served.run("web", *options, answers=[])[0] == 2
