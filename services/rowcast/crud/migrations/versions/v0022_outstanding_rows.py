"""Which rows some target may not have as they are, so that nobody looks through a million to find ten.

Each change of a row adds an entry, in its own transaction, and so does a status that got worse. crud takes those of a
row away once all targets have it (`deliveries/outstanding.py`). An entry is added and never changed: so writers wait
for nobody, and an entry that crud doesn't see yet outlives that it takes others of its row away.
"""

from alembic import op

revision = "0022"
down_revision = "0021"

_UP = """
CREATE TABLE rowcast.outstanding (
    id       bigint GENERATED ALWAYS AS IDENTITY,
    renderer text NOT NULL,
    key      text NOT NULL,
    PRIMARY KEY (renderer, key, id)
);
-- For which targets entries were taken away: with another one, all rows are outstanding again. Empty before the first
-- look: a dump of the data alone goes into a database that was only migrated.
CREATE TABLE rowcast.outstanding_for (id integer PRIMARY KEY DEFAULT 1 CHECK (id = 1), targets text[] NOT NULL);

-- SECURITY DEFINER: whoever writes rows and statuses need not be able to write this.
CREATE FUNCTION rowcast.note_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO rowcast.outstanding (renderer, key) SELECT renderer, key FROM new_rows WHERE generation > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER rows_noted_inserted AFTER INSERT ON rowcast.rows REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.note_rows();
CREATE TRIGGER rows_noted_updated AFTER UPDATE ON rowcast.rows REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.note_rows();
ALTER TABLE rowcast.rows ENABLE ALWAYS TRIGGER rows_noted_inserted, ENABLE ALWAYS TRIGGER rows_noted_updated;

-- As long as configurations are not captured in `rowcast.rows` (migration 0018).
CREATE FUNCTION rowcast.note_configurations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT rowcast.captures_configurations() THEN
        INSERT INTO rowcast.outstanding (renderer, key) SELECT 'appconfigs', id::text FROM new_rows;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER app_configs_noted_inserted AFTER INSERT ON public.app_configs REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.note_configurations();
CREATE TRIGGER app_configs_noted_updated AFTER UPDATE ON public.app_configs REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.note_configurations();
ALTER TABLE public.app_configs
    ENABLE ALWAYS TRIGGER app_configs_noted_inserted, ENABLE ALWAYS TRIGGER app_configs_noted_updated;

-- A refusal, a complaint, or the word that less is there than was: of a row that had been delivered everywhere.
CREATE FUNCTION rowcast.note_statuses() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'statuses' THEN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO rowcast.outstanding (renderer, key) SELECT renderer, key FROM new_rows
            WHERE outcome = 'dead-lettered' OR error IS NOT NULL OR deleted;
        ELSE
            INSERT INTO rowcast.outstanding (renderer, key) SELECT renderer, key
            FROM new_rows AS now JOIN old_rows AS past USING (renderer, key, target)
            WHERE now.outcome = 'dead-lettered' OR now.error IS NOT NULL OR now.deleted <> past.deleted
                OR now.observed_generation < past.observed_generation;
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO rowcast.outstanding (renderer, key) SELECT 'appconfigs', row_id::text FROM new_rows
        WHERE outcome = 'dead-lettered' OR error IS NOT NULL OR deleted;
    ELSE
        INSERT INTO rowcast.outstanding (renderer, key) SELECT 'appconfigs', row_id::text
        FROM new_rows AS now JOIN old_rows AS past USING (row_id, target)
        WHERE now.outcome = 'dead-lettered' OR now.error IS NOT NULL OR now.deleted <> past.deleted
            OR now.observed_generation < past.observed_generation;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER statuses_noted_inserted AFTER INSERT ON rowcast.statuses REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.note_statuses();
CREATE TRIGGER statuses_noted_updated AFTER UPDATE ON rowcast.statuses
    REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.note_statuses();
CREATE TRIGGER sync_statuses_noted_inserted AFTER INSERT ON public.sync_statuses REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.note_statuses();
CREATE TRIGGER sync_statuses_noted_updated AFTER UPDATE ON public.sync_statuses
    REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.note_statuses();

-- Adds all rows that some of these targets lack, whoever has written them: before the first look, and for a new target.
CREATE FUNCTION rowcast.find_outstanding(targets text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO rowcast.outstanding_for AS known (targets) VALUES (find_outstanding.targets)
    ON CONFLICT (id) DO UPDATE SET targets = excluded.targets;
    INSERT INTO rowcast.outstanding (renderer, key)
    SELECT 'appconfigs', id::text FROM (
        SELECT t.id, s.target, s.row_id IS NOT NULL AND NOT s.deleted AND s.observed_generation >= t.generation
            AND s.outcome <> 'dead-lettered' AND s.error IS NULL AS current
        FROM public.app_configs AS t LEFT JOIN public.sync_statuses AS s ON s.row_id = t.id
    ) AS told GROUP BY id
    HAVING NOT bool_and(current) OR count(*) FILTER (WHERE target = ANY (targets)) < cardinality(targets);
    INSERT INTO rowcast.outstanding (renderer, key)
    SELECT renderer, key FROM (
        SELECT r.renderer, r.key, r.deleted, s.target, s.key IS NULL AS untold, s.deleted = r.deleted
            AND s.observed_generation >= r.generation AND s.outcome <> 'dead-lettered' AND s.error IS NULL
            AND s.stage IS DISTINCT FROM 'proposed' AS current
        FROM rowcast.rows AS r LEFT JOIN rowcast.statuses AS s USING (renderer, key)
        WHERE r.generation > 0 AND r.renderer <> 'appconfigs'
    ) AS told GROUP BY renderer, key, deleted
    HAVING NOT bool_and(untold OR current)
        OR (NOT deleted AND count(*) FILTER (WHERE target = ANY (targets)) < cardinality(targets));
END $$;
REVOKE ALL ON FUNCTION rowcast.find_outstanding, rowcast.note_rows, rowcast.note_configurations, rowcast.note_statuses
    FROM PUBLIC;
SELECT rowcast.find_outstanding(array(
    SELECT target FROM public.sync_statuses UNION SELECT target FROM rowcast.statuses))
WHERE EXISTS (SELECT FROM public.app_configs) OR EXISTS (SELECT FROM rowcast.rows);

-- Counts, and what a roll-out has still to change, without a look at the rows themselves.
CREATE INDEX rows_there ON rowcast.rows (renderer, revision, key) WHERE NOT deleted AND generation > 0;
CREATE INDEX app_config_history_person ON public.app_config_history (changed_by, id);
"""

_DOWN = """
DROP INDEX public.app_config_history_person, rowcast.rows_there;
DROP TRIGGER rows_noted_inserted ON rowcast.rows;
DROP TRIGGER rows_noted_updated ON rowcast.rows;
DROP TRIGGER app_configs_noted_inserted ON public.app_configs;
DROP TRIGGER app_configs_noted_updated ON public.app_configs;
DROP TRIGGER statuses_noted_inserted ON rowcast.statuses;
DROP TRIGGER statuses_noted_updated ON rowcast.statuses;
DROP TRIGGER sync_statuses_noted_inserted ON public.sync_statuses;
DROP TRIGGER sync_statuses_noted_updated ON public.sync_statuses;
DROP FUNCTION rowcast.find_outstanding, rowcast.note_rows, rowcast.note_configurations, rowcast.note_statuses;
DROP TABLE rowcast.outstanding, rowcast.outstanding_for;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
