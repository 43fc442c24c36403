"""Configurations are captured in `rowcast.rows`, as the rows of all other tables are.

Nothing of it is switched on here but in a database that is made anew (migrate.py): sync of the version before takes
such an event for undecodable, and this runs before that is gone. crud switches it on (sources/configurations.py).
"""

from alembic import op

from rowcast.crud.migrations.versions.v0012_history_of_rows import _UP as _TWELFTH
from rowcast.crud.migrations.versions.v0016_tombstones import _UP as _SIXTEENTH
from rowcast.crud.migrations.versions.v0017_history_by_its_index import _WAYS

revision = "0018"
down_revision = "0017"

# `rowcast.rows` says of a configuration what its table says, its generation too: so nothing decides anything twice.
_ROW = """jsonb_build_object('id', t.id, 'name', coalesce(t.committed_name, t.name),
    'repository_url', t.repository_url, 'branch', t.branch, 'environment', t.environment, 'created_at', t.created_at)"""

_UP = """
CREATE FUNCTION rowcast.captures_configurations() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM pg_trigger
    WHERE tgrelid = 'public.app_configs'::regclass AND tgname = 'app_configs_captured_update') $$;

-- Reads the table: a statement within a statement may have changed a row once more than a trigger was handed it.
CREATE FUNCTION rowcast.write_configurations(ids bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE written bigint;
BEGIN
    INSERT INTO rowcast.rows AS r
        (renderer, key, generation, revision, deleted, row, actor, actor_verified, traceparent, changed_at)
    SELECT 'appconfigs', t.id::text, t.generation, 0, false, ROW_OF_T, t.updated_by, t.updated_by_verified,
        nullif(current_setting('rowcast.traceparent', true), ''), t.updated_at
    FROM unnest(ids) AS wanted (id) JOIN public.app_configs AS t ON t.id = wanted.id
    ON CONFLICT (renderer, key) DO UPDATE SET
        generation = excluded.generation, deleted = false, row = excluded.row, actor = excluded.actor,
        actor_verified = excluded.actor_verified, traceparent = excluded.traceparent, changed_at = excluded.changed_at
    WHERE r.deleted OR r.generation <> excluded.generation OR r.row <> excluded.row;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;
REVOKE ALL ON FUNCTION rowcast.write_configurations FROM PUBLIC;

CREATE FUNCTION rowcast.capture_configuration() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    deleting boolean := coalesce(current_setting('rowcast.deleting', true), '') = 'on';
BEGIN
    IF TG_OP <> 'DELETE' THEN
        PERFORM rowcast.write_configurations(ids) FROM (SELECT array_agg(id) AS ids FROM new_rows) AS changed
        WHERE ids IS NOT NULL;
        RETURN NULL;
    END IF;
    -- The row stays as the tombstone, with the person: the API has marked it with who deletes it.
    INSERT INTO rowcast.rows AS r
        (renderer, key, generation, revision, deleted, row, actor, actor_verified, traceparent, changed_at)
    SELECT 'appconfigs', t.id::text, t.generation, 0, true, ROW_OF_T,
        CASE WHEN deleting THEN t.updated_by ELSE public.rowcast_actor() END,
        CASE WHEN deleting THEN t.updated_by_verified ELSE public.rowcast_actor_verified() END,
        nullif(current_setting('rowcast.traceparent', true), ''), now()
    FROM old_rows AS t WHERE NOT EXISTS (SELECT FROM public.app_configs AS again WHERE again.id = t.id)
    ON CONFLICT (renderer, key) DO UPDATE SET
        generation = excluded.generation, deleted = true, row = excluded.row, actor = excluded.actor,
        actor_verified = excluded.actor_verified, traceparent = excluded.traceparent, changed_at = excluded.changed_at;
    RETURN NULL;
END $$;

-- What has bypassed the triggers, so many at once; how many were written. Any number may be left out by rows that
-- somebody is changing. Rows that are gone count as deleted as long as they are as few as a reconcile would prune
-- unasked (core/reconcile.py), or once every target has told that it has none of them: a table that was emptied is a
-- restore half done.
CREATE FUNCTION rowcast.compare_configurations(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE differ bigint[]; gone text[]; held bigint; known bigint; written bigint := 0; marked bigint;
BEGIN
    IF NOT rowcast.captures_configurations() OR NOT pg_try_advisory_xact_lock(7769671834) THEN RETURN 0; END IF;
    SELECT array_agg(id) INTO differ FROM (
        SELECT t.id FROM public.app_configs AS t
        LEFT JOIN rowcast.rows AS r ON r.renderer = 'appconfigs' AND r.key = t.id::text
        WHERE r.key IS NULL OR r.deleted OR r.generation <> t.generation OR r.row <> ROW_OF_T
        ORDER BY t.id LIMIT batch
    ) AS wrong;
    IF differ IS NOT NULL THEN
        -- Locked first and read by the next statement, whose snapshot is new: no row is written as it was before.
        SELECT array_agg(id) INTO differ FROM (
            SELECT id FROM public.app_configs WHERE id = ANY (differ) ORDER BY id FOR SHARE SKIP LOCKED
        ) AS locked;
        written := rowcast.write_configurations(coalesce(differ, '{}'));
    END IF;
    SELECT array_agg(key), count(*) FILTER (WHERE has) INTO gone, held FROM (
        SELECT r.key, EXISTS (
            SELECT FROM public.sync_statuses AS s WHERE s.row_id = r.key::bigint AND NOT s.deleted) AS has
        FROM rowcast.rows AS r
        WHERE r.renderer = 'appconfigs' AND NOT r.deleted
            AND NOT EXISTS (SELECT FROM public.app_configs AS t WHERE t.id = r.key::bigint)
    ) AS missing;
    IF gone IS NOT NULL THEN
        SELECT count(*) INTO known FROM rowcast.rows WHERE renderer = 'appconfigs' AND NOT deleted;
        IF held <= greatest(5, known * 0.2) THEN
            UPDATE rowcast.rows AS r SET deleted = true, actor = public.rowcast_actor(), actor_verified = false,
                traceparent = NULL, changed_at = now()
            WHERE r.renderer = 'appconfigs' AND r.key = ANY (gone) AND NOT r.deleted
                AND NOT EXISTS (SELECT FROM public.app_configs AS t WHERE t.id = r.key::bigint);
            GET DIAGNOSTICS marked = ROW_COUNT;
            written := written + marked;
        END IF;
    END IF;
    -- All is there: from now on nothing is captured twice.
    IF written = 0 AND EXISTS (SELECT FROM pg_publication_rel AS member
        JOIN pg_publication AS publication ON publication.oid = member.prpubid
        WHERE pubname = 'rowcast' AND prrelid = 'public.app_configs'::regclass) THEN
        ALTER PUBLICATION rowcast DROP TABLE public.app_configs;
    END IF;
    RETURN written;
END $$;

-- From now on every change is captured here, too; `compare_configurations` brings what is there already, and then takes
-- the table itself out of the publication.
CREATE FUNCTION rowcast.capture_configurations() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF rowcast.captures_configurations() THEN RETURN; END IF;
    CREATE TRIGGER app_configs_captured_insert AFTER INSERT ON public.app_configs
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rowcast.capture_configuration();
    CREATE TRIGGER app_configs_captured_update AFTER UPDATE ON public.app_configs
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rowcast.capture_configuration();
    CREATE TRIGGER app_configs_captured_delete AFTER DELETE ON public.app_configs
        REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION rowcast.capture_configuration();
    ALTER TABLE public.app_configs
        ENABLE ALWAYS TRIGGER app_configs_captured_insert,
        ENABLE ALWAYS TRIGGER app_configs_captured_update,
        ENABLE ALWAYS TRIGGER app_configs_captured_delete;
END $$;

-- Before going back to a version that knows configurations by their own table alone (docs/how-to/upgrade.md).
CREATE FUNCTION rowcast.release_configurations() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication_tables
        WHERE pubname = 'rowcast' AND schemaname = 'public' AND tablename = 'app_configs') THEN
        ALTER PUBLICATION rowcast ADD TABLE public.app_configs;
    END IF;
    DROP TRIGGER IF EXISTS app_configs_captured_insert ON public.app_configs;
    DROP TRIGGER IF EXISTS app_configs_captured_update ON public.app_configs;
    DROP TRIGGER IF EXISTS app_configs_captured_delete ON public.app_configs;
END $$;

REVOKE ALL ON FUNCTION rowcast.compare_configurations, rowcast.capture_configurations, rowcast.release_configurations
    FROM PUBLIC;
"""

_DOWN = """
SELECT rowcast.release_configurations();
DROP FUNCTION rowcast.release_configurations, rowcast.capture_configurations, rowcast.compare_configurations,
    rowcast.capture_configuration, rowcast.write_configurations, rowcast.captures_configurations;
DELETE FROM rowcast.rows WHERE renderer = 'appconfigs';
"""

# Configurations have a history of their own.
_KEPT = {
    "FROM new_rows WHERE generation > 0": "FROM new_rows WHERE generation > 0 AND renderer <> 'appconfigs'",
    "WHERE latest.generation > 100 AND": "WHERE latest.generation > 100 AND latest.renderer <> 'appconfigs' AND",
}
# No id is used twice, so a tombstone of theirs stands for nothing once every target has told that it has deleted.
_PRUNED = {
    "-- Those of configurations are told of elsewhere.": "-- Statuses of configurations are in another table.",
    "AND t.renderer <> 'appconfigs'": """AND (t.renderer <> 'appconfigs'
                    OR NOT EXISTS (SELECT FROM public.app_config_deletions AS d WHERE d.id::text = t.key))""",
}


def upgrade() -> None:
    _run(_UP.replace("ROW_OF_T", _ROW))
    _run(_replaced(_keep_history(), _KEPT))
    _by_its_index()
    _run(_replaced(_prune_tombstones(), _PRUNED))


def downgrade() -> None:
    _run(_DOWN)
    _run(_keep_history())
    _by_its_index()
    _run(_prune_tombstones())


def _run(statements: str) -> None:
    # Past SQLAlchemy's own parsing, as in the first migration.
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def _by_its_index() -> None:
    # A function that is made anew has no settings any more.
    for way in _WAYS:
        op.execute(f"ALTER FUNCTION rowcast.keep_history() SET {way} = off")


def _keep_history() -> str:
    return _function(_TWELFTH, "CREATE FUNCTION rowcast.keep_history")


def _prune_tombstones() -> str:
    return _function(_SIXTEENTH, "CREATE FUNCTION rowcast.prune_tombstones")


def _function(statements: str, head: str) -> str:
    start = statements.index(head)
    found = statements[start : statements.index("END $$;", start) + len("END $$;")]
    return found.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


def _replaced(statement: str, parts: dict[str, str]) -> str:
    for before, after in parts.items():
        if before not in statement:
            raise AssertionError(f"an earlier migration has no {before!r}")
        statement = statement.replace(before, after)
    return statement
