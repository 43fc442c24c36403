"""The table of configurations, its history, its publication, and what became of each row."""

from alembic import op

revision = "0001"
down_revision = None

_HOST = r"([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_TABLES = rf"""
CREATE TABLE public.app_configs (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text COLLATE "C" NOT NULL,
    repository_url text COLLATE "C" NOT NULL,
    branch         text COLLATE "C" NOT NULL DEFAULT 'main',
    environment    text COLLATE "C" NOT NULL,
    generation     bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    updated_by     text NOT NULL DEFAULT session_user,
    -- Deferrable, so that two rows can swap their names in one transaction.
    CONSTRAINT app_configs_name_unique UNIQUE (name) DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT app_configs_name_dns_1123_label
        CHECK (length(name) <= 63 AND name ~ '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'),
    CONSTRAINT app_configs_environment_dns_1123_label
        CHECK (length(environment) <= 63 AND environment ~ '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'),
    CONSTRAINT app_configs_repository_url_url
        CHECK (length(repository_url) <= 2048 AND repository_url ~ (
            '^((https?|ssh|git)://([A-Za-z0-9._~%+-]+@)?{_HOST}(:[0-9]{{1,5}})?/[!-~]+'
            '|[A-Za-z0-9._-]+@{_HOST}:[!-.0-~][!-~]*'
            '|file:///[!-~]+)$')),
    CONSTRAINT app_configs_branch_git_branch
        CHECK (length(branch) BETWEEN 1 AND 255 AND branch !~ (
            '[\x01-\x20\x7f~^:?*\[\\]'
            '|\.\.|@\{{|//'
            '|^[-/.]|[/.]$|/\.|\.lock(/|$)|^@$')),
    CONSTRAINT app_configs_generation_positive CHECK (generation >= 1),
    CONSTRAINT app_configs_updated_by_user CHECK (length(updated_by) BETWEEN 1 AND 200)
);
CREATE INDEX app_configs_environment_name ON public.app_configs (environment, name);
CREATE INDEX app_configs_updated_at ON public.app_configs (updated_at, id);
ALTER TABLE public.app_configs REPLICA IDENTITY FULL;

CREATE TABLE public.app_config_history (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    row_id     bigint NOT NULL,
    change     text NOT NULL CHECK (change IN ('created', 'updated', 'deleted')),
    generation bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    before     jsonb,
    after      jsonb
);
CREATE INDEX app_config_history_row ON public.app_config_history (row_id, id);

-- No foreign key: what became of a row is known only after the row is gone.
CREATE TABLE public.sync_statuses (
    row_id              bigint NOT NULL,
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
    PRIMARY KEY (row_id, target)
);

-- Debezium updates it now and then (heartbeat.action.query), so that an idle captured table holds back no WAL.
CREATE TABLE public.rowcast_heartbeat (
    id      integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    beat_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO public.rowcast_heartbeat DEFAULT VALUES;
"""

_FUNCTIONS = """
-- Who makes the change: the person that the API names for this transaction, or else the one who logged in.
CREATE FUNCTION public.rowcast_actor() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(nullif(current_setting('rowcast.actor', true), ''), session_user) $$;

CREATE FUNCTION public.rowcast_app_configs_before() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.generation := 1;
        NEW.created_at := now();
        NEW.updated_at := NEW.created_at;
        NEW.updated_by := public.rowcast_actor();
        RETURN NEW;
    END IF;
    IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
        RAISE EXCEPTION 'id and created_at of app_configs never change' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.name, NEW.repository_url, NEW.branch, NEW.environment)
        = (OLD.name, OLD.repository_url, OLD.branch, OLD.environment)
        AND coalesce(current_setting('rowcast.deleting', true), '') <> 'on' THEN
        -- Nothing that is rendered changed: the same generation, so the event is delivered again and changes nothing.
        RETURN OLD;
    END IF;
    NEW.generation := OLD.generation + 1;
    NEW.updated_at := now();
    NEW.updated_by := public.rowcast_actor();
    RETURN NEW;
END $$;

-- SECURITY DEFINER: whoever may change the table need not be able to write its history.
CREATE FUNCTION public.rowcast_app_configs_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    deleting boolean := coalesce(current_setting('rowcast.deleting', true), '') = 'on';
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.app_config_history (row_id, change, generation, changed_by, after)
        VALUES (NEW.id, 'created', NEW.generation, NEW.updated_by, to_jsonb(NEW));
    ELSIF TG_OP = 'UPDATE' AND deleting THEN
        -- The API marks a row with the person who deletes it and then deletes it: one entry, which this is.
        INSERT INTO public.app_config_history (row_id, change, generation, changed_by, before)
        VALUES (OLD.id, 'deleted', NEW.generation, NEW.updated_by, to_jsonb(OLD));
    ELSIF TG_OP = 'UPDATE' AND NEW.generation <> OLD.generation THEN
        INSERT INTO public.app_config_history (row_id, change, generation, changed_by, before, after)
        VALUES (NEW.id, 'updated', NEW.generation, NEW.updated_by, to_jsonb(OLD), to_jsonb(NEW));
    ELSIF TG_OP = 'DELETE' AND NOT deleting THEN
        INSERT INTO public.app_config_history (row_id, change, generation, changed_by, before)
        VALUES (OLD.id, 'deleted', OLD.generation, public.rowcast_actor(), to_jsonb(OLD));
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.rowcast_refuse_truncate() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of % is refused: change capture would not see it', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Use DELETE.';
END $$;
"""

_TRIGGERS = """
CREATE TRIGGER app_configs_before BEFORE INSERT OR UPDATE ON public.app_configs
    FOR EACH ROW EXECUTE FUNCTION public.rowcast_app_configs_before();
CREATE TRIGGER app_configs_history AFTER INSERT OR UPDATE OR DELETE ON public.app_configs
    FOR EACH ROW EXECUTE FUNCTION public.rowcast_app_configs_history();
CREATE TRIGGER app_configs_no_truncate BEFORE TRUNCATE ON public.app_configs
    FOR EACH STATEMENT EXECUTE FUNCTION public.rowcast_refuse_truncate();
CREATE PUBLICATION rowcast FOR TABLE public.app_configs, public.rowcast_heartbeat
    WITH (publish = 'insert, update, delete');
"""

_DOWN = """
DROP PUBLICATION rowcast;
DROP TABLE public.app_configs, public.app_config_history, public.sync_statuses, public.rowcast_heartbeat;
DROP FUNCTION public.rowcast_app_configs_before, public.rowcast_app_configs_history, public.rowcast_refuse_truncate;
DROP FUNCTION public.rowcast_actor;
"""


def _run(statements: str) -> None:
    # Past SQLAlchemy's own parsing, for which the colons of the patterns are parameters.
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def upgrade() -> None:
    _run(_TABLES)
    _run(_FUNCTIONS)
    _run(_TRIGGERS)


def downgrade() -> None:
    _run(_DOWN)
