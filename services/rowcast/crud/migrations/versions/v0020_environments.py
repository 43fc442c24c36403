"""In which environment each row of any table is, beside the row: rights and filters know it in SQL (decision 48).

It is the result of the declaration's expression, for one generation of the row. The trigger takes it from the row where
the expression is only a column or a plain text, and else notes that it is awaited: crud evaluates it then. Until it is
known it is NULL, which nobody's pattern fits. It is no column of `rowcast.rows`, whose every update is an event.
"""

from alembic import op
from sqlalchemy import text

from rowcast.core.shapes import shape_of
from rowcast.crud.sources.environments import plain

revision = "0020"
down_revision = "0019"

# No text is so long that an index, and so the writer's own statement, would refuse it.
_NOTED = """
    SELECT r.renderer, r.key, r.generation, known, known IS NULL
    FROM new_rows AS r
    LEFT JOIN rowcast.renderers AS declared ON (declared.name, declared.revision) = (r.renderer, r.revision)
    CROSS JOIN LATERAL (SELECT coalesce(declared.environment_text, CASE
        WHEN jsonb_typeof(r.row -> declared.environment_column) = 'string'
            AND length(r.row ->> declared.environment_column) <= 253
        THEN coalesce(nullif(r.row ->> declared.environment_column, ''), 'default') END) AS known) AS its
    WHERE r.generation > 0 AND r.renderer <> 'appconfigs'"""

_COLUMNS = """
-- What the trigger needs of a declaration: the column, or the text, that is the environment of its rows; else neither.
ALTER TABLE rowcast.renderers ADD COLUMN environment_column text, ADD COLUMN environment_text text;
"""
_UP = """
CREATE TABLE rowcast.environments (
    renderer    text NOT NULL,
    key         text NOT NULL,
    -- Of the row that it was found for.
    generation  bigint NOT NULL,
    environment text COLLATE "C",
    -- crud has not looked yet; if it has, and there is none, the expression has no value.
    awaited     boolean NOT NULL,
    PRIMARY KEY (renderer, key)
);
CREATE INDEX environments_of_renderer ON rowcast.environments (renderer, environment);
CREATE INDEX environments_awaited ON rowcast.environments (renderer, key) WHERE awaited;
CREATE INDEX environments_unknown ON rowcast.environments (renderer) WHERE environment IS NULL;

CREATE FUNCTION rowcast.keep_environment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM rowcast.environments AS e USING old_rows AS r WHERE (e.renderer, e.key) = (r.renderer, r.key);
        RETURN NULL;
    END IF;
    INSERT INTO rowcast.environments AS e (renderer, key, generation, environment, awaited) NOTED
    ON CONFLICT (renderer, key) DO UPDATE SET
        generation = excluded.generation, environment = excluded.environment, awaited = excluded.awaited
    WHERE e.generation <> excluded.generation;
    RETURN NULL;
END $$;
CREATE TRIGGER rows_inserted_somewhere AFTER INSERT ON rowcast.rows REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.keep_environment();
CREATE TRIGGER rows_updated_somewhere AFTER UPDATE ON rowcast.rows REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.keep_environment();
CREATE TRIGGER rows_gone AFTER DELETE ON rowcast.rows REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.keep_environment();
ALTER TABLE rowcast.rows ENABLE ALWAYS TRIGGER rows_inserted_somewhere,
    ENABLE ALWAYS TRIGGER rows_updated_somewhere, ENABLE ALWAYS TRIGGER rows_gone;

INSERT INTO rowcast.environments (renderer, key, generation, environment, awaited) FILLED;
ANALYZE rowcast.environments;

-- Those of the event that a letter holds, before and after; NULL where one isn't known.
ALTER TABLE public.dead_letters ADD COLUMN environments text[];
-- Those of the two rows, when it was promoted, or asked for; of configurations they are the places.
ALTER TABLE rowcast.promotions ADD COLUMN from_environment text, ADD COLUMN to_environment text;
UPDATE rowcast.promotions SET from_environment = from_place, to_environment = to_place WHERE renderer = 'appconfigs';
""".replace("NOTED", _NOTED).replace("FILLED", _NOTED.replace("FROM new_rows", "FROM rowcast.rows"))

_DOWN = """
ALTER TABLE rowcast.promotions DROP COLUMN from_environment, DROP COLUMN to_environment;
ALTER TABLE public.dead_letters DROP COLUMN environments;
DROP TRIGGER rows_inserted_somewhere ON rowcast.rows;
DROP TRIGGER rows_updated_somewhere ON rowcast.rows;
DROP TRIGGER rows_gone ON rowcast.rows;
DROP FUNCTION rowcast.keep_environment;
DROP TABLE rowcast.environments;
ALTER TABLE rowcast.renderers DROP COLUMN environment_column, DROP COLUMN environment_text;
"""


def upgrade() -> None:
    connection = op.get_bind()
    connection.exec_driver_sql(_COLUMNS)
    declared = text(
        "UPDATE rowcast.renderers SET environment_column = :column, environment_text = :text"
        " WHERE name = :name AND revision = :revision"
    )
    for name, number, spec, shape in connection.exec_driver_sql(
        'SELECT name, revision, "text", shape FROM rowcast.renderers'
    ).all():
        column, constant = plain(spec, shape_of(shape))
        connection.execute(declared, {"name": name, "revision": number, "column": column, "text": constant})
    connection.exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
