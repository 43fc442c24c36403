"""Tombstones of rows of any table go after a while, and no generation comes twice.

A tombstone keeps the generation from which a key that is used again goes on. What goes with one is kept in its
renderer's floor, above which all new keys begin: so whatever a target or the broker may still have of the old row is
older than any new one. Floor and tombstone change in one transaction, and the triggers take the higher of the two from
one snapshot: whichever side of that they see, they go on.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

_UP = """
CREATE TABLE IF NOT EXISTS rowcast.floors (renderer text PRIMARY KEY, generation bigint NOT NULL);
-- Triggers read it as whoever has installed them.
GRANT SELECT ON rowcast.floors TO PUBLIC;
CREATE INDEX rows_deleted ON rowcast.rows (changed_at) WHERE deleted;

-- SECURITY DEFINER: the role that crud serves as deletes nothing that is captured but by this.
CREATE FUNCTION rowcast.prune_tombstones(older_than interval, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE pruned bigint;
BEGIN
    IF older_than < interval '1 day' THEN RAISE EXCEPTION 'tombstones are kept for a day at least'; END IF;
    WITH gone AS (
        DELETE FROM rowcast.rows AS r USING (
            SELECT t.renderer, t.key FROM rowcast.rows AS t
            WHERE t.deleted AND t.changed_at < now() - older_than
                -- Those of configurations are told of elsewhere.
                AND t.renderer <> 'appconfigs'
                -- Every target that has ever told of the row has confirmed that it is gone.
                AND NOT EXISTS (SELECT FROM rowcast.statuses AS s
                    WHERE (s.renderer, s.key) = (t.renderer, t.key)
                        AND NOT (s.deleted AND s.observed_generation >= t.generation AND s.error IS NULL
                            AND s.outcome <> 'dead-lettered' AND s.stage IS DISTINCT FROM 'proposed'))
                -- Its events may be sent again.
                AND NOT EXISTS (SELECT FROM public.dead_letters AS l
                    WHERE (l.renderer, l.key) = (t.renderer, t.key) AND l.state = 'open')
                -- Triggers of the version before know no floor.
                AND NOT EXISTS (SELECT FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace('rowcast')
                    AND p.proname = (t.renderer || '/refresh')::name AND strpos(p.prosrc, 'rowcast.floors') = 0)
            ORDER BY t.changed_at LIMIT batch FOR UPDATE SKIP LOCKED
        ) AS old
        WHERE (r.renderer, r.key) = (old.renderer, old.key) RETURNING r.renderer, r.key, r.generation
    ), floor AS (
        INSERT INTO rowcast.floors AS f SELECT g.renderer, max(g.generation) FROM gone AS g GROUP BY g.renderer
        ON CONFLICT (renderer) DO UPDATE SET generation = greatest(f.generation, excluded.generation)
    ), told AS (
        DELETE FROM rowcast.statuses AS s USING gone AS g WHERE (s.renderer, s.key) = (g.renderer, g.key)
    ), past AS (
        DELETE FROM rowcast.row_history AS h USING gone AS g WHERE (h.renderer, h.key) = (g.renderer, g.key)
    )
    SELECT count(*) INTO pruned FROM gone;
    RETURN pruned;
END $$;
REVOKE ALL ON FUNCTION rowcast.prune_tombstones FROM PUBLIC;
"""

_DOWN = """
DROP FUNCTION rowcast.prune_tombstones;
DROP INDEX rowcast.rows_deleted;
"""
"""The floors stay: triggers read them, and generations must not come again."""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
