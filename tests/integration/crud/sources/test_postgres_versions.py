"""PostgreSQL 14 to 17, beside the platform's own 18: the tenants of examples/, from their table to what capture reads.

All tests of crud run on one of them by hand: `./task test -- tests/integration/crud --postgres 14`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

import database_server
from integration.crud.serving import make_settings, serving
from integration.crud.test_pipeline import stations
from rowcast.crud.migrations.migrate import migrate
from rowcast.crud.sources.triggers import identifier
from rowcast_local.provision.older_postgres import older_versions

from .conftest import Place
from .test_commands import EXAMPLES, rowcast

DECLARATION = EXAMPLES / "tenants" / "tenants.yaml"
ACME, TINY, LATER = "1", "2", "3"
PASSWORDS = {"serving_password": "serve", "replication_password": "replicate"}


@pytest.fixture(params=sorted(older_versions()))
def tenants(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A database of that version, migrated, with the example's tables; nothing is captured yet."""
    with database_server.serving(database_server.older_binaries(request.param)) as url:
        Place(f"{url}/postgres").run("CREATE DATABASE tenants")
        place = Place(f"{url}/tenants")
        assert place.ask("SHOW server_version")[0][0].startswith(f"{request.param}.")
        migrate(make_settings(place.url, **PASSWORDS))
        place.run((EXAMPLES / "tenants" / "tenants.sql").read_text())
        yield place


def changed(place: Place, *statements: str) -> dict[str, int]:
    """By how many generations each row has gone on."""
    before = place.generations("tenants")
    place.run(*statements)
    now = place.generations("tenants").items()
    return {key: generation - before.get(key, 0) for key, generation in now if generation != before.get(key)}


def sent(place: Place) -> str:
    """What pgoutput sends of the publication, as text."""
    options = "'proto_version', '1', 'publication_names', 'rowcast'"
    read = f"SELECT data FROM pg_logical_slot_get_binary_changes('rowcast', NULL, NULL, {options})"
    return b"".join(bytes(data) for (data,) in place.ask(read)).decode("latin-1")


def test_each_kind_of_change_is_captured_and_served(tenants: Place) -> None:
    ran = rowcast(tenants, "apply", DECLARATION)
    assert ran.exit_code == 0, ran.output
    assert rowcast(tenants, "apply", DECLARATION).stdout.endswith("unchanged: 0 rows captured, 0 follow\n")
    migrate(make_settings(tenants.url, **PASSWORDS))  # an upgrade
    tenants.run("SELECT pg_create_logical_replication_slot('rowcast', 'pgoutput')")

    added = "INSERT INTO tenants (slug) VALUES ('later')"
    assert changed(tenants, added, "INSERT INTO tenant_hosts VALUES ('l', 3)") == {LATER: 2}
    assert changed(tenants, "UPDATE tenants SET cpu = 3", "UPDATE tenants SET plan = plan") == {
        ACME: 1,
        TINY: 1,
        LATER: 1,
    }
    assert changed(tenants, "UPDATE tenant_hosts SET tenant = 2 WHERE tenant = 3") == {TINY: 1, LATER: 1}
    assert changed(tenants, "UPDATE tenants SET billing_token = 'other'") == {}
    assert changed(tenants, "DELETE FROM tenants WHERE id = 3") == {LATER: 1}
    assert tenants.rows("tenants")[TINY]["hosts"] == [{"host": "l"}]
    assert tenants.rows("tenants")[LATER] is None

    trigger = identifier("rowcast/tenants/source/update")
    bypassing = "UPDATE tenants SET slug = 'bypassed' WHERE id = 2"
    disabled = f"ALTER TABLE tenants DISABLE TRIGGER {trigger}; {bypassing}"
    assert changed(tenants, f"{disabled}; ALTER TABLE tenants ENABLE ALWAYS TRIGGER {trigger}") == {}
    assert changed(tenants, 'SELECT rowcast."tenants/compare"()') == {TINY: 1}
    assert changed(tenants, "SET session_replication_role = replica; UPDATE tenants SET cpu = 4 WHERE id = 1") == {
        ACME: 1
    }

    captured = sent(tenants)
    assert '"slug": "bypassed"' in captured
    assert "secret" not in captured
    assert changed(tenants, "TRUNCATE tenants CASCADE") == {ACME: 1, TINY: 1}
    assert set(tenants.rows("tenants").values()) == {None}

    tenants.run("INSERT INTO tenants (slug, cpu) VALUES ('served', 7)")
    url = make_url(tenants.url).set(username="rowcast_crud", password="serve")
    with serving(make_settings(url.render_as_string(hide_password=False))) as crud:
        [renderer] = crud.get("/renderers").json()["items"]
        assert (renderer["name"], renderer["fault"]) == ("tenants", None)
        page = crud.get("/renderers/tenants/rows", params={"search": "SERV", "filter": "cpu=7"}).json()
        assert [row["row"]["slug"] for row in page["items"]] == ["served"]
        body = {"name": "shop", "repository_url": "https://git.example/shop.git", "environment": "dev"}
        assert crud.post("/appconfigs", json=body).status_code == 201
        assert [row["name"] for row in crud.get("/appconfigs", params={"search": "SHO"}).json()["items"]] == ["shop"]
        assert {name: stations(crud)[name]["state"] for name in ("database", "sources")} == {
            "database": "ok",
            "sources": "ok",
        }
