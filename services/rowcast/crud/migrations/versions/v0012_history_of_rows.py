"""What rows of any table were before: the last hundred generations of each, kept where `rowcast.rows` is written."""

from alembic import op

revision = "0012"
down_revision = "0011"

_UP = """
CREATE TABLE rowcast.row_history (
    renderer       text NOT NULL,
    key            text NOT NULL,
    generation     bigint NOT NULL,
    revision       bigint NOT NULL,
    deleted        boolean NOT NULL,
    row            jsonb NOT NULL,
    actor          text,
    actor_verified boolean NOT NULL,
    changed_at     timestamptz NOT NULL,
    PRIMARY KEY (renderer, key, generation)
);

-- SECURITY DEFINER: the role that crud serves as locks captured rows, and writes no history.
CREATE FUNCTION rowcast.keep_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO rowcast.row_history
        (renderer, key, generation, revision, deleted, row, actor, actor_verified, changed_at)
    SELECT renderer, key, generation, revision, deleted, row, actor, actor_verified, changed_at
    FROM new_rows WHERE generation > 0
    ON CONFLICT DO NOTHING;
    DELETE FROM rowcast.row_history AS past USING new_rows AS latest
    WHERE latest.generation > 100 AND (past.renderer, past.key) = (latest.renderer, latest.key)
        AND past.generation <= latest.generation - 100;
    RETURN NULL;
END $$;

CREATE TRIGGER rows_inserted AFTER INSERT ON rowcast.rows REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.keep_history();
CREATE TRIGGER rows_updated AFTER UPDATE ON rowcast.rows REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.keep_history();
ALTER TABLE rowcast.rows ENABLE ALWAYS TRIGGER rows_inserted, ENABLE ALWAYS TRIGGER rows_updated;

INSERT INTO rowcast.row_history (renderer, key, generation, revision, deleted, row, actor, actor_verified, changed_at)
SELECT renderer, key, generation, revision, deleted, row, actor, actor_verified, changed_at
FROM rowcast.rows WHERE generation > 0;
"""

_DOWN = """
DROP TRIGGER rows_inserted ON rowcast.rows;
DROP TRIGGER rows_updated ON rowcast.rows;
DROP FUNCTION rowcast.keep_history;
DROP TABLE rowcast.row_history;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
