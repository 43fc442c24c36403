"""Rows of somebody else's table over HTTP, by crud's own role: its columns, lists, previews and changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from integration.crud.serving import make_settings, serving, serving_app
from rowcast.core.errors import PermanentError
from rowcast.core.events import read
from rowcast.core.row import RowKey
from rowcast.core.shapes import Column, RowShape
from rowcast.sync.rendering import Rendering, Revision
from rowcast.sync.routes.preview import add_routes
from rowcast.sync.targets.memory import MemoryTarget

from .conftest import Place
from .test_commands import rowcast

TABLES = """
CREATE SCHEMA "Shop";
CREATE TYPE "Shop".plan AS ENUM ('gold', 'free');
CREATE DOMAIN "Shop".mail AS text CHECK (value LIKE '%@%');
CREATE TABLE "Shop".regions (name text PRIMARY KEY);
INSERT INTO "Shop".regions VALUES ('eu'), ('us');
CREATE TABLE "Shop"."Tenants" (
    id bigserial PRIMARY KEY,
    slug varchar(10) NOT NULL UNIQUE,
    plan "Shop".plan NOT NULL DEFAULT 'free',
    size int CONSTRAINT size_positive CHECK (size > 0),
    price numeric(6,2),
    big bigint,
    tags text[],
    settings jsonb,
    region text REFERENCES "Shop".regions,
    contact "Shop".mail,
    "full % name" text GENERATED ALWAYS AS ('t-' || slug) STORED,
    secret text DEFAULT 'hidden'
);
"""
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: tenants}
spec:
  source: {table: Shop.Tenants, key: [id], exclude: [secret], edit: true}
  name: ${row.slug}
  environment: "${row.region == null ? 'eu' : row.region}"
  allow: {kinds: [ConfigMap]}
  manifests:
    - id: settings
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "${row.slug}"}
        data: {size: "${string(100 / row.size)}"}
"""
LISTED = (
    "(1, 'acme', 5, 9.5, NULL, NULL), (2, 'beta', 30, 10, NULL, NULL), (3, 'a \"b\"', NULL, NULL, NULL, NULL)",
    "(4, 'delta', 5, NULL, NULL, 'eu')",
)


@pytest.fixture(scope="module")
def place(migrated_url: str) -> Place:
    made = Place(migrated_url)
    made.run(TABLES)
    return made


@pytest.fixture(scope="module")
def served(place: Place, serving_url: str) -> Iterator[httpx.Client]:
    # No sidecar is at that port; another test's platform may be at the usual one.
    with serving(make_settings(serving_url, dapr_http_port=1)) as client:
        yield client


@pytest.fixture(autouse=True)
def tenants(place: Place, tmp_path: Path) -> None:
    """Four rows, captured, and a declaration that lets the API change them."""
    place.run(
        "DELETE FROM rowcast.renderers",
        "DELETE FROM rowcast.sources",
        'TRUNCATE "Shop"."Tenants" RESTART IDENTITY',
        "DELETE FROM rowcast.rows",
        "DELETE FROM rowcast.row_history",
        f'INSERT INTO "Shop"."Tenants" (id, slug, size, price, tags, region) VALUES {", ".join(LISTED)}',
        'SELECT setval(\'"Shop"."Tenants_id_seq"\', 4)',
    )
    apply(place, tmp_path)


def apply(place: Place, folder: Path, declaration: str = DECLARATION) -> str:
    file = folder / "tenants.yaml"
    file.write_text(declaration)
    ran = rowcast(place, "apply", file)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def keys(client: httpx.Client, **params: Any) -> list[str]:
    answer = client.get("/renderers/tenants/rows", params=params)
    assert answer.status_code == 200, answer.text
    return [row["key"] for row in answer.json()["items"]]


def columns(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/renderers/tenants/columns")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refusal(answer: httpx.Response, status: int = 422) -> tuple[str, str]:
    assert answer.status_code == status, answer.text
    first = answer.json()["errors"][0]
    return first["field"], first["rule"]


def test_columns_are_what_the_catalogue_says_of_them(served: httpx.Client) -> None:
    found = columns(served)
    by_name = {column.pop("name"): column for column in found["columns"]}

    assert (found["editable"], found["why"]) == (True, None)
    plain = {"nullable": True, "has_default": False, "generated": False, "key": False, "values": None}
    plain["references"] = None
    assert by_name == {
        "id": plain | {"type": "bigint", "nullable": False, "has_default": True, "key": True},
        "slug": plain | {"type": "character varying(10)", "nullable": False},
        "plan": plain | {"type": '"Shop".plan', "nullable": False, "has_default": True, "values": ["gold", "free"]},
        "size": plain | {"type": "integer"},
        "price": plain | {"type": "numeric(6,2)"},
        "big": plain | {"type": "bigint"},
        "tags": plain | {"type": "text[]"},
        "settings": plain | {"type": "jsonb"},
        "region": plain | {"type": "text", "references": {"table": "Shop.regions", "column": "name"}},
        "contact": plain | {"type": "text"},
        "full % name": plain | {"type": "text", "has_default": True, "generated": True},
    }


def test_rows_are_not_editable_unless_the_declaration_and_the_database_say_so(
    served: httpx.Client, place: Place, tmp_path: Path
) -> None:
    place.run('REVOKE INSERT ON "Shop"."Tenants" FROM rowcast_crud')
    grant = 'GRANT SELECT, INSERT, UPDATE, DELETE ON "Shop"."Tenants" TO "rowcast_crud"'
    found = columns(served)
    assert (found["editable"], len(found["columns"])) == (False, 11)
    assert found["why"] == f"crud may not write Shop.Tenants; its owner has to run: {grant}"

    assert "rowcast_crud" not in apply(place, tmp_path)
    assert columns(served)["editable"]
    apply(place, tmp_path, DECLARATION.replace(", edit: true", ""))
    assert columns(served)["why"] == "its declaration has no edit: true (spec.source.edit)"


def test_what_is_only_kept_says_nothing_of_the_table_yet(served: httpx.Client, place: Place, tmp_path: Path) -> None:
    file = tmp_path / "kept.yaml"
    file.write_text(DECLARATION.replace(", edit: true", ""))
    assert rowcast(place, "apply", "--no-assign", file).exit_code == 0

    assert columns(served)["editable"]
    kept = served.get("/renderers/tenants").json()
    assert (kept["revision"], kept["newest"]) == (1, 2)
    assert "edit: true" in kept["text"]


def _may_write(place: Place) -> tuple[bool, bool]:
    ((table, sequence),) = place.ask(
        """SELECT has_table_privilege('rowcast_crud', '"Shop"."Tenants"', 'SELECT, INSERT, UPDATE, DELETE'),"""
        """ has_sequence_privilege('rowcast_crud', '"Shop"."Tenants_id_seq"', 'USAGE')"""
    )
    return table, sequence


@pytest.mark.usefixtures("served")
def test_the_right_to_edit_goes_with_the_declaration_that_gave_it(place: Place, tmp_path: Path) -> None:
    without = DECLARATION.replace(", edit: true", "")
    other = tmp_path / "other.yaml"
    other.write_text(DECLARATION.replace("name: tenants", "name: others"))
    assert rowcast(place, "apply", other).exit_code == 0
    apply(place, tmp_path, without)
    assert _may_write(place) == (True, True)  # the other one needs it

    other.write_text(without.replace("name: tenants", "name: others"))
    assert rowcast(place, "apply", other).exit_code == 0
    assert _may_write(place) == (False, False)

    apply(place, tmp_path)
    assert _may_write(place) == (True, True)
    removing = rowcast(place, "sql", "-f", tmp_path / "tenants.yaml", "--remove").stdout.splitlines()[-2:]
    assert removing == [
        'REVOKE SELECT, INSERT, UPDATE, DELETE ON "Shop"."Tenants" FROM "rowcast_crud";',
        'REVOKE USAGE ON SEQUENCE "Shop"."Tenants_id_seq" FROM "rowcast_crud";',
    ]
    for name in ("others", "tenants"):
        ran = rowcast(place, "delete", name, "--objects", "remove", "--yes", "--prune-limit", 1)
        assert ran.exit_code == 0, ran.output
    assert _may_write(place) == (False, False)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "1 2 3 4"),
        ({"order": "desc"}, "4 3 2 1"),
        ({"sort": "slug"}, "3 1 2 4"),
        ({"sort": "size"}, "1 4 2 3"),
        ({"sort": "size", "order": "desc"}, "3 2 4 1"),
        ({"sort": "price"}, "1 2 3 4"),
        ({"sort": "generation", "order": "desc"}, "4 3 2 1"),
        ({"sort": "changed_at"}, "1 2 3 4"),
        ({"filter": "size=5"}, "1 4"),
        ({"filter": ["size=5", "region=eu"]}, "4"),
        ({"filter": 'slug=a "b"'}, "3"),
        ({"filter": "full % name=t-beta"}, "2"),
        ({"filter": "slug="}, ""),
    ],
)
def test_rows_are_sorted_and_filtered_by_any_column_a_page_at_a_time(
    served: httpx.Client, params: dict[str, Any], expected: str
) -> None:
    assert " ".join(keys(served, **params)) == expected
    read: list[str] = []
    following: dict[str, Any] | None = {}
    while following is not None:
        page = served.get("/renderers/tenants/rows", params={**params, "limit": 1, **following}).json()
        read += [row["key"] for row in page["items"]]
        following = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert read == expected.split()


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"sort": "secret"}, ("sort", "column")),
        ({"sort": "slgu"}, ("sort", "column")),
        ({"filter": "secret=hidden"}, ("filter", "column")),
        ({"filter": "slug"}, ("filter", "column")),
        ({"order": "up"}, ("order", "one-of")),
    ],
)
def test_what_no_row_has_is_neither_sorted_nor_filtered_by(
    served: httpx.Client, params: dict[str, Any], error: tuple[str, str]
) -> None:
    assert refusal(served.get("/renderers/tenants/rows", params=params)) == error


def test_a_cursor_goes_on_with_its_own_order_only(served: httpx.Client) -> None:
    first = served.get("/renderers/tenants/rows", params={"sort": "size", "limit": 1}).json()["next_cursor"]

    assert keys(served, cursor=first) == ["4", "2", "3"]
    for params in ({"sort": "slug"}, {"order": "desc"}):
        again = served.get("/renderers/tenants/rows", params={"cursor": first, **params})
        assert refusal(again) == ("cursor", "cursor")


def previewed(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer = client.post("/renderers/tenants/preview", json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_row_is_previewed_as_it_is_and_as_it_would_be(served: httpx.Client) -> None:
    size = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "acme"}, "data": {"size": "20"}}
    as_it_is = {"name": "acme", "environment": "eu", "manifests": [{"id": "settings", "manifest": size}], "errors": []}

    assert served.get("/renderers/tenants/preview", params={"key": "1"}).json() == as_it_is
    assert previewed(served, key="1") == as_it_is
    changed = previewed(served, key="1", row={"size": 50, "region": "us"})
    assert (changed["environment"], changed["manifests"][0]["manifest"]["data"]) == ("us", {"size": "2"})
    new = previewed(served, row={"id": 9, "slug": "new", "plan": "free", "size": 1})
    assert (new["name"], new["errors"]) == ("new", [])


def test_what_has_no_value_is_said_with_its_place_and_its_expression(served: httpx.Client) -> None:
    found = previewed(served, key="1", row={"size": 0})

    assert (found["name"], found["manifests"]) == (None, [])
    (error,) = found["errors"]
    assert error == {
        "path": "spec.manifests[0].template.data.size",
        "expression": "string(100 / row.size)",
        "message": "divide by zero",
        "line": 16,
        "column": 22,
    }
    (error,) = previewed(served, row={"id": 9, "slgu": "x"})["errors"]
    assert (error["path"], error["message"]) == ("row.slgu", "there is no such column; slug is meant?")


def test_a_declaration_that_is_not_applied_is_checked_and_rendered(served: httpx.Client) -> None:
    other = DECLARATION.replace("100 / row.size", "row.size * 2").replace(", exclude: [secret]", "")
    assert previewed(served, key="2", spec=other)["manifests"][0]["manifest"]["data"] == {"size": "60"}

    errors = previewed(served, key="2", spec=DECLARATION.replace("${row.slug}\n", "${row.slgu}\n"))["errors"]
    assert [(error["line"], error["column"], error["path"]) for error in errors] == [(7, 14, "spec.name")]
    assert "slug is meant?" in errors[0]["message"]
    assert previewed(served, key="2", spec="a: [")["errors"][0]["message"].startswith("is no YAML")


def test_what_a_declaration_does_to_all_rows_is_seen_before_it_is_applied(served: httpx.Client) -> None:
    def impact(spec: str, status: int = 200, name: str = "tenants") -> Any:
        answer = served.post(f"/renderers/{name}:impact", json={"spec": spec, "sample": 1})
        assert answer.status_code == status, answer.text
        return answer.json()

    answer = impact(DECLARATION.replace("string(100 / row.size)", "string(row.size)"))
    seen = answer["seen"]
    (group,) = seen["groups"]
    assert (group["action"], group["path"], group["rows"], len(group["examples"])) == ("changed", "data.size", 3, 1)
    assert (seen["rows"], seen["changed_rows"], seen["failed_rows"]) == (4, 3, 1)
    assert (seen["errors"][0]["examples"], seen["errors"][0]["before"]) == (["3"], 1)
    assert answer["markdown"].startswith("### Impact on `tenants`")
    assert seen["token"] in answer["markdown"]
    problems = impact(DECLARATION.replace("row.size", "row.sise"))["problems"]
    assert [(each["path"], each["line"]) for each in problems] == [("spec.manifests[0].template.data.size", 16)]
    assert "not of the renderer" in str(impact(DECLARATION.replace("name: tenants", "name: others"), 422))
    assert "renderer impact" in str(
        impact(DECLARATION.replace("[secret]", "[size]").replace("row.size", "row.id"), 422)
    )
    impact(DECLARATION, 404, "nobody")


def test_what_a_stored_revision_does_to_rows_that_are_not_of_it_yet(
    served: httpx.Client, place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "kept.yaml"
    file.write_text(DECLARATION.replace("100 / row.size", "row.size"))
    assert rowcast(place, "apply", "--no-assign", file).exit_code == 0

    def impact(**wanted: Any) -> httpx.Response:
        return served.post("/renderers/tenants:impact", json=wanted)

    seen = impact(revision=2).json()["seen"]
    assert (seen["revision"], seen["changed_rows"], seen["failed_rows"]) == (1, 3, 1)
    assert impact(revision=1).json()["seen"]["changed_rows"] == 0
    assert impact(revision=9).status_code == 404
    assert refusal(impact(revision=2, spec=DECLARATION)) == ("spec", "conflict")
    assert refusal(impact()) == ("spec", "conflict")


def test_an_older_revision_can_be_previewed(served: httpx.Client, place: Place, tmp_path: Path) -> None:
    apply(place, tmp_path, DECLARATION.replace("100 / row.size", "row.size * 2"))

    sizes = [
        served.get("/renderers/tenants/preview", params={"key": "1", **revision}).json()["manifests"][0]
        for revision in ({}, {"revision": 1})
    ]

    assert [each["manifest"]["data"]["size"] for each in sizes] == ["10", "20"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"key": "none"}, 404),
        ({"key": "1", "revision": 9}, 404),
        ({}, 422),
        ({"key": "1", "spec": "a", "revision": 1}, 422),
        ({"key": "\0"}, 404),
    ],
)
def test_a_question_about_nothing_is_no_preview(served: httpx.Client, asked: dict[str, Any], status: int) -> None:
    assert served.post("/renderers/tenants/preview", json=asked).status_code == status
    assert served.post("/renderers/none/preview", json={"key": "1"}).status_code == 404


ROWS = "/renderers/tenants/rows"
NEW = {"slug": "new", "size": 1}


def create(client: httpx.Client, values: dict[str, Any]) -> httpx.Response:
    return client.post(ROWS, json={"values": values}, headers={"x-rowcast-user": "ada"})


def generation(client: httpx.Client, key: str) -> int:
    return int(client.get(f"{ROWS}/{key}").json()["generation"])


def test_a_row_is_created_changed_and_deleted_in_its_own_table_and_captured_there(
    served: httpx.Client, place: Place
) -> None:
    made = create(served, NEW)
    assert made.status_code == 201, made.text
    row = made.json()
    assert (row["key"], row["generation"], row["actor"], row["row"]["slug"]) == ("5", 1, "ada", "new")
    assert (made.headers["location"], made.headers["etag"]) == (f"{ROWS}/5", '"1"')
    assert place.ask('SELECT slug, plan FROM "Shop"."Tenants" WHERE id = 5') == [("new", "free")]

    changed = served.patch(f"{ROWS}/5", json={"values": {"size": 2, "plan": "gold"}}, headers={"if-match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["row"]["plan"]) == (200, '"2"', "gold")
    same = served.patch(f"{ROWS}/5", json={"values": {"size": 2}})
    assert (same.json()["generation"], served.patch(f"{ROWS}/5", json={"values": {}}).json()["generation"]) == (2, 2)

    gone = served.delete(f"{ROWS}/5", headers={"if-match": '"2"', "x-rowcast-user": "bob"})
    assert gone.status_code == 204, gone.text
    last = served.get(f"{ROWS}/5").json()
    assert (last["deleted"], last["generation"], last["actor"]) == (True, 3, "bob")
    assert place.ask('SELECT 1 FROM "Shop"."Tenants" WHERE id = 5') == []
    assert served.delete(f"{ROWS}/5").status_code == 404


def test_values_of_every_type_are_written_as_they_are_read(served: httpx.Client) -> None:
    values = {
        "slug": "types",
        "size": 3,
        "price": "1234.50",
        "big": "9223372036854775807",
        "tags": ["a", 'b "c" \\', None, "{}", "ü"],
        "settings": {"a": [1, None, {"b": "'\u2603"}]},
        "region": None,
        "contact": "a@b",
    }
    row = create(served, values).json()
    read = {name: row["row"][name] for name in values}
    assert read == values

    again = served.patch(f"{ROWS}/{row['key']}", json={"values": {**read, "big": 7, "tags": []}}).json()
    assert (again["row"]["big"], again["row"]["tags"]) == (7, [])
    nothing = served.patch(f"{ROWS}/{row['key']}", json={"values": dict.fromkeys(("big", "tags", "settings"))}).json()
    assert [nothing["row"][name] for name in ("big", "tags", "settings", "price")] == [None, None, None, "1234.50"]


@pytest.mark.parametrize(
    ("values", "status", "error"),
    [
        ({"size": 1}, 422, ("slug", "not-null")),
        ({**NEW, "plan": None}, 422, ("plan", "not-null")),
        ({**NEW, "slug": "acme"}, 409, ("slug", "unique")),
        ({**NEW, "size": 0}, 422, ("size", "check")),
        ({**NEW, "region": "mars"}, 422, ("region", "foreign-key")),
        ({**NEW, "plan": "silver"}, 422, ("plan", "type")),
        ({**NEW, "size": "many"}, 422, ("size", "type")),
        ({**NEW, "size": 2**40}, 422, ("size", "range")),
        ({**NEW, "price": "12345.6"}, 422, ("price", "range")),
        ({**NEW, "slug": "x" * 11}, 422, ("slug", "max-length")),
        ({**NEW, "contact": "nobody"}, 422, ("contact", "check")),
        ({**NEW, "full % name": "x"}, 422, ("full % name", "generated")),
        ({**NEW, "secret": "x"}, 422, ("secret", "excluded")),
        ({**NEW, "slgu": "x"}, 422, ("slgu", "unknown-field")),
        ({**NEW, "tags": "a"}, 422, ("tags", "type")),
        ({**NEW, "slug": 7}, 422, ("slug", "type")),
        ({**NEW, "slug": "\0"}, 422, ("slug", "type")),
        ({**NEW, "settings": "\0"}, 422, ("settings", "type")),
    ],
)
def test_what_the_database_refuses_is_told_as_a_field_and_a_rule(
    served: httpx.Client, values: dict[str, Any], status: int, error: tuple[str, str]
) -> None:
    assert refusal(create(served, values), status) == error
    changed = served.patch(f"{ROWS}/2", json={"values": {**values, "slug": values.get("slug")}})
    assert refusal(changed, status) == error
    assert (generation(served, "2"), keys(served)) == (1, ["1", "2", "3", "4"])


def test_a_row_that_has_changed_meanwhile_is_not_changed(served: httpx.Client, place: Place) -> None:
    seen = {"if-match": '"1"'}
    place.run('UPDATE "Shop"."Tenants" SET size = 6 WHERE id = 1')

    stale = served.patch(f"{ROWS}/1", json={"values": {"size": 7}}, headers=seen)
    assert (refusal(stale, 412), stale.headers["etag"]) == (("generation", "generation"), '"2"')
    assert served.delete(f"{ROWS}/1", headers=seen).status_code == 412
    assert served.get(f"{ROWS}/1").json()["row"]["size"] == 6


def test_of_two_who_change_what_both_have_seen_one_is_told(served: httpx.Client, place: Place) -> None:
    """The first holds the row: the second waits, and then sees the first one's generation."""
    other = place.connect()
    with other.cursor() as cursor:
        cursor.execute('UPDATE "Shop"."Tenants" SET size = 6 WHERE id = 1')
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(served.patch, f"{ROWS}/1", json={"values": {"size": 7}}, headers={"if-match": '"1"'})
            waiting = (
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'rowcast-crud' AND wait_event_type = 'Lock'"
            )
            while not place.ask(waiting):
                assert not answer.done(), answer.result().text
            other.commit()
            assert answer.result().status_code == 412
    other.close()
    assert served.get(f"{ROWS}/1").json()["row"]["size"] == 6


def batch(client: httpx.Client, *operations: dict[str, Any]) -> httpx.Response:
    return client.post(f"{ROWS}:batch", json={"operations": operations})


def test_a_batch_is_done_whole(served: httpx.Client) -> None:
    done = batch(
        served,
        {"op": "delete", "key": "4", "generation": 1},
        {"op": "create", "values": {"slug": "delta"}},
        {"op": "update", "key": "1", "generation": 1, "values": {"size": 50}},
    )

    assert done.status_code == 200, done.text
    gone, made, changed = done.json()["items"]
    assert (gone, made["key"], changed["row"]["size"]) == (None, "5", 50)
    assert keys(served) == ["1", "2", "3", "5"]


@pytest.mark.parametrize(
    ("last", "status", "error"),
    [
        ({"op": "create", "values": {"slug": "beta"}}, 409, ("slug", "unique")),
        ({"op": "update", "key": "2", "values": {"size": -1}}, 422, ("size", "check")),
        ({"op": "update", "key": "2", "generation": 9}, 412, ("generation", "generation")),
        ({"op": "delete", "key": "99"}, 404, ("key", "not-found")),
        ({"op": "delete", "key": "1"}, 422, ("key", "duplicate")),
    ],
)
def test_a_batch_of_which_one_is_refused_changes_nothing(
    served: httpx.Client, last: dict[str, Any], status: int, error: tuple[str, str]
) -> None:
    refused = batch(served, {"op": "update", "key": "1", "values": {"size": 50}}, last)

    assert refusal(refused, status) == error
    assert refused.json()["errors"][0]["index"] == 1
    assert generation(served, "1") == 1


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ({"op": "update", "values": {}}, "key"),
        ({"op": "create", "key": "1"}, "key"),
        ({"op": "delete", "key": "1", "values": {"a": 1}}, "values"),
        ({"op": "drop"}, "one-of"),
    ],
)
def test_an_operation_that_is_none_is_refused_by_its_index(
    served: httpx.Client, operation: dict[str, Any], error: str
) -> None:
    refused = batch(served, {"op": "create", "values": NEW}, operation)

    assert refusal(refused)[1] == error
    assert refused.json()["errors"][0]["index"] == 1


def test_a_row_that_others_refer_to_is_not_deleted(served: httpx.Client, place: Place) -> None:
    place.run(
        'CREATE TABLE hosts (tenant bigint REFERENCES "Shop"."Tenants" INITIALLY DEFERRED)',
        "INSERT INTO hosts VALUES (2)",
    )
    assert refusal(served.delete(f"{ROWS}/2"), 409) == ("key", "referenced")
    place.run("DROP TABLE hosts")
    assert served.delete(f"{ROWS}/2").status_code == 204


def test_what_may_not_be_written_is_forbidden_with_the_grant_that_is_missing(
    served: httpx.Client, place: Place, tmp_path: Path
) -> None:
    place.run('REVOKE USAGE ON SEQUENCE "Shop"."Tenants_id_seq" FROM rowcast_crud')
    refused = create(served, NEW)
    assert refusal(refused, 403) == ("renderer", "grant")
    assert 'GRANT USAGE ON SEQUENCE "Shop"."Tenants_id_seq" TO "rowcast_crud"' in refused.json()["detail"]

    apply(place, tmp_path, DECLARATION.replace(", edit: true", ""))
    for answer in (
        create(served, NEW),
        served.patch(f"{ROWS}/1", json={"values": {}}),
        served.delete(f"{ROWS}/1"),
        batch(served, {"op": "delete", "key": "1"}),
    ):
        assert refusal(answer, 403) == ("renderer", "not-editable")
    assert served.post("/renderers/none/rows", json={"values": {}}).status_code == 404


def test_rows_of_a_partitioned_table_with_a_key_of_several_columns_are_edited(
    served: httpx.Client, place: Place, tmp_path: Path
) -> None:
    place.run(
        "CREATE TABLE parted (region text, day date, size int, PRIMARY KEY (region, day)) PARTITION BY LIST (region)",
        "CREATE TABLE parted_rest PARTITION OF parted DEFAULT",
    )
    declaration = DECLARATION.replace("Shop.Tenants, key: [id], exclude: [secret]", "parted, key: [region, day]")
    changes = {"name: tenants": "name: parted", "row.slug": "row.region", "row.region == null": "row.size == null"}
    for old, new in changes.items():
        declaration = declaration.replace(old, new)
    apply(place, tmp_path, declaration)

    made = served.post("/renderers/parted/rows", json={"values": {"region": "e/u", "day": "2026-11-29", "size": 1}})
    assert (made.status_code, made.json()["key"]) == (201, '["e/u", "2026-11-29"]')
    path = made.headers["location"]
    assert served.patch(path, json={"values": {"size": 2}}).json()["generation"] == 2
    moved = served.patch(path, json={"values": {"day": "2026-11-30"}})
    assert (moved.json()["key"], served.get(path).json()["deleted"]) == ('["e/u", "2026-11-30"]', True)
    assert served.delete("/renderers/parted/rows/%5B%22e%2Fu%22%2C%20%222026-11-30%22%5D").status_code == 204
    place.run("DROP TABLE parted")


def sent(client: httpx.Client, content: str, media_type: str, **params: Any) -> httpx.Response:
    return client.post(f"{ROWS}:import", content=content, headers={"content-type": media_type}, params=params)


@pytest.mark.parametrize(("kind", "media_type"), [("csv", "text/csv"), ("ndjson", "application/x-ndjson")])
def test_what_is_exported_can_be_imported_and_changes_nothing(
    served: httpx.Client, kind: str, media_type: str, place: Place
) -> None:
    awkward = {"tags": ["=1", "", None, 'a,"b'], "settings": "a", "big": str(2**60), "price": "-1.50", "contact": "'@"}
    assert served.patch(f"{ROWS}/2", json={"values": awkward}).status_code == 200
    place.run("UPDATE \"Shop\".\"Tenants\" SET slug = '=1+1', region = NULL, settings = '[1]' WHERE id = 1")
    exported = served.get(f"{ROWS}:export", params={"format": kind})
    assert exported.headers["content-type"].startswith(media_type), exported.text

    report = sent(served, exported.text, media_type).json()

    assert [(line["action"], line["errors"]) for line in report["lines"]] == [("none", [])] * 4
    assert (report["unchanged"], generation(served, "2")) == (4, 2)
    empty = sent(served, "id,slug\r\n3,'\r\n", "text/csv")
    assert (empty.status_code, served.get(f"{ROWS}/3").json()["row"]["slug"]) == (200, "")


def test_an_export_has_what_the_lists_filters_let_through(served: httpx.Client) -> None:
    found = served.get(f"{ROWS}:export", params={"filter": "size=5", "sort": "key", "order": "desc"})
    assert [json.loads(line)["slug"] for line in found.text.splitlines()] == ["delta", "acme"]
    assert served.get("/renderers/none/rows:export").status_code == 404


LINES = 'id,slug,size,tags\r\n1,acme,7,\r\n,new,1,"[""a""]"\r\n2,beta,30,\r\n'


def test_an_import_creates_and_changes_rows_by_their_keys(served: httpx.Client) -> None:
    would = sent(served, LINES, "text/csv", dry_run="true")
    assert (would.status_code, keys(served), generation(served, "1")) == (200, ["1", "2", "3", "4"], 1)

    done = sent(served, LINES, "text/csv").json()

    assert [line["action"] for line in done["lines"]] == [line["action"] for line in would.json()["lines"]]
    assert [line["action"] for line in done["lines"]] == ["change", "create", "none"]
    assert done["lines"][0]["fields"] == {"size": [5, 7]}
    assert served.get(f"{ROWS}/{done['lines'][1]['key']}").json()["row"]["tags"] == ["a"]


def test_of_an_import_in_which_some_are_refused_nothing_or_the_rest_is_done(served: httpx.Client) -> None:
    rows = [
        {"id": 1, "size": 7},
        {"id": 1, "size": 8},
        {"slug": "beta"},
        {"id": 2, "slgu": "x"},
        {"id": "x"},
        {"id": 3, "size": 0},
    ]
    told = [(1, "key", "duplicate"), (2, "slug", "unique"), (3, "slgu", "unknown-field"), (4, "id", "type")]
    told.append((5, "size", "check"))

    refused = served.post(f"{ROWS}:import", json={"rows": rows})
    assert refused.status_code == 422, refused.text
    assert [(one["index"], one["field"], one["rule"]) for one in refused.json()["errors"]] == told
    assert (refused.json()["refused"], generation(served, "1")) == (5, 1)
    dry = served.post(f"{ROWS}:import", json={"rows": rows, "dry_run": True})
    assert (dry.status_code, dry.json()["refused"], generation(served, "1")) == (200, 5, 1)

    done = served.post(f"{ROWS}:import", json={"rows": rows, "partial": True})
    assert (done.status_code, done.json()["changed"], done.json()["refused"]) == (200, 1, 5)
    assert (generation(served, "1"), generation(served, "3")) == (2, 1)


@pytest.mark.parametrize(
    ("content", "media_type", "rule"),
    [
        ("", "text/csv", "max-items"),
        ("id,id\r\n1,2\r\n", "text/csv", "csv"),
        ("id,slug\r\n1\r\n", "text/csv", "csv"),
        ("{", "application/x-ndjson", "json"),
        ("[]", "application/x-ndjson", "json-object"),
        ("{", "application/json", "json-invalid"),
        ("{}", "application/json", "missing"),
    ],
)
def test_what_is_no_file_of_rows_is_refused(served: httpx.Client, content: str, media_type: str, rule: str) -> None:
    assert refusal(sent(served, content, media_type))[1] == rule


def history(client: httpx.Client, key: str, **params: Any) -> dict[str, Any]:
    answer = client.get("/renderers/tenants/history", params={"key": key, **params})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_rows_history_has_what_it_was_and_who_changed_it(served: httpx.Client, place: Place) -> None:
    key = create(served, NEW).json()["key"]
    place.run(f'UPDATE "Shop"."Tenants" SET size = 2 WHERE id = {key}')
    place.run(f'UPDATE "Shop"."Tenants" SET size = 2 WHERE id = {key}')
    served.delete(f"{ROWS}/{key}", headers={"x-rowcast-user": "bob"})

    items = history(served, key)["items"]

    assert [(one["generation"], one["deleted"], one["row"]["size"], one["actor"]) for one in items] == [
        (3, True, 2, "bob"),
        (2, False, 2, None),
        (1, False, 1, "ada"),
    ]
    first = history(served, key, limit=2)
    assert [one["generation"] for one in history(served, key, cursor=first["next_cursor"])["items"]] == [1]
    assert served.get("/renderers/tenants/history", params={"key": "none"}).status_code == 404
    rows = served.get(ROWS, params={"limit": 1}).json()["next_cursor"]
    other = served.get("/renderers/tenants/history", params={"key": key, "cursor": rows})
    assert refusal(other) == ("cursor", "cursor")


def test_a_rows_history_has_its_last_hundred_generations(served: httpx.Client, place: Place) -> None:
    place.run(
        'DO $$ BEGIN FOR n IN 1..105 LOOP UPDATE "Shop"."Tenants" SET big = n WHERE id IN (1, 2); END LOOP; END $$',
    )

    generations = [one["generation"] for one in history(served, "1", limit=200)["items"]]
    assert generations == list(range(106, 6, -1))
    assert len(history(served, "2", limit=200)["items"]) == 100
    assert len(history(served, "3")["items"]) == 1


def test_a_change_of_one_row_reads_no_table_to_its_end_also_after_one_of_many(place: Place) -> None:
    scans = """SELECT relname, seq_scan FROM pg_stat_xact_all_tables
        WHERE relname IN ('row_history', 'rows', 'Tenants') AND seq_scan > 0"""
    many = 'INSERT INTO "Shop"."Tenants" (slug, size) SELECT \'s\' || n, n FROM generate_series(1, 5000) AS n'
    with place.connect() as connection, connection.cursor() as cursor:
        if connection.server_version < 150000:
            pytest.skip("before PostgreSQL 15 nothing has a session count its scans at once")
        # Of one session, whose plans are made for the rows that it meets first.
        cursor.execute(many)
        for number in range(6):
            cursor.execute('UPDATE "Shop"."Tenants" SET size = size + %s WHERE slug LIKE %s', (number + 1, "s%"))
        cursor.execute("SELECT pg_stat_force_next_flush()")
        connection.commit()
        cursor.execute('UPDATE "Shop"."Tenants" SET size = 7 WHERE id = 1')
        cursor.execute(scans)
        assert cursor.fetchall() == []


def test_a_writer_who_bypasses_triggers_bypasses_no_history(served: httpx.Client, place: Place) -> None:
    """As does logical replication's apply."""
    place.run("SET session_replication_role = replica; UPDATE rowcast.rows SET generation = 2 WHERE key = '1'")
    assert [one["generation"] for one in history(served, "1")["items"]] == [2, 1]


class Applied:
    """The revision of these tests, as crud would answer it."""

    async def revision(self, name: str, number: int) -> Revision:
        columns = {"id": ("int", False), "slug": ("string", False), "size": ("int", True), "region": ("string", True)}
        shape = RowShape({column: Column(column, *kind) for column, kind in columns.items()})
        return Revision(DECLARATION, shape)


@pytest.fixture
def asking(migrated_url: str, place: Place) -> Iterator[httpx.Client]:
    """crud whose sidecar reaches one instance of sync, whichever it asks.

    Its target has the row 2 and no other, and would not take the row 4.
    """
    sync, target, rendering = FastAPI(), MemoryTarget(), Rendering(Applied())
    target.refused[RowKey("tenants", "4")] = PermanentError("denied", "exceeded quota")
    add_routes(sync, target, rendering)
    with serving_app(sync) as sidecar:
        port = sidecar.base_url.port
        with serving(make_settings(migrated_url, dapr_http_port=port)) as client:
            line = client.get("/rows:snapshot", params={"row": "tenants/2"}).text.splitlines()[1]

            async def deliver() -> None:
                await target.deliver([await rendering.one(read(json.loads(line), lsn=0))])

            asyncio.run(deliver())
            yield client


def test_what_is_live_of_a_row_is_asked_of_the_targets_beside_what_its_table_asks_for(asking: httpx.Client) -> None:
    answer = asking.get("/renderers/tenants/live", params={"key": "1"})

    assert answer.status_code == 200, answer.text
    targets = answer.json()["targets"]
    assert list(targets) == ["k8s", "git"]
    at_k8s = targets["k8s"]
    assert (at_k8s["found"], at_k8s["manifests"], at_k8s["unavailable"], at_k8s["error"]) == (False, [], None, None)
    assert any("size: '20'" in line for line in at_k8s["difference"])

    there = asking.get("/renderers/tenants/live", params={"key": "2"}).json()["targets"]["git"]
    assert (there["found"], there["manifests"][0]["data"], there["difference"]) == (True, {"size": "3"}, [])
    assert asking.get("/renderers/tenants/live", params={"key": "none"}).status_code == 404


def test_some_rows_of_each_group_of_an_impact_are_tried_at_the_api_server(
    asking: httpx.Client, served: httpx.Client, place: Place, tmp_path: Path
) -> None:
    changed = DECLARATION.replace("string(100 / row.size)", "string(row.size)")
    wanted = {"spec": changed, "dry_run": True}

    seen = asking.post("/renderers/tenants:impact", json={**wanted, "sample": 4}).json()["seen"]

    (group,) = seen["groups"]
    refused = {"key": "4", "manifest": "settings", "message": "exceeded quota"}
    assert group["dry_run"] == {"asked": 3, "refused": [refused]}
    assert (seen["dry_run_refused"], seen["dry_run_unavailable"]) == (1, None)
    alone = served.post("/renderers/tenants:impact", json=wanted).json()["seen"]
    assert alone["groups"][0]["dry_run"] is None
    assert "doesn't answer" in alone["dry_run_unavailable"]

    file = tmp_path / "wanted.yaml"
    file.write_text(changed.replace("row.size", "row.size + 0"))
    place.run("""UPDATE "Shop"."Tenants" SET size = 5, slug = 'c' WHERE id = 3""")
    crud = ("--crud-url", str(asking.base_url))
    text = rowcast(place, "impact", file, "--sample", "4", *crud)
    assert text.exit_code == 1, text.output
    assert "the API server, asked about rows of 1 of 1 groups, refuses 1 of them" in text.stdout
    assert "    REFUSED: row 4, manifest settings: exceeded quota" in text.stdout
    comment = rowcast(place, "impact", file, "-o", "markdown", "--sample", "4", *crud).stdout
    assert "- REFUSED: row 4, manifest settings: exceeded quota" in comment
    assert rowcast(place, "impact", file, "--sample", "4", *crud, "--no-dry-run").exit_code == 3
    assert rowcast(place, "impact", file, "--sample", "1", *crud).exit_code == 3, "the row 4 is not among its examples"
    nobody = rowcast(place, "impact", file, "--crud-url", "http://127.0.0.1:1", "--dry-run")
    assert nobody.exit_code == 1
    assert "the API server could not be asked: crud cannot be reached" in nobody.stdout


def test_a_target_that_cannot_be_asked_says_so(served: httpx.Client) -> None:
    targets = served.get("/renderers/tenants/live", params={"key": "1"}).json()["targets"]
    assert [(one["found"], "doesn't answer" in one["unavailable"]) for one in targets.values()] == [(None, True)] * 2


def test_what_would_not_be_captured_is_not_written(served: httpx.Client, place: Place) -> None:
    place.run('ALTER TABLE "Shop"."Tenants" DISABLE TRIGGER USER')

    assert refusal(create(served, NEW), 409) == ("row", "not-captured")
    done = served.post(f"{ROWS}:import", json={"rows": [NEW], "partial": True}).json()

    assert (done["lines"][0]["action"], done["lines"][0]["errors"][0]["rule"]) == ("refuse", "not-captured")
    assert place.ask('SELECT count(*) FROM "Shop"."Tenants"') == [(4,)]


class TestChoices:
    """What a foreign key may be."""

    @pytest.fixture(autouse=True)
    def cities(self, place: Place) -> Iterator[None]:
        place.run(
            'CREATE TABLE "Shop"."Cities" (id int PRIMARY KEY, name text, secret text)',
            """INSERT INTO "Shop"."Cities" VALUES (1, 'Köln', 'x'), (2, 'Kassel', 'x'), (10, 'Ulm', 'x')""",
            'ALTER TABLE "Shop"."Tenants" ADD city int REFERENCES "Shop"."Cities"',
            'GRANT SELECT ON "Shop"."Cities" TO rowcast_crud',
        )
        yield
        place.run('ALTER TABLE "Shop"."Tenants" DROP city', 'DROP TABLE "Shop"."Cities"')

    def found(self, client: httpx.Client, **params: Any) -> Any:
        answer = client.get("/renderers/tenants/rows:choices", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def test_are_values_with_what_people_know_them_by_searched_and_in_pages(self, served: httpx.Client) -> None:
        koeln, ulm = {"value": "1", "label": "Köln"}, {"value": "10", "label": "Ulm"}
        kassel = {"value": "2", "label": "Kassel"}

        first = self.found(served, column="city", limit=2)
        assert first == {"items": [koeln, ulm], "more": True, "why": None}
        assert self.found(served, column="city", limit=2, after="10")["items"] == [kassel]
        assert self.found(served, column="city", search="KÖ")["items"] == [koeln]
        assert self.found(served, column="city", search="1")["items"] == [koeln, ulm]
        assert self.found(served, column="city", search="x%")["items"] == []

    def test_of_a_table_that_crud_may_not_read_are_none_and_the_grant_is_said(self, served: httpx.Client) -> None:
        found = self.found(served, column="region")

        assert found["items"] == []
        assert found["why"] == (
            'crud may not read Shop.regions; its owner has to run: GRANT SELECT ON "Shop"."regions" TO "rowcast_crud"'
        )

    @pytest.mark.parametrize("column", ["slug", "secret", "nothing"])
    def test_of_a_column_that_is_no_foreign_key_are_refused(self, served: httpx.Client, column: str) -> None:
        answer = served.get("/renderers/tenants/rows:choices", params={"column": column})

        assert answer.status_code == 422
        assert [(error["field"], error["rule"]) for error in answer.json()["errors"]] == [("column", "foreign-key")]
