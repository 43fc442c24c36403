"""Deletions that are on their way, how far the slot has confirmed, and the trace that each change belongs to."""

from alembic import op

from rowcast.crud.migrations.versions.v0001_app_configs import _FUNCTIONS as _BEFORE

revision = "0003"
down_revision = "0002"

_TABLES = """
-- Rows that are gone from the table and not yet from every target; crud takes one out when all have told so.
CREATE TABLE public.app_config_deletions (
    id             bigint PRIMARY KEY,
    name           text COLLATE "C" NOT NULL,
    repository_url text COLLATE "C" NOT NULL,
    branch         text COLLATE "C" NOT NULL,
    environment    text COLLATE "C" NOT NULL,
    generation     bigint NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    updated_by     text NOT NULL,
    deleted_at     timestamptz NOT NULL DEFAULT now()
);

-- A place in the log and when it was there. It moves on only when the slot has confirmed it: so its age is how far the
-- slot is behind, in time, whoever asks and whatever has been restarted meanwhile.
ALTER TABLE public.rowcast_heartbeat
    ADD COLUMN slot_name  text NOT NULL DEFAULT 'rowcast',
    ADD COLUMN marked_lsn pg_lsn,
    ADD COLUMN marked_at  timestamptz;

-- The trace (W3C Trace Context) of the transaction that wrote the row, and that transaction's id as its change event
-- has it: an event of another transaction, such as a direct DELETE or a snapshot, is not of this trace.
ALTER TABLE public.app_configs
    ADD COLUMN traceparent text,
    ADD COLUMN traced_txid bigint;
"""

_FUNCTIONS = """
CREATE FUNCTION public.rowcast_heartbeat_mark() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    here pg_lsn := pg_current_wal_insert_lsn();
    confirmed pg_lsn;
BEGIN
    SELECT confirmed_flush_lsn INTO confirmed FROM pg_replication_slots WHERE slot_name = NEW.slot_name;
    -- A mark beyond the end of the log is of another server, from which this database was restored.
    IF OLD.marked_lsn IS NULL OR OLD.marked_lsn > here OR confirmed >= OLD.marked_lsn THEN
        NEW.marked_lsn := here;
        NEW.marked_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rowcast_heartbeat_mark BEFORE UPDATE ON public.rowcast_heartbeat
    FOR EACH ROW EXECUTE FUNCTION public.rowcast_heartbeat_mark();

CREATE OR REPLACE FUNCTION public.rowcast_app_configs_before() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.generation := 1;
        NEW.created_at := now();
        NEW.updated_at := NEW.created_at;
    ELSE
        IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
            RAISE EXCEPTION 'id and created_at of app_configs never change' USING ERRCODE = 'restrict_violation';
        END IF;
        IF (NEW.name, NEW.repository_url, NEW.branch, NEW.environment)
            = (OLD.name, OLD.repository_url, OLD.branch, OLD.environment)
            AND coalesce(current_setting('rowcast.deleting', true), '') <> 'on' THEN
            -- Nothing that is rendered changed: the same generation, so the event changes nothing when delivered again.
            RETURN OLD;
        END IF;
        NEW.generation := OLD.generation + 1;
        NEW.updated_at := now();
    END IF;
    NEW.updated_by := public.rowcast_actor();
    NEW.traceparent := nullif(current_setting('rowcast.traceparent', true), '');
    NEW.traced_txid := NULL;
    IF NEW.traceparent IS NOT NULL THEN
        -- Change events carry the 32 bits of it that are in the log.
        NEW.traced_txid := pg_current_xact_id()::text::numeric % 4294967296;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION public.rowcast_app_configs_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    deleting boolean := coalesce(current_setting('rowcast.deleting', true), '') = 'on';
    hidden text[] := '{traceparent,traced_txid}';
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.app_config_history (row_id, change, generation, changed_by, after)
        VALUES (NEW.id, 'created', NEW.generation, NEW.updated_by, to_jsonb(NEW) - hidden);
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND deleting THEN
        -- The API marks a row with the person who deletes it and then deletes it: one entry, which this is.
        INSERT INTO public.app_config_history (row_id, change, generation, changed_by, before)
        VALUES (OLD.id, 'deleted', NEW.generation, NEW.updated_by, to_jsonb(OLD) - hidden);
    ELSIF TG_OP = 'UPDATE' AND NEW.generation <> OLD.generation THEN
        INSERT INTO public.app_config_history (row_id, change, generation, changed_by, before, after)
        VALUES (NEW.id, 'updated', NEW.generation, NEW.updated_by, to_jsonb(OLD) - hidden, to_jsonb(NEW) - hidden);
    ELSIF TG_OP = 'DELETE' THEN
        IF NOT deleting THEN
            INSERT INTO public.app_config_history (row_id, change, generation, changed_by, before)
            VALUES (OLD.id, 'deleted', OLD.generation, public.rowcast_actor(), to_jsonb(OLD) - hidden);
        END IF;
        INSERT INTO public.app_config_deletions
            (id, name, repository_url, branch, environment, generation, created_at, updated_at, updated_by)
        VALUES (OLD.id, OLD.name, OLD.repository_url, OLD.branch, OLD.environment, OLD.generation, OLD.created_at,
            now(), CASE WHEN deleting THEN OLD.updated_by ELSE public.rowcast_actor() END)
        ON CONFLICT (id) DO UPDATE SET (generation, deleted_at) = (excluded.generation, excluded.deleted_at);
    END IF;
    RETURN NULL;
END $$;
"""

_DOWN = """
DROP TRIGGER rowcast_heartbeat_mark ON public.rowcast_heartbeat;
DROP FUNCTION public.rowcast_heartbeat_mark;
DROP TABLE public.app_config_deletions;
ALTER TABLE public.rowcast_heartbeat DROP COLUMN slot_name, DROP COLUMN marked_lsn, DROP COLUMN marked_at;
ALTER TABLE public.app_configs DROP COLUMN traceparent, DROP COLUMN traced_txid;
"""


def _run(statements: str) -> None:
    # Past SQLAlchemy's own parsing, as in the first migration.
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def upgrade() -> None:
    _run(_TABLES)
    _run(_FUNCTIONS)


def downgrade() -> None:
    _run(_BEFORE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    _run(_DOWN)
