"""What stands in `rowcast.rows` is what stands in the table, by whatever way it got there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest

from rowcast.core.source import Related, Source, TableName
from rowcast.crud.sources.triggers import Capture

from .conftest import Place

TENANTS = TableName("public", "tenants")
HOSTS = TableName("public", "hosts")
TABLES = (
    "CREATE TABLE tenants (region text, id bigint, slug text NOT NULL, plan text, password_hash text,"
    " PRIMARY KEY (region, id))",
    "CREATE TABLE hosts (host text PRIMARY KEY, region text, tenant bigint, port int DEFAULT 80)",
)
SOURCE = Source(
    "tenants",
    TENANTS,
    ("region", "id"),
    frozenset({"password_hash"}),
    {"hosts": Related(HOSTS, {"region": "region", "tenant": "id"}, ("host",))},
)
PLAIN = Source("plain", TENANTS, ("region", "id"), frozenset({"password_hash"}))
ACME = '["eu", "1"]'


@pytest.fixture
def joined(place: Place) -> Place:
    place.run(*TABLES)
    place.capture(SOURCE)
    return place


@pytest.fixture
def plain(place: Place) -> Place:
    place.run(*TABLES)
    place.capture(PLAIN)
    return place


def add(region: str = "eu", number: int = 1, slug: str = "acme") -> str:
    return f"INSERT INTO tenants VALUES ('{region}', {number}, '{slug}', 'free', 'secret')"


def test_what_was_there_before_is_captured(place: Place) -> None:
    place.run(*TABLES, add(), "INSERT INTO hosts VALUES ('a', 'eu', 1), ('b', 'eu', 1)")

    place.capture(SOURCE)

    acme = {"region": "eu", "id": 1, "slug": "acme", "plan": "free", "hosts": [{"host": "a"}, {"host": "b"}]}
    assert place.rows("tenants") == {ACME: acme}


def test_an_excluded_column_never_leaves_the_table(plain: Place) -> None:
    plain.run(add())

    assert "secret" not in str(plain.rows("plain"))


def test_an_update_that_changes_nothing_captured_is_no_new_generation(plain: Place) -> None:
    plain.run(add(), "UPDATE tenants SET password_hash = 'other'", "UPDATE tenants SET plan = plan")

    assert plain.generations("plain") == {ACME: 1}


def test_a_key_that_is_used_again_goes_on_from_its_generation(plain: Place) -> None:
    plain.run(add(), "DELETE FROM tenants")
    assert plain.rows("plain") == {ACME: None}

    plain.run(add(slug="again"))

    assert plain.generations("plain") == {ACME: 3}
    assert plain.rows("plain")[ACME]["slug"] == "again"


def test_a_key_that_changes_is_a_row_that_goes_and_one_that_comes(plain: Place) -> None:
    plain.run(add(), "UPDATE tenants SET id = 2")

    assert plain.rows("plain").keys() == {ACME, '["eu", "2"]'}
    assert plain.rows("plain")[ACME] is None


def test_keys_that_are_swapped_in_one_statement_stay(place: Place) -> None:
    place.run("CREATE TABLE tenants (region text, id bigint, slug text, password_hash text)")
    place.run("ALTER TABLE tenants ADD PRIMARY KEY (region, id) DEFERRABLE")
    place.capture(PLAIN)
    place.run("INSERT INTO tenants VALUES ('eu', 1, 'one'), ('eu', 2, 'two')", "UPDATE tenants SET id = 3 - id")

    assert {key: row["slug"] for key, row in place.rows("plain").items()} == {ACME: "two", '["eu", "2"]': "one"}


@pytest.mark.parametrize("session", ["origin", "replica"])
def test_who_bypasses_ordinary_triggers_is_captured(session: str, plain: Place) -> None:
    plain.run(f"SET session_replication_role = {session}; {add()}")

    assert plain.rows("plain")[ACME]["slug"] == "acme"


def test_a_statement_within_a_statement_does_not_leave_the_older_content(plain: Place) -> None:
    plain.run(
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE tenants SET slug = upper(slug) WHERE slug <> upper(slug); RETURN NULL; END $$",
        "CREATE TRIGGER shouting AFTER INSERT ON tenants FOR EACH ROW EXECUTE FUNCTION shout()",
        add(),
    )

    assert plain.rows("plain")[ACME]["slug"] == "ACME"


def test_truncate_deletes_every_row(plain: Place) -> None:
    plain.run(add(), add(number=2), "TRUNCATE tenants")

    assert set(plain.rows("plain").values()) == {None}


def test_copy_is_captured(plain: Place) -> None:
    plain.run("COPY tenants FROM PROGRAM 'printf ''eu\\t1\\tacme\\tfree\\tx\\n'''")

    assert plain.rows("plain")[ACME]["slug"] == "acme"


class TestRelatedRows:
    def test_a_change_of_a_child_is_a_change_of_its_parent_in_one_generation(self, joined: Place) -> None:
        joined.run(add(), "INSERT INTO hosts VALUES ('a', 'eu', 1), ('b', 'eu', 1)")
        before = joined.generations("tenants")[ACME]

        joined.run("UPDATE hosts SET host = host || '!'")

        assert joined.rows("tenants")[ACME]["hosts"] == [{"host": "a!"}, {"host": "b!"}]
        assert joined.generations("tenants")[ACME] == before + 1

    def test_a_column_that_is_not_captured_changes_nothing(self, joined: Place) -> None:
        joined.run(add(), "INSERT INTO hosts VALUES ('a', 'eu', 1)")
        before = joined.generations("tenants")

        joined.run("UPDATE hosts SET port = 81")

        assert joined.generations("tenants") == before

    def test_a_child_that_moves_changes_both_parents(self, joined: Place) -> None:
        joined.run(add(), add(number=2), "INSERT INTO hosts VALUES ('a', 'eu', 1)")

        joined.run("UPDATE hosts SET tenant = 2")

        assert {key: row["hosts"] for key, row in joined.rows("tenants").items()} == {
            ACME: [],
            '["eu", "2"]': [{"host": "a"}],
        }

    def test_children_that_go_with_their_parent_leave_a_deleted_row(self, place: Place) -> None:
        place.run(
            *TABLES,
            "ALTER TABLE hosts ADD FOREIGN KEY (region, tenant) REFERENCES tenants (region, id) ON DELETE CASCADE",
        )
        place.capture(SOURCE)
        place.run(add(), "INSERT INTO hosts VALUES ('a', 'eu', 1)", "DELETE FROM tenants")

        assert place.rows("tenants") == {ACME: None}

    def test_a_parent_that_is_found_by_another_column_than_its_key(self, place: Place) -> None:
        place.run("CREATE TABLE teams (id int PRIMARY KEY, team text)", "CREATE TABLE members (person text, team text)")
        members = Related(TableName("public", "members"), {"team": "team"}, ("person",))
        place.capture(Source("teams", TableName("public", "teams"), ("id",), frozenset(), {"members": members}))
        place.run("INSERT INTO teams VALUES (1, 'x'), (2, 'x'), (3, 'y')", "INSERT INTO members VALUES ('p', 'x')")

        members_of = {key: row["members"] for key, row in place.rows("teams").items()}
        assert members_of == {"1": [{"person": "p"}], "2": [{"person": "p"}], "3": []}


@contextmanager
def session(place: Place, isolation: str = "READ COMMITTED") -> Iterator[psycopg2.extensions.cursor]:
    connection = place.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
            yield cursor
    finally:
        connection.close()


def waits_for_a_lock(place: Place, cursor: psycopg2.extensions.cursor) -> bool:
    pid = cursor.connection.get_backend_pid()
    return bool(place.ask(f"SELECT FROM pg_locks WHERE pid = {pid} AND NOT granted"))


def beside(
    place: Place,
    first: psycopg2.extensions.cursor,
    second: psycopg2.extensions.cursor,
    statement: str,
) -> list[BaseException]:
    """Runs a statement in the second session, and commits the first as soon as the second waits for it, or is done."""
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            second.execute(statement)
            second.connection.commit()
        except psycopg2.Error as error:
            trouble.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive() and not waits_for_a_lock(place, second):
        thread.join(0.005)
    first.connection.commit()
    thread.join()
    return trouble


class TestTwoTransactions:
    """A related row is written by one, another by the other, and neither sees what the other has not committed."""

    def test_that_each_add_a_child_both_stand_in_the_parent(self, joined: Place) -> None:
        joined.run(add())
        with session(joined) as first, session(joined) as second:
            first.execute("INSERT INTO hosts VALUES ('a', 'eu', 1)")
            assert beside(joined, first, second, "INSERT INTO hosts VALUES ('b', 'eu', 1)") == []

        assert joined.rows("tenants")[ACME]["hosts"] == [{"host": "a"}, {"host": "b"}]

    @pytest.mark.parametrize("parent_first", [True, False])
    def test_that_make_parent_and_child_without_a_foreign_key(self, parent_first: bool, joined: Place) -> None:
        statements = [add(), "INSERT INTO hosts VALUES ('a', 'eu', 1)"]
        one, other = statements if parent_first else reversed(statements)
        with session(joined) as first, session(joined) as second:
            first.execute(one)
            assert beside(joined, first, second, other) == []

        assert joined.rows("tenants")[ACME]["hosts"] == [{"host": "a"}]

    def test_that_change_parent_and_child(self, joined: Place) -> None:
        joined.run(add())
        with session(joined) as first, session(joined) as second:
            first.execute("UPDATE tenants SET plan = 'gold'")
            assert beside(joined, first, second, "INSERT INTO hosts VALUES ('a', 'eu', 1)") == []

        row = joined.rows("tenants")[ACME]
        assert (row["plan"], row["hosts"]) == ("gold", [{"host": "a"}])

    @pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
    def test_under_stricter_isolation_fail_rather_than_write_a_stale_join(self, isolation: str, joined: Place) -> None:
        joined.run(add())
        with session(joined, isolation) as first, session(joined, isolation) as second:
            second.execute("SELECT count(*) FROM hosts")  # it has its snapshot from here on
            first.execute("INSERT INTO hosts VALUES ('a', 'eu', 1)")
            [error] = beside(joined, first, second, "INSERT INTO hosts VALUES ('b', 'eu', 1)")

        assert isinstance(error, psycopg2.errors.SerializationFailure)
        assert joined.rows("tenants")[ACME]["hosts"] == [{"host": "a"}]


class TestAChangedTable:
    """Its owner's work goes on, whatever he does to it; that nothing is captured meanwhile is said."""

    @pytest.mark.parametrize(
        "change",
        [
            "ALTER TABLE tenants RENAME COLUMN slug TO name",
            "ALTER TABLE tenants DROP COLUMN plan",
            "ALTER TABLE tenants RENAME COLUMN id TO number",
            "ALTER TABLE hosts RENAME COLUMN host TO address",
        ],
    )
    def test_takes_writes_and_the_fault_is_noted(self, change: str, joined: Place) -> None:
        joined.run(add(), "INSERT INTO hosts VALUES ('a', 'eu', 1)")
        before = joined.rows("tenants")

        joined.run(change, "DELETE FROM hosts", "DELETE FROM tenants")

        assert joined.rows("tenants") == before
        [(fault,)] = joined.ask("SELECT fault FROM rowcast.sources")
        assert "does not exist" in fault

    def test_that_is_mended_catches_up_by_comparing(self, joined: Place) -> None:
        joined.run(add(), "ALTER TABLE tenants RENAME COLUMN slug TO name", "UPDATE tenants SET plan = 'gold'")
        joined.run("ALTER TABLE tenants RENAME COLUMN name TO slug")

        assert joined.ask('SELECT rowcast."tenants/compare"()') == [(1,)]
        assert joined.rows("tenants")[ACME]["plan"] == "gold"
        assert joined.ask("SELECT fault FROM rowcast.sources") == [(None,)]

    def test_may_be_dropped(self, joined: Place) -> None:
        joined.run(add(), "DROP TABLE tenants")

        assert joined.rows("tenants")[ACME] is not None

    def test_with_a_new_column_goes_on_without_it_until_it_is_installed_again(self, plain: Place) -> None:
        plain.run(add(), "ALTER TABLE tenants ADD COLUMN token text DEFAULT 'new'", "UPDATE tenants SET plan = 'gold'")
        assert "token" not in plain.rows("plain")[ACME]

        plain.capture(PLAIN)

        assert plain.rows("plain")[ACME]["token"] == "new"


class TestARowThatCannotBeCaptured:
    """It is the table owner's all the same; that it isn't captured is noted, and the others are."""

    LONG = " || ".join(f"sha512('{number}')" for number in range(30))  # the table's own index has it half as long

    @pytest.fixture
    def files(self, place: Place) -> Place:
        place.run(
            "CREATE TABLE files (hash bytea PRIMARY KEY, size int)",
            "CREATE TABLE blocks (hash bytea, number int PRIMARY KEY)",
        )
        blocks = Related(TableName("public", "blocks"), {"hash": "hash"}, ("number",))
        place.capture(Source("files", TableName("public", "files"), ("hash",), frozenset(), {"blocks": blocks}))
        return place

    def fault(self, place: Place) -> str:
        [(fault,)] = place.ask("SELECT coalesce(fault, '') FROM rowcast.sources")
        return str(fault)

    def test_since_its_key_is_too_long_for_an_index(self, files: Place) -> None:
        files.run(f"INSERT INTO files VALUES ({self.LONG}, 1), ('\\x01', 1)")
        assert [(key, row["size"]) for key, row in files.rows("files").items()] == [("\\x01", 1)]
        assert "its key has more than 2048 characters" in self.fault(files)

        files.run("UPDATE files SET size = 2", f"INSERT INTO blocks VALUES ({self.LONG}, 1)")
        assert [(key, row["size"]) for key, row in files.rows("files").items()] == [("\\x01", 2)]
        assert files.ask('SELECT rowcast."files/compare"()') == [(0,)]
        assert "its key has more than" in self.fault(files)

        files.run("DELETE FROM files WHERE length(hash) > 1")
        assert files.ask('SELECT rowcast."files/compare"()') == [(0,)]
        assert self.fault(files) == ""

    def test_since_its_json_can_be_no_jsonb(self, place: Place) -> None:
        place.run("CREATE TABLE odd (id int PRIMARY KEY, doc json)")
        place.capture(Source("odd", TableName("public", "odd"), ("id",)))

        place.run("""INSERT INTO odd VALUES (1, '{"a": "\\u0000"}')""", """INSERT INTO odd VALUES (2, '{}')""")

        assert place.rows("odd") == {"2": {"id": 2, "doc": {}}}
        assert "unsupported Unicode escape sequence" in self.fault(place)


def test_what_bypassed_the_triggers_is_found_by_comparing(plain: Place) -> None:
    plain.run(add(), add(number=2), add(number=3))
    plain.run(
        "ALTER TABLE tenants DISABLE TRIGGER ALL",
        "UPDATE tenants SET plan = 'gold' WHERE id = 1",
        "DELETE FROM tenants WHERE id = 2",
        add(number=4),
        "ALTER TABLE tenants ENABLE TRIGGER ALL",
    )

    assert plain.ask('SELECT rowcast."plain/compare"()') == [(3,)]
    assert plain.ask('SELECT rowcast."plain/compare"()') == [(0,)]
    assert plain.rows("plain")[ACME]["plan"] == "gold"
    assert plain.rows("plain")['["eu", "2"]'] is None


class TestPartitions:
    @pytest.fixture
    def parted(self, place: Place) -> Place:
        place.run(
            "CREATE TABLE tenants (region text, id bigint, slug text, password_hash text, PRIMARY KEY (region, id))"
            " PARTITION BY LIST (region)",
            "CREATE TABLE tenants_eu PARTITION OF tenants FOR VALUES IN ('eu')",
            # Its columns are in another order, as of a table that was attached.
            "CREATE TABLE tenants_us (slug text, password_hash text, id bigint NOT NULL, region text NOT NULL)",
            "ALTER TABLE tenants ATTACH PARTITION tenants_us FOR VALUES IN ('us')",
        )
        place.capture(PLAIN)
        return place

    def test_a_write_straight_into_a_partition_is_captured(self, parted: Place) -> None:
        parted.run("INSERT INTO tenants_us (region, id, slug) VALUES ('us', 7, 'straight')")

        assert parted.rows("plain")['["us", "7"]']["slug"] == "straight"

    def test_a_row_that_moves_to_another_partition(self, parted: Place) -> None:
        parted.run("INSERT INTO tenants VALUES ('eu', 1, 'acme')", "UPDATE tenants SET region = 'us'")

        assert parted.rows("plain")[ACME] is None
        assert parted.rows("plain")['["us", "1"]']["slug"] == "acme"

    def test_a_partition_that_is_made_later_is_captured(self, parted: Place) -> None:
        parted.run(
            "CREATE TABLE tenants_ap PARTITION OF tenants FOR VALUES IN ('ap')", add("ap").replace(", 'free'", "")
        )

        assert parted.rows("plain")['["ap", "1"]']["slug"] == "acme"

    def test_a_partition_that_is_truncated_or_detached_is_found_by_comparing(self, parted: Place) -> None:
        parted.run("INSERT INTO tenants VALUES ('eu', 1, 'acme')", "ALTER TABLE tenants DETACH PARTITION tenants_eu")

        parted.run('SELECT rowcast."plain/compare"()')

        assert parted.rows("plain")[ACME] is None


def test_of_a_table_that_others_inherit_from_its_own_rows_are_captured(plain: Place) -> None:
    plain.run(
        add(),
        "CREATE TABLE archived () INHERITS (tenants)",
        "INSERT INTO archived VALUES ('eu', 1, 'old', 'free'), ('eu', 9, 'older', 'free')",
        "UPDATE tenants SET plan = 'gold'",
        "DELETE FROM archived",
    )

    assert {key: row["plan"] for key, row in plain.rows("plain").items()} == {ACME: "gold"}
    assert plain.generations("plain") == {ACME: 2}
    assert plain.ask('SELECT rowcast."plain/compare"()') == [(0,)]


def test_names_may_be_anything(place: Place) -> None:
    place.run(
        'CREATE SCHEMA "Ämter"',
        """CREATE TABLE "Ämter"."Te""nänts" ("Schlüssel's" int PRIMARY KEY, "a$rowcast b" text)""",
    )
    source = Source("odd's", TableName("Ämter", 'Te"nänts'), ("Schlüssel's",))
    related = place.table(source.table)
    assert related.key == ("Schlüssel's",)
    place.run("INSERT INTO rowcast.sources VALUES ('odd''s', 1)")
    capture = Capture(source, related)
    place.run(*capture.install(), """INSERT INTO "Ämter"."Te""nänts" VALUES (1, 'x')""")

    found = place.ask("SELECT key, row->>'a$rowcast b' FROM rowcast.rows")
    assert found == [("1", "x")]
    place.run(capture.removal())
    assert place.ask("SELECT FROM pg_trigger WHERE NOT tgisinternal") == []
    assert place.ask("SELECT FROM pg_proc WHERE pronamespace = 'rowcast'::regnamespace") == []
