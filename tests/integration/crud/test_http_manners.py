"""What HTTP (RFC 9110) and the API's own description say of requests at their edges."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

New = Callable[..., dict[str, Any]]
PROBLEM = "application/problem+json"


def refused(answer: httpx.Response) -> list[tuple[str, str]]:
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM), answer.text
    return [(error["field"], error["rule"]) for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    "path",
    [
        "/appconfigs?limit=2",
        "/appconfigs:snapshot",
        "/appconfigs:snapshot?id=1",
        "/appconfigs:export?format=csv",
        "/activity",
        "/deadletters",
        "/pipeline",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/appconfigs/9999",
        "/nowhere",
    ],
)
def test_head_answers_as_get_without_a_body(crud: httpx.Client, path: str) -> None:
    head, get = crud.head(path), crud.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    again = crud.get("/healthz")  # on the same connection
    assert again.json() == {"status": "ok"}


def test_head_of_a_configuration_has_its_etag(crud: httpx.Client, new: New) -> None:
    row = new("head")
    assert crud.head(f"/appconfigs/{row['id']}").headers["etag"] == '"1"'
    same = crud.head(f"/appconfigs/{row['id']}", headers={"if-none-match": '"1"'})
    assert same.status_code == 304


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/appconfigs", "GET, HEAD, POST, OPTIONS"),
        ("/appconfigs/1", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("/appconfigs:batch", "POST, OPTIONS"),
        ("/appconfigs:export", "GET, HEAD, OPTIONS"),
        ("/deadletters/1:discard", "POST, OPTIONS"),
        ("/deadletters:replay", "POST, OPTIONS"),
        ("/deadletters/1", "GET, HEAD, OPTIONS"),
        ("/events/sync-status", "POST, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_and_a_wrong_method_say_what_there_is(crud: httpx.Client, path: str, allow: str) -> None:
    options = crud.options(path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, allow, b"")
    wrong = next(m for m in ("GET", "POST", "PUT", "DELETE") if m not in allow)
    for method in (wrong, "HEAD") if "HEAD" not in allow else (wrong,):
        answer = crud.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allow)
        assert answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize("path", ["/nowhere", "/appconfigs/1:x", "/appconfigs/"])
def test_what_is_not_there_is_not_found_whatever_is_asked_of_it(crud: httpx.Client, path: str) -> None:
    for method in ("GET", "OPTIONS", "DELETE"):
        assert crud.request(method, path).status_code == 404


IDS = [
    "7_324",
    "+7",
    "%207",
    "7%20",
    "7.0",
    "1e3",
    "0x7",
    "07",
    "%D9%A7",
    "%EF%BC%97",
    "-1",
    "0",
    str(2**63),
    "9" * 5000,
]


@pytest.mark.parametrize("text", IDS)
def test_an_id_is_decimal_digits_within_63_bits(crud: httpx.Client, text: str) -> None:
    for path in (f"/appconfigs/{text}", f"/appconfigs/{text}/history", f"/deadletters/{text}"):
        assert [field for field, _ in refused(crud.get(path))] == ["id"]
    for query in (f"/appconfigs:snapshot?id={text}", f"/activity?row_id={text}", f"/deadletters?row_id={text}"):
        assert crud.get(query.replace("+", "%2B")).status_code == 422


@pytest.mark.parametrize("text", ["1_0", "1.0", "%2B1", "%201", "0", "-1", "1001", "nan", ""])
def test_a_limit_is_decimal_digits_in_its_bounds(crud: httpx.Client, text: str) -> None:
    assert [field for field, _ in refused(crud.get(f"/appconfigs?limit={text}"))] == ["limit"]


@pytest.mark.parametrize("text", ["1", "yes", "on", "True", "t", ""])
def test_a_flag_is_true_or_false(crud: httpx.Client, text: str) -> None:
    assert [field for field, _ in refused(crud.get(f"/appconfigs:snapshot?sync={text}"))] == ["sync"]


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1_0", "%201", "1e999", "x", ""])
def test_seconds_are_a_number_in_its_bounds(crud: httpx.Client, text: str) -> None:
    assert [f for f, _ in refused(crud.get(f"/appconfigs:late?target=k8s&seconds={text}"))] == ["seconds"]


@pytest.mark.parametrize(
    "path",
    ["/appconfigs", "/appconfigs:export", "/appconfigs:snapshot", "/activity", "/activity/people", "/deadletters",
     "/pipeline", "/appconfigs/1", "/appconfigs/1/status", "/reconciles"],
)  # fmt: skip
def test_a_filter_that_there_is_not_is_refused_by_its_name(crud: httpx.Client, path: str) -> None:
    assert refused(crud.get(f"{path}?enviroment=prod&Sort=id")) == [
        ("enviroment", "unknown-parameter"),
        ("Sort", "unknown-parameter"),
    ]


def test_a_write_with_a_query_is_refused_before_it_does_anything(crud: httpx.Client, new: New) -> None:
    row = new("dry")
    assert refused(crud.delete(f"/appconfigs/{row['id']}?dry_run=true")) == [("dry_run", "unknown-parameter")]
    assert crud.get(f"/appconfigs/{row['id']}").status_code == 200


def test_a_filter_is_there_once_and_an_id_may_be_there_often(crud: httpx.Client) -> None:
    assert refused(crud.get("/appconfigs?environment=dev&environment=prod")) == [("environment", "duplicate")]
    assert crud.get("/appconfigs:snapshot?id=1&id=2").status_code == 200


@pytest.mark.parametrize("value", ["%00", "a%00b"])
@pytest.mark.parametrize(
    "query",
    ["/appconfigs?search=", "/appconfigs?environment=", "/appconfigs:export?search=", "/activity?person=",
     "/activity?name=", "/deadletters?target=", "/deadletters?reason=", "/appconfigs?cursor="],
)  # fmt: skip
def test_nul_in_a_query_is_refused(crud: httpx.Client, query: str, value: str) -> None:
    assert refused(crud.get(query + value))


@pytest.mark.parametrize("value", ["%ED%A0%80", "%FF", "a%C3"])
def test_a_query_that_is_not_utf8_is_refused(crud: httpx.Client, value: str) -> None:
    assert refused(crud.get(f"/appconfigs?search={value}")) == [("parameters", "unicode")]


def lines(
    crud: httpx.Client, method: str, path: str, *headers: tuple[str, str], body: bytes = b""
) -> tuple[int, bytes]:
    """A request whose header lines are sent as they are."""
    connection = http.client.HTTPConnection(crud.base_url.host, crud.base_url.port or 80)
    connection.putrequest(method, path)
    for name, value in headers:
        connection.putheader(name, value.encode("latin-1"))
    connection.putheader("content-length", str(len(body)))
    connection.putheader("content-type", "application/json")
    connection.endheaders(body)
    answer = connection.getresponse()
    got = answer.status, answer.read()
    connection.close()
    return got


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (('"8"', '"1"'), 304),
        (('"1"', '"8"'), 304),
        (('"8", W/"1"',), 304),
        (('"8"', '"9"'), 200),
        (("*",), 304),
        (('"8",,"1",',), 304),
        (('"ü", "1"',), 304),
        (("1",), 422),
        (('"1', '2"'), 422),
        (("",), 422),
        ((" , " * 1000 + "x",), 422),
    ],
)
def test_several_lines_of_if_none_match_are_one_list(
    crud: httpx.Client, new: New, given: tuple[str, ...], status: int
) -> None:
    name = f"none-match-{abs(hash(given))}"
    row = new(name)
    assert lines(crud, "GET", f"/appconfigs/{row['id']}", *(("If-None-Match", v) for v in given))[0] == status


@pytest.mark.parametrize(
    ("given", "status"),
    [(('"8"', '"1"'), 200), (('"1"', '"8"'), 200), (('"8"', '"9"'), 412), (('W/"1"',), 412), (("*",), 200)],
)
def test_several_lines_of_if_match_are_one_list(
    crud: httpx.Client, new: New, given: tuple[str, ...], status: int
) -> None:
    row = new(f"match-{abs(hash(given))}")
    headers = (("If-Match", v) for v in given)
    assert lines(crud, "PATCH", f"/appconfigs/{row['id']}", *headers, body=b'{"branch": "next"}')[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"if-none-match": "*"}, 412), ({"if-none-match": 'W/"1"'}, 412), ({"if-none-match": '"8"'}, 200)],
)
def test_a_change_only_of_what_the_caller_does_not_have(
    crud: httpx.Client, new: New, headers: dict[str, str], status: int
) -> None:
    row = new(f"change-{abs(hash(headers['if-none-match']))}")
    path = f"/appconfigs/{row['id']}"
    assert crud.patch(path, json={"branch": "next"}, headers=headers).status_code == status


def test_a_configuration_is_read_only_as_the_caller_means_it(crud: httpx.Client, new: New) -> None:
    path = f"/appconfigs/{new('if-match')['id']}"
    assert crud.get(path, headers={"if-match": '"1"'}).status_code == 200
    assert crud.get(path, headers={"if-match": '"2"'}).status_code == 412


@pytest.mark.parametrize("name", ["x-rowcast-user", "x-rowcast-user-verified"])
def test_two_persons_are_none(crud: httpx.Client, name: str) -> None:
    status, body = lines(crud, "DELETE", "/appconfigs/1", (name, "true"), (name, "false"))
    assert (status, json.loads(body)["errors"][0]["field"]) == (422, name)


BODIES = [b"\xff", b'"\xed\xa0\x80"', b"[" * 100_000, b"{", b"", b"null", b"[]", b'{"name": NaN}', b'{"\\ud800": 1}']
WRITES = [
    ("POST", "/appconfigs"), ("PUT", "/appconfigs/1"), ("PATCH", "/appconfigs/1"), ("POST", "/appconfigs:batch"),
    ("POST", "/appconfigs:import"), ("POST", "/appconfigs:preview"), ("POST", "/deadletters:discard"),
    ("POST", "/deadletters/1:discard"), ("POST", "/deadletters:replay"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_none_is_refused(crud: httpx.Client, method: str, path: str, body: bytes) -> None:
    answer = crud.request(method, path, content=body, headers={"content-type": "application/json"})
    assert refused(answer)


GOOD = {"name": "a", "repository_url": "https://h/x", "branch": "main", "environment": "dev"}


@pytest.mark.parametrize("text", ["\ud800", "a\udc00b", "a\0b"])
@pytest.mark.parametrize("field", ["name", "repository_url", "branch", "environment", "other"])
def test_text_that_is_no_unicode_or_has_nul_is_refused(crud: httpx.Client, field: str, text: str) -> None:
    config = {**GOOD, field: text}
    bodies: list[tuple[str, str, Any]] = [
        ("POST", "/appconfigs", config),
        ("PUT", "/appconfigs/1", config),
        ("PATCH", "/appconfigs/1", {field: text}),
        ("POST", "/appconfigs:batch", {"items": [{"action": "create", "config": config}]}),
        ("POST", "/appconfigs:import", {"rows": [config]}),
        ("POST", "/appconfigs:preview", {"config": config}),
    ]
    for method, path, body in bodies:
        content = json.dumps(body)
        answer = crud.request(method, path, content=content, headers={"content-type": "application/json"})
        assert refused(answer), path


@pytest.mark.parametrize("text", ["\\ud800", "a\\u0000"])
def test_a_reason_is_unicode(crud: httpx.Client, text: str) -> None:
    content = f'{{"reason": "{text}", "ids": [1]}}'
    assert refused(crud.post("/deadletters:discard", content=content, headers={"content-type": "application/json"}))


def test_a_search_finds_letters_of_any_script_in_any_case(crud: httpx.Client, new: New) -> None:
    new("folding", branch="feature/ÄÖÜ-ΟΔΟΣ-тест_100%")
    for part in ("äöü", "ÄÖÜ", "οδος", "οδοσ", "\u0422\u0415\u0421\u0422", "FEATURE/ä", "_100%", "ö_"):
        found = crud.get("/appconfigs", params={"search": part}).json()["items"]
        if part == "ö_":
            assert found == []  # no wildcard
        else:
            assert [row["name"] for row in found] == ["folding"], part
        assert crud.get("/appconfigs:export", params={"search": part}).json() == found or found
