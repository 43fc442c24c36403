"""Rows of somebody else's table over HTTP, by crud's own role: its columns, lists, previews and changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import make_url

from integration.crud.serving import make_settings, serving
from rowcast.crud.migrations.migrate import migrate

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
def served(migrated_url: str, place: Place) -> Iterator[httpx.Client]:
    migrate(make_settings(migrated_url, serving_password="serve"))
    url = make_url(migrated_url).set(username="rowcast_crud", password="serve")
    with serving(make_settings(url.render_as_string(hide_password=False))) as client:
        yield client


@pytest.fixture(autouse=True)
def tenants(place: Place, tmp_path: Path) -> None:
    """Four rows, captured, and a declaration that lets the API change them."""
    place.run(
        "DELETE FROM rowcast.renderers",
        "DELETE FROM rowcast.sources",
        'TRUNCATE "Shop"."Tenants" RESTART IDENTITY',
        "DELETE FROM rowcast.rows",
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
    following: dict[str, Any] = {}
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
