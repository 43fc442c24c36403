"""`rowcast renderer apply` on a migrated database: revisions, and the rows that go on by them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from rowcast.crud.sources.triggers import removal

from .conftest import Place
from .test_commands import rowcast

DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: shops}
spec:
  source: {table: public.shops, key: [id]}
  name: shop-${string(row.id)}
  allow: {kinds: [ConfigMap]}
  manifests:
    - id: settings
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "shop-${string(row.id)}"}
        data: {size: "${string(row.size)}"}
"""


@pytest.fixture
def shops(migrated_url: str) -> Iterator[Place]:
    place = Place(migrated_url)
    place.run(
        "CREATE TABLE shops (id bigint PRIMARY KEY, size int NOT NULL)", "INSERT INTO shops VALUES (1, 5), (2, 6)"
    )
    yield place
    place.run(
        removal("shops"),
        "DROP TABLE shops",
        "DELETE FROM rowcast.rows WHERE renderer = 'shops'",
        "DELETE FROM rowcast.sources",
        "DELETE FROM rowcast.renderers",
        "DELETE FROM rowcast.statuses",
    )


def apply(place: Place, folder: Path, declaration: str = DECLARATION) -> str:
    file = folder / "shops.yaml"
    file.write_text(declaration)
    ran = rowcast(place, "apply", file)
    assert ran.exit_code == 0, ran.output
    return ran.stdout.partition(": ")[2].strip()


def revisions(place: Place) -> dict[str, tuple[int, int]]:
    """By key: generation and revision."""
    found = place.ask("SELECT key, generation, revision FROM rowcast.rows WHERE renderer = 'shops'")
    return {key: (generation, revision) for key, generation, revision in found}


def test_a_declaration_is_applied_once_and_its_rows_follow_a_changed_one(shops: Place, tmp_path: Path) -> None:
    assert apply(shops, tmp_path) == "shops revision 1: 2 rows captured, 0 follow"
    assert apply(shops, tmp_path) == "shops revision 1, unchanged: 0 rows captured, 0 follow"
    assert revisions(shops) == {"1": (1, 1), "2": (1, 1)}

    assert apply(shops, tmp_path, f"{DECLARATION}\n# changed\n") == "shops revision 2: 0 rows captured, 2 follow"
    assert revisions(shops) == {"1": (2, 2), "2": (2, 2)}


def test_a_column_of_another_type_is_another_revision_of_the_same_text(shops: Place, tmp_path: Path) -> None:
    """Expressions are compiled for the columns' types: by the old ones, no row of now could be rendered."""
    apply(shops, tmp_path)
    shops.run("ALTER TABLE shops ALTER size TYPE text")

    assert apply(shops, tmp_path).startswith("shops revision 2: ")
    ((shape,),) = shops.ask("SELECT shape FROM rowcast.renderers WHERE name = 'shops' AND revision = 2")
    assert shape["columns"]["size"]["type"] == "string"


def test_a_key_that_is_used_again_is_of_the_newest_revision(shops: Place, tmp_path: Path) -> None:
    apply(shops, tmp_path)
    shops.run("DELETE FROM shops WHERE id = 1")
    apply(shops, tmp_path, f"{DECLARATION}\n# changed\n")
    shops.run("INSERT INTO shops VALUES (1, 7)")

    assert revisions(shops)["1"] == (3, 2)


def test_who_writes_a_table_names_whom_it_likes_and_verifies_nobody(shops: Place, tmp_path: Path) -> None:
    """What leaves as author of a commit is vouched for: by crud, and by nobody who only writes rows."""
    apply(shops, tmp_path)
    role = f"writer_{uuid.uuid4().hex[:8]}"
    shops.run(f"CREATE ROLE {role} LOGIN PASSWORD 'w'", f"GRANT SELECT, UPDATE ON shops TO {role}")
    ada = "SET rowcast.actor = 'Ada <ada@example.com>'; SET rowcast.actor_verified = 'on'"
    says = f"{ada}; UPDATE shops SET size = size + 1"
    told = "SELECT DISTINCT actor, actor_verified FROM rowcast.rows WHERE renderer = 'shops'"
    try:
        url = make_url(shops.url).set(username=role, password="w").render_as_string(hide_password=False)
        Place(url).run(says)
        assert shops.ask(told) == [("Ada <ada@example.com>", False)]
        shops.run(says)
        assert shops.ask(told) == [("Ada <ada@example.com>", True)]
    finally:
        shops.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_the_name_of_the_built_in_renderer_is_taken(shops: Place, tmp_path: Path) -> None:
    """Its rows would be taken for configurations, and every reconcile would end there."""
    file = tmp_path / "shops.yaml"
    file.write_text(DECLARATION.replace("name: shops", "name: appconfigs"))

    ran = rowcast(shops, "apply", file)

    assert ran.exit_code == 1
    assert "metadata.name: appconfigs is the built-in renderer's" in ran.output
    assert revisions(shops) == {}


def test_of_a_folder_what_can_be_applied_is_and_the_rest_says_why(shops: Place, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(DECLARATION.replace("row.size", "row.sizes").replace("name: shops", "name: other"))
    (tmp_path / "shops.yaml").write_text(DECLARATION)
    (tmp_path / "shops.columns.yaml").write_text("public.shops: {}")
    (tmp_path / "z.yaml").write_text(
        DECLARATION.replace("public.shops", "public.gone").replace("{name: shops", "{name: z")
    )

    ran = rowcast(shops, "apply", tmp_path)

    assert ran.exit_code == 1
    assert ran.stdout == f"{tmp_path}/shops.yaml: shops revision 1: 2 rows captured, 0 follow\n"
    assert [line.split(": ")[0] for line in ran.stderr.splitlines()] == [
        f"{tmp_path}/a.yaml:15:35",
        f"{tmp_path}/z.yaml:6:19",
    ]


def test_a_declaration_that_is_wrong_leaves_what_is_live(shops: Place, tmp_path: Path) -> None:
    apply(shops, tmp_path)
    before = revisions(shops)
    (tmp_path / "shops.yaml").write_text(DECLARATION.replace("row.size", "row.sizes"))

    assert rowcast(shops, "apply", tmp_path / "shops.yaml").exit_code == 1
    assert revisions(shops) == before
    shops.run("UPDATE shops SET size = 9 WHERE id = 1")
    assert revisions(shops) == {**before, "1": (2, 1)}


def test_a_folder_without_a_declaration_is_no_success(shops: Place, tmp_path: Path) -> None:
    ran = rowcast(shops, "apply", tmp_path)

    assert ran.exit_code == 2
    assert "has no declaration" in ran.stderr


def test_the_password_is_read_from_a_file(shops: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shops.run("CREATE ROLE by_file SUPERUSER LOGIN PASSWORD 'of the file'")
    url = make_url(shops.url).set(username="by_file", password=None)
    (tmp_path / "shops.yaml").write_text(DECLARATION)
    (tmp_path / "password").write_text("of the file\n")
    monkeypatch.setenv("ROWCAST_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    try:
        ran = rowcast(Place(url.render_as_string(hide_password=False)), "apply", "--wait", tmp_path)
        assert ran.exit_code == 0, ran.output
    finally:
        shops.run("REASSIGN OWNED BY by_file TO CURRENT_USER", "DROP OWNED BY by_file", "DROP ROLE by_file")


def test_a_database_that_is_not_migrated_is_waited_for_only_so_long(place: Place, tmp_path: Path) -> None:
    place.run("DROP SCHEMA rowcast CASCADE")
    (tmp_path / "shops.yaml").write_text(DECLARATION)

    ran = rowcast(place, "apply", "--wait", "--timeout=0.2", tmp_path)

    assert ran.exit_code == 3
    assert "isn't migrated yet (rowcast crud migrate)" in ran.stderr


class TestWithoutTheRightToMakeTriggers:
    """Rowcast's owner has its own tables, and the other one is somebody else's."""

    @pytest.fixture
    def keeper(self, shops: Place) -> Iterator[Place]:
        shops.run(
            "CREATE ROLE keeper LOGIN PASSWORD 'keeps'",
            "GRANT USAGE, CREATE ON SCHEMA rowcast TO keeper",
            "GRANT ALL ON ALL TABLES IN SCHEMA rowcast TO keeper",
        )
        url = make_url(shops.url).set(username="keeper", password="keeps")
        yield Place(url.render_as_string(hide_password=False))
        shops.run("DROP OWNED BY keeper", "DROP ROLE keeper")

    def test_the_sql_for_an_administrator_is_printed_and_nothing_is_changed(
        self, shops: Place, keeper: Place, tmp_path: Path
    ) -> None:
        file = tmp_path / "shops.yaml"
        file.write_text(DECLARATION)

        ran = rowcast(keeper, "apply", file)

        assert (ran.exit_code, "shops/refresh isn't there as this declaration needs it" in ran.stderr) == (1, True)
        assert ran.stdout == rowcast(keeper, "sql", "-f", file).stdout
        assert shops.ask("SELECT FROM rowcast.renderers") == []

    def test_the_sql_for_an_administrator_has_the_rights_to_edit_and_those_that_go(
        self, shops: Place, keeper: Place, tmp_path: Path
    ) -> None:
        file, editing = tmp_path / "shops.yaml", DECLARATION.replace("key: [id]", "key: [id], edit: true")
        file.write_text(editing)
        revoked = 'REVOKE SELECT, INSERT, UPDATE, DELETE ON "public"."shops" FROM "rowcast_crud";'
        shops.run("DO $$ BEGIN CREATE ROLE rowcast_crud; EXCEPTION WHEN duplicate_object THEN NULL; END $$")

        needed = rowcast(keeper, "apply", file).stdout
        assert needed == rowcast(keeper, "sql", "-f", file).stdout
        assert needed.endswith('GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."shops" TO "rowcast_crud";\n')
        shops.run(needed)
        apply(keeper, tmp_path, editing)

        file.write_text(DECLARATION)
        assert f"than it needs before {revoked} is run" in rowcast(keeper, "apply", file).stderr
        shops.run('DROP FUNCTION rowcast."shops/compare"')
        assert rowcast(keeper, "apply", file).stdout.endswith(f"{revoked}\n")
        shops.run(revoked)
        assert "REVOKE" not in rowcast(keeper, "apply", file).output

    def test_what_an_administrator_has_made_is_left_and_the_declaration_counts(
        self, shops: Place, keeper: Place, tmp_path: Path
    ) -> None:
        file = tmp_path / "shops.yaml"
        file.write_text(DECLARATION)
        shops.run(rowcast(keeper, "apply", file).stdout)

        assert apply(keeper, tmp_path) == "shops revision 1: 0 rows captured, 0 follow"
        shops.run("UPDATE shops SET size = 7 WHERE id = 1")
        assert apply(keeper, tmp_path, f"{DECLARATION}\n# changed\n") == "shops revision 2: 0 rows captured, 2 follow"
        assert revisions(shops) == {"1": (3, 2), "2": (2, 2)}

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ('ALTER TABLE shops DISABLE TRIGGER "rowcast/shops/source/update"', "shops/source/update on public.shops"),
            ('DROP TRIGGER "rowcast/shops/source/truncate" ON shops', "shops/source/truncate on public.shops"),
            ("ALTER FUNCTION rowcast.\"shops/source\"() SET timezone = 'CET'", "shops/source isn't"),
            ('CREATE FUNCTION rowcast."shops/with/old"() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$', "shops/with/old"),
            ("ALTER TABLE shops ADD COLUMN colour text", "shops/refresh isn't"),
        ],
    )
    def test_what_differs_from_what_the_declaration_needs_is_named_until_it_is_mended(
        self, shops: Place, keeper: Place, tmp_path: Path, change: str, named: str
    ) -> None:
        file = tmp_path / "shops.yaml"
        file.write_text(DECLARATION)
        shops.run(rowcast(keeper, "sql", "-f", file).stdout, change)

        ran = rowcast(keeper, "apply", file)

        assert ran.exit_code == 1
        assert named in ran.stderr
        shops.run(ran.stdout)
        assert apply(keeper, tmp_path).startswith("shops revision 1: ")
