"""Rows of any table: what is captured of them, by which declarations they are rendered, and what becomes of them.

`rowcast.rows` is written by the triggers that a declaration installs on its table (`sources/triggers.py`), and by
nobody else. It may be there already: `rowcast renderer sql` prints what a DBA runs.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

_UP = """
CREATE SCHEMA IF NOT EXISTS rowcast;
CREATE TABLE IF NOT EXISTS rowcast.sources (
    renderer text PRIMARY KEY,
    revision bigint NOT NULL,
    fault text,
    fault_at timestamptz
);
CREATE TABLE IF NOT EXISTS rowcast.rows (
    renderer text NOT NULL,
    key text NOT NULL,
    generation bigint NOT NULL,
    revision bigint NOT NULL,
    deleted boolean NOT NULL,
    row jsonb NOT NULL,
    actor text,
    actor_verified boolean NOT NULL DEFAULT false,
    traceparent text,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (renderer, key)
);
ALTER TABLE rowcast.rows REPLICA IDENTITY FULL;
CREATE INDEX IF NOT EXISTS rows_changed_at ON rowcast.rows (changed_at);

-- Revisions never change: a row says by which one it is rendered.
CREATE TABLE rowcast.renderers (
    name       text COLLATE "C" NOT NULL,
    revision   bigint NOT NULL,
    -- As it was applied, with its comments.
    "text"     text NOT NULL,
    -- The columns that its expressions were checked against.
    shape      jsonb NOT NULL,
    sha256     text NOT NULL,
    applied_by text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, revision)
);

-- As public.sync_statuses, which has those of configurations.
CREATE TABLE rowcast.statuses (
    renderer            text NOT NULL,
    key                 text NOT NULL,
    target              text NOT NULL,
    observed_generation bigint NOT NULL,
    deleted             boolean NOT NULL,
    outcome             text NOT NULL,
    reference           text,
    error               text,
    saved_at            timestamptz,
    captured_at         timestamptz,
    delivered_at        timestamptz NOT NULL,
    recorded_at         timestamptz NOT NULL DEFAULT now(),
    stage               text,
    link                text,
    PRIMARY KEY (renderer, key, target)
);
CREATE INDEX statuses_failed ON rowcast.statuses (renderer, key)
    WHERE outcome = 'dead-lettered' OR error IS NOT NULL;

ALTER TABLE public.dead_letters ADD COLUMN renderer text, ADD COLUMN key text;
CREATE INDEX dead_letters_of_any_table ON public.dead_letters (renderer, key, id) WHERE renderer IS NOT NULL;
ALTER TABLE public.gitops_progress ADD COLUMN pending_rows text[] NOT NULL DEFAULT '{}';
"""

_SEARCH_PATH = """
DO $$ BEGIN
    -- By default a role finds the schema of its own name first: an owner of that name would make its next table there.
    IF session_user = 'rowcast' AND NOT EXISTS (
        SELECT FROM pg_db_role_setting AS setting, unnest(setconfig) AS value
        WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
            AND setrole IN (0, session_user::regrole) AND value LIKE 'search_path=%'
    ) THEN
        EXECUTE format('ALTER ROLE rowcast IN DATABASE %I SET search_path = public', current_database());
    END IF;
END $$
"""

_DOWN = """
ALTER TABLE public.gitops_progress DROP COLUMN pending_rows;
ALTER TABLE public.dead_letters DROP COLUMN renderer, DROP COLUMN key;
DROP TABLE rowcast.statuses, rowcast.renderers;
"""
"""What was captured stays: the triggers of tables that are not ours go on writing it."""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)
    op.get_bind().exec_driver_sql(_SEARCH_PATH.replace("%", "%%"))


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
