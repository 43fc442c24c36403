"""With many rows, what is asked all the time reads what it shows: by pages of the database, no time is judged."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from bench import seeding
from bench.plans import reads
from rowcast.crud.app import create_app
from rowcast.crud.deliveries import outstanding

from .serving import make_settings
from .test_sync_status import report, status

ROWS = 20_000
TARGETS = ("k8s", "git")
PAGES = 2_500
"""More than any of these read; the statuses alone are as many, and reading all of them by key 80,000."""
SEARCHED_PAGES = 250
"""Less than any of the two tables has."""
ASKED = (
    "/appconfigs?limit=20",
    "/appconfigs?limit=20&sort=-updated_at",
    "/appconfigs?limit=20&environment=env-3&sort=name",
    "/appconfigs?limit=20&state=pending",
    "/appconfigs?limit=20&state=failed",
    "/appconfigs?limit=20&state=synced",
    "/appconfigs?limit=20&state=overdue",
    "/appconfigs?limit=20&state=deleting",
    "/appconfigs:late?target=k8s",
    "/rows:late?target=k8s",
    "/renderers/services/rows?limit=20&state=pending",
    "/renderers/services/rows?limit=20&state=failed",
    "/renderers/services/rows?limit=20&state=synced",
    "/renderers/services/rows?limit=20&sort=changed_at&order=desc",
    "/activity?limit=20",
    "/activity/people",
    "/deadletters",
)
BY_STATE = tuple(path for path in ASKED if "state=" in path)
_ENTRIES = sa.text("SELECT DISTINCT renderer, key FROM rowcast.outstanding ORDER BY 1, 2")


@pytest.fixture(scope="module")
def engine(migrated_url: str) -> Iterator[sa.Engine]:
    """The owner's, to a database with so many rows of both kinds, as after an upgrade."""
    seeding.fill(migrated_url, ROWS)
    engine = sa.create_engine(migrated_url)
    outstanding.settle(engine, TARGETS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE)"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def client(engine: sa.Engine, migrated_url: str) -> TestClient:
    """crud's application without what it does by itself: who tests does that."""
    return TestClient(create_app(make_settings(migrated_url)))


@pytest.fixture
def names(client: TestClient) -> Callable[[str], list[str]]:
    return lambda state: [row["name"] for row in client.get("/appconfigs", params={"state": state}).json()["items"]]


def entries_of(connection: sa.Connection) -> list[tuple[str, str]]:
    return [(row.renderer, row.key) for row in connection.execute(_ENTRIES)]


def test_only_rows_that_some_target_lacks_are_left_among_those_to_look_at(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        entries = entries_of(connection)
    wrong = ["10003", "3", "7"]
    assert entries == [(renderer, key) for renderer in ("appconfigs", "services") for key in wrong]


@pytest.mark.parametrize("path", ASKED)
def test_what_is_asked_all_the_time_reads_what_it_shows(engine: sa.Engine, client: TestClient, path: str) -> None:
    with reads(client.app.state.engine) as sent:  # type: ignore[attr-defined]
        answer = client.get(path)
    assert answer.status_code == 200, answer.text
    found = sent.explained(engine)
    assert found
    assert sum(read.pages for read in found) < PAGES, [(read.pages, read.statement[:300]) for read in found]


def test_what_the_database_still_believes_of_a_backlog_that_is_gone_makes_no_list_read_all_rows(
    engine: sa.Engine, client: TestClient
) -> None:
    with engine.begin() as connection:
        backlog = "INSERT INTO rowcast.outstanding (renderer, key) SELECT renderer, key FROM rowcast.rows"
        connection.execute(sa.text(f"{backlog} WHERE NOT deleted"))
        connection.execute(sa.text("ANALYZE rowcast.outstanding"))
    outstanding.settle(engine, TARGETS)
    pages = {}
    for path in (*BY_STATE, "/pipeline"):
        with reads(client.app.state.engine) as sent:  # type: ignore[attr-defined]
            client.get(path).raise_for_status()
        of_states = [read for read in sent.explained(engine) if "tatuses" in read.statement]
        assert of_states
        pages[path] = sum(read.pages for read in of_states)
    assert max(pages.values()) < PAGES, pages


@pytest.mark.parametrize(
    "path", ["/appconfigs?limit=20&state=failed", "/renderers/services/rows?limit=20&state=failed"]
)
def test_while_every_row_waits_those_that_were_refused_are_found_by_themselves(
    engine: sa.Engine, client: TestClient, path: str
) -> None:
    with engine.begin() as connection:
        backlog = "INSERT INTO rowcast.outstanding (renderer, key) SELECT renderer, key FROM rowcast.rows"
        connection.execute(sa.text(f"{backlog} WHERE NOT deleted"))
    try:
        with reads(client.app.state.engine) as sent:  # type: ignore[attr-defined]
            assert client.get(path).json()["total"] == 2
        assert sum(read.pages for read in sent.explained(engine)) < PAGES
    finally:
        outstanding.settle(engine, TARGETS)


def test_a_list_by_key_comes_to_rows_that_wait_without_passing_all_others(
    engine: sa.Engine, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = "renderer = 'services' AND key >= '999'"
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE rowcast.statuses SET observed_generation = 0 WHERE {last}"))
        waiting = f"SELECT key FROM rowcast.rows WHERE NOT deleted AND {last} UNION SELECT '7'"
        wanted = sorted(connection.execute(sa.text(waiting)).scalars())
    monkeypatch.setattr(outstanding, "FEW", 10)
    try:
        for order in ("asc", "desc"):
            params, found = {"state": "pending", "sort": "key", "order": order, "limit": "5"}, []
            with reads(client.app.state.engine) as sent:  # type: ignore[attr-defined]
                page = client.get("/renderers/services/rows", params=params).json()
            assert sum(read.pages for read in sent.explained(engine)) < PAGES
            while page["next_cursor"]:
                found += page["items"]
                params["cursor"] = page["next_cursor"]
                page = client.get("/renderers/services/rows", params=params).json()
            assert [row["key"] for row in (*found, *page["items"])] == sorted(wanted, reverse=order == "desc")
            assert (page["total"], len(found)) == (len(wanted), 10)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE rowcast.statuses SET observed_generation = 3 WHERE {last}"))
        outstanding.settle(engine, TARGETS)


@pytest.mark.parametrize("path", ["/appconfigs", "/renderers/services/rows"])
def test_while_nothing_was_heard_of_a_target_nobody_looks_through_all_rows_for_synced_ones(
    engine: sa.Engine, migrated_url: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(outstanding, "FEW", 1)  # as if all rows had entries, which they have for another target
    client = TestClient(create_app(make_settings(migrated_url)))
    assert len(client.get(path, params={"state": "synced", "limit": "5"}).json()["items"]) == 5
    client = TestClient(create_app(make_settings(migrated_url, ROWCAST_TARGETS="k8s,git,eu=k8s")))
    with reads(client.app.state.engine) as sent:  # type: ignore[attr-defined]
        page = client.get(path, params={"state": "synced", "limit": "5"}).json()
    assert (page["items"], page["total"]) == ([], 0)
    assert sum(read.pages for read in sent.explained(engine)) < PAGES


@pytest.mark.parametrize(("path", "number"), [("/appconfigs", 14), ("/renderers/services/rows", 3)])
def test_a_search_reads_what_it_finds(engine: sa.Engine, client: TestClient, path: str, number: int) -> None:
    with reads(client.app.state.engine) as sent:  # type: ignore[attr-defined]
        assert client.get(path, params={"search": "NOWHERE to be"}).json()["total"] == 0
        assert client.get(path, params={"search": "Service-1234"}).json()["total"] == number
    found = [read for read in sent.explained(engine) if "LIKE" in read.statement]
    assert found
    assert sum(read.pages for read in found) < SEARCHED_PAGES, [(read.pages, read.statement[:300]) for read in found]


def test_a_list_of_very_many_rows_is_counted_as_far_as_anybody_reads(client: TestClient) -> None:
    for path in ("/appconfigs", "/renderers/services/rows"):
        page = client.get(path).json()
        assert (page["total"], page["total_capped"]) == (10_000, True)
    page = client.get("/appconfigs", params={"environment": "env-3"}).json()
    assert (page["total"], page["total_capped"]) == (ROWS // 20, False)


def test_a_change_is_pending_at_once_and_a_complaint_about_what_was_delivered_is_shown(
    engine: sa.Engine, names: Callable[[str], list[str]]
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE app_configs SET branch = 'other' WHERE id = 100"))
        connection.execute(sa.text("UPDATE sync_statuses SET error = 'gone' WHERE row_id = 200 AND target = 'git'"))
    assert names("pending") == ["service-7", "service-100"]
    assert names("failed") == ["service-3", "service-200", "service-10003"]
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE sync_statuses SET observed_generation = 100 WHERE row_id = 100"))
        connection.execute(sa.text("UPDATE sync_statuses SET error = NULL WHERE row_id = 200"))
    outstanding.settle(engine, TARGETS)
    assert names("pending") == ["service-7"]
    assert names("failed") == ["service-3", "service-10003"]


def test_rows_that_targets_have_just_told_of_are_looked_at_without_all_others(
    engine: sa.Engine, client: TestClient
) -> None:
    told: outstanding.Told = client.app.state.told  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE app_configs SET branch = 'next' WHERE id IN (300, 301)"))
        generation = connection.execute(sa.text("SELECT generation FROM app_configs WHERE id = 300")).scalar_one()
    entries = {("appconfigs", "300"), ("appconfigs", "301")}
    for target in TARGETS:
        report(client, status(300, generation), target=target)
    with engine.begin() as somebody_else:
        outstanding.wait_to_settle(somebody_else)
        outstanding.settle_told(engine, told)
        assert entries <= set(entries_of(somebody_else))
    outstanding.settle_told(engine, told)
    with engine.connect() as connection:
        assert entries & set(entries_of(connection)) == {("appconfigs", "301")}
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE sync_statuses SET observed_generation = 100 WHERE row_id = 301"))
    outstanding.settle(engine, TARGETS)


def test_with_another_target_every_row_is_looked_at_again(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM rowcast.outstanding"))
    try:
        assert outstanding.settle(engine, (*TARGETS, "edge")) > ROWS
        with engine.connect() as connection:
            assert len(connection.execute(_ENTRIES).all()) > ROWS
    finally:
        outstanding.settle(engine, TARGETS)
