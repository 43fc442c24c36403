from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa

Config = dict[str, str]


def config(name: str, **other: str) -> Config:
    return {
        "name": name,
        "repository_url": "https://git.example/shop.git",
        "branch": "main",
        "environment": "dev",
        **other,
    }


def problem(response: httpx.Response, status: int) -> list[tuple[str, str]]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    return [(error["field"], error["rule"]) for error in response.json().get("errors", [])]


def test_a_created_configuration_can_be_read_at_its_location(crud: httpx.Client) -> None:
    created = crud.post("/appconfigs", json=config("created"), headers={"x-rowcast-user": "ada"})
    assert created.status_code == 201
    read = crud.get(created.headers["location"])
    assert read.json() == created.json()
    assert read.headers["etag"] == created.headers["etag"] == '"1"'
    assert read.json()["updated_by"] == "ada"
    assert read.json()["created_at"].endswith("Z")


def test_the_branch_is_main_unless_given(crud: httpx.Client) -> None:
    body = config("no-branch")
    del body["branch"]
    assert crud.post("/appconfigs", json=body).json()["branch"] == "main"


def test_a_person_may_have_letters_beyond_ascii(crud: httpx.Client) -> None:
    response = crud.post("/appconfigs", json=config("zoe"), headers={b"x-rowcast-user": "Zoë".encode()})
    assert response.json()["updated_by"] == "Zoë"


def test_nobody_in_particular_is_anonymous(crud: httpx.Client) -> None:
    assert crud.post("/appconfigs", json=config("nobody")).json()["updated_by"] == "anonymous"


@pytest.mark.parametrize(("user", "rule"), [("x" * 201, "max-length"), ("a\tb", "printable")])
def test_a_strange_person_is_refused(crud: httpx.Client, user: str, rule: str) -> None:
    response = crud.post("/appconfigs", json=config("strange"), headers={"x-rowcast-user": user})
    assert problem(response, 422) == [("x-rowcast-user", rule)]


def test_a_taken_name_is_a_conflict(crud: httpx.Client, new: Callable[..., Config]) -> None:
    new("taken")
    other = new("free")
    assert problem(crud.post("/appconfigs", json=config("taken")), 409) == [("name", "unique")]
    assert problem(crud.patch(f"/appconfigs/{other['id']}", json={"name": "taken"}), 409) == [("name", "unique")]


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "Upper", "dns-1123-label"),
        ("name", "a" * 64, "max-length"),
        ("name", "", "dns-1123-label"),
        ("name", "new\n", "dns-1123-label"),
        ("environment", "-dev", "dns-1123-label"),
        ("repository_url", "not a url", "url"),
        ("repository_url", "https://user:secret@git.example/x", "url"),
        ("branch", "a..b", "git-branch"),
        ("branch", "\u0000", "git-branch"),
        ("colour", "red", "unknown-field"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_field_and_rule(crud: httpx.Client, field: str, value: str, rule: str) -> None:
    assert problem(crud.post("/appconfigs", json={**config("refused"), field: value}), 422) == [(field, rule)]


def test_every_missing_field_is_named(crud: httpx.Client) -> None:
    required = [("name", "required"), ("repository_url", "required"), ("environment", "required")]
    assert problem(crud.post("/appconfigs", json={}), 422) == required


def test_a_body_that_is_no_json_is_refused(crud: httpx.Client) -> None:
    response = crud.post("/appconfigs", content=b"{", headers={"content-type": "application/json"})
    assert problem(response, 422) == [("body", "json")]


def test_a_change_raises_the_generation_and_names_its_person(crud: httpx.Client, new: Callable[..., Config]) -> None:
    row = new("changed")
    response = crud.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}, headers={"x-rowcast-user": "bob"})
    changed = response.json()
    assert (changed["generation"], changed["branch"], changed["updated_by"]) == (2, "next", "bob")
    assert response.headers["etag"] == '"2"'
    assert changed["created_at"] == row["created_at"]


def test_a_change_that_changes_nothing_keeps_the_generation(crud: httpx.Client, new: Callable[..., Config]) -> None:
    row = new("same")
    assert crud.put(f"/appconfigs/{row['id']}", json=config("same")).json() == row
    assert crud.patch(f"/appconfigs/{row['id']}", json={}).json() == row


def test_null_is_no_value_in_a_change(crud: httpx.Client, new: Callable[..., Config]) -> None:
    row = new("nulled")
    assert problem(crud.patch(f"/appconfigs/{row['id']}", json={"branch": None}), 422) == [("branch", "not-null")]


@pytest.mark.parametrize("if_match", ['"1"', "*", '"7", "1"'])
def test_a_change_of_what_the_caller_saw_is_made(crud: httpx.Client, new: Callable[..., Config], if_match: str) -> None:
    row = new(f"seen-{len(if_match)}")
    response = crud.patch(f"/appconfigs/{row['id']}", json={"branch": "b"}, headers={"if-match": if_match})
    assert response.status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("if_match", ['"2"', 'W/"1"'])
def test_a_change_of_another_generation_is_refused(
    crud: httpx.Client, new: Callable[..., Config], method: str, if_match: str
) -> None:
    row = new(f"stale-{method.lower()}-{len(if_match)}")
    body = None if method == "DELETE" else config("stale-body")
    response = crud.request(method, f"/appconfigs/{row['id']}", json=body, headers={"if-match": if_match})
    assert problem(response, 412) == [("generation", "generation")]
    assert response.headers["etag"] == '"1"'
    assert crud.get(f"/appconfigs/{row['id']}").json() == row


def test_an_if_match_that_is_no_etag_is_refused(crud: httpx.Client, new: Callable[..., Config]) -> None:
    row = new("no-etag")
    response = crud.delete(f"/appconfigs/{row['id']}", headers={"if-match": "1"})
    assert problem(response, 422) == [("If-Match", "etag")]


@pytest.mark.parametrize(("known", "status"), [('"1"', 304), ('W/"1"', 304), ("*", 304), ('"2"', 200)])
def test_a_caller_that_has_the_row_gets_it_not_again(
    crud: httpx.Client, new: Callable[..., Config], known: str, status: int
) -> None:
    row = new(f"known-{len(known)}-{status}-{known.count(chr(49))}")
    response = crud.get(f"/appconfigs/{row['id']}", headers={"if-none-match": known})
    assert (response.status_code, response.headers["etag"]) == (status, '"1"')


def test_a_deleted_configuration_is_gone(crud: httpx.Client, new: Callable[..., Config]) -> None:
    row = new("gone")
    deleted = crud.delete(f"/appconfigs/{row['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method in ("GET", "DELETE"):
        problem(crud.request(method, f"/appconfigs/{row['id']}"), 404)
    problem(crud.patch(f"/appconfigs/{row['id']}", json={}), 404)


@pytest.mark.parametrize("row_id", ["x", "0", str(2**63)])
def test_what_cannot_be_an_id_is_refused(crud: httpx.Client, row_id: str) -> None:
    assert problem(crud.get(f"/appconfigs/{row_id}"), 422)[0][0] == "id"


def test_an_unknown_route_is_a_problem_too(crud: httpx.Client) -> None:
    problem(crud.get("/nothing"), 404)
    problem(crud.put("/appconfigs"), 405)


def wait_until_one_waits_for_a_lock(sql: sa.Connection) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rowcast-crud' AND wait_event_type = 'Lock'"
    while not sql.execute(sa.text(query)).scalar_one():
        pass


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_that_waits_for_another_one_sees_what_that_did(
    crud: httpx.Client, new: Callable[..., Config], sql: sa.Connection, method: str
) -> None:
    row = new(f"raced-{method.lower()}")
    body = None if method == "DELETE" else {"branch": "late"}
    with ThreadPoolExecutor(1) as pool, sa.create_engine(sql.engine.url, poolclass=sa.NullPool).connect() as other:
        other.execute(sa.text("UPDATE app_configs SET branch = 'early' WHERE id = :id"), {"id": row["id"]})
        url = f"/appconfigs/{row['id']}"
        waiting = pool.submit(crud.request, method, url, json=body, headers={"if-match": '"1"'})
        wait_until_one_waits_for_a_lock(sql)
        other.commit()
        assert waiting.result().status_code == 412


@pytest.mark.parametrize("said", ["yes", "1", "TRUE", ""])
def test_a_strange_word_about_the_person_is_refused(crud: httpx.Client, said: str) -> None:
    headers = {"x-rowcast-user": "ada", "x-rowcast-user-verified": said}
    response = crud.post("/appconfigs", json=config("strange"), headers=headers)
    assert problem(response, 422) == [("x-rowcast-user-verified", "one-of")]


@pytest.mark.parametrize(
    ("headers", "verified"),
    [
        ({"x-rowcast-user": "ada", "x-rowcast-user-verified": "true"}, "on"),
        ({"x-rowcast-user": "ada", "x-rowcast-user-verified": "false"}, "off"),
        ({"x-rowcast-user": "ada"}, "off"),
        ({"x-rowcast-user-verified": "true"}, "off"),
    ],
)
def test_whether_a_login_vouches_for_the_person_reaches_the_transaction(
    crud: httpx.Client, sql: sa.Connection, headers: dict[str, str], verified: str
) -> None:
    sql.execute(
        sa.text(
            "CREATE TABLE said (word text);"
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " INSERT INTO said VALUES (current_setting('rowcast.actor_verified')); RETURN NULL; END $$;"
            "CREATE TRIGGER note AFTER INSERT ON app_configs FOR EACH ROW EXECUTE FUNCTION note()"
        )
    )
    try:
        row = crud.post("/appconfigs", json=config("vouched"), headers=headers).raise_for_status().json()
        assert sql.execute(sa.text("SELECT word FROM said")).scalar_one() == verified
        crud.delete(f"/appconfigs/{row['id']}").raise_for_status()
    finally:
        sql.execute(sa.text("DROP TRIGGER note ON app_configs; DROP FUNCTION note; DROP TABLE said"))
