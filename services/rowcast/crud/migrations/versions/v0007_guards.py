"""What the code assumes, the database enforces: triggers that always fire, ids used once, names for ON CONFLICT; and
whether a login vouched for the person who made a change.
"""

from alembic import op

from rowcast.crud.migrations.versions.v0001_app_configs import _FUNCTIONS as _FIRST
from rowcast.crud.migrations.versions.v0003_observation import _FUNCTIONS as _THIRD

revision = "0007"
down_revision = "0006"

_TABLES = """
ALTER TABLE public.app_configs
    ADD COLUMN updated_by_verified boolean NOT NULL DEFAULT false,
    -- The name that the row has for everybody else while a transaction renames it through a temporary one.
    ADD COLUMN committed_name text COLLATE "C";
ALTER TABLE public.app_config_history ADD COLUMN changed_by_verified boolean NOT NULL DEFAULT false;

-- What carries ids as JSON numbers rounds them above 2^53, and a rounded one is another row's.
ALTER TABLE public.app_configs
    ADD CONSTRAINT app_configs_id_exact CHECK (id BETWEEN 1 AND 9007199254740991) NOT VALID,
    ADD CONSTRAINT app_configs_generation_exact CHECK (generation <= 9007199254740991) NOT VALID;

-- Not deferrable, as ON CONFLICT (name) takes no other.
ALTER TABLE public.app_configs DROP CONSTRAINT app_configs_name_unique;
CREATE UNIQUE INDEX app_configs_name_unique ON public.app_configs (name);
"""

# What Python's str.isprintable refuses (rules.check_user), but for code points that no text has: control characters,
# every space but the plain one, line and paragraph separators, format characters (bidirectional ones among them),
# private use, noncharacters, tags.
_UNPRINTABLE = (
    r"[\u0001-\u001f\u007f-\u00a0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u1680\u180e\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u3000\ue000-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)

_FUNCTIONS = """
-- Who makes the change: the person that the API names for this transaction, or else the one who logged in. Whatever
-- SQL names, a commit's message and a page show it as one line.
CREATE OR REPLACE FUNCTION public.rowcast_actor() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT left(regexp_replace(
    coalesce(nullif(current_setting('rowcast.actor', true), ''), session_user), $re$UNPRINTABLE$re$, '?', 'g'), 200)
$$;

-- Whether a login vouched for that very person. Only who keeps crud's bookkeeping, which is crud, may say so.
CREATE FUNCTION public.rowcast_actor_verified() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT coalesce(current_setting('rowcast.actor_verified', true), '') = 'on'
    AND coalesce(current_setting('rowcast.actor', true), '') = public.rowcast_actor()
    AND has_table_privilege(session_user, 'public.sync_statuses', 'INSERT')
$$;

CREATE OR REPLACE FUNCTION public.rowcast_app_configs_before() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    deleting boolean := coalesce(current_setting('rowcast.deleting', true), '') = 'on';
    known_as text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.generation := 1;
        NEW.created_at := now();
        NEW.updated_at := NEW.created_at;
        NEW.committed_name := NULL;
    ELSE
        IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
            RAISE EXCEPTION 'id and created_at of app_configs never change' USING ERRCODE = 'restrict_violation';
        END IF;
        known_as := coalesce(OLD.committed_name, OLD.name);
        IF coalesce(current_setting('rowcast.renaming', true), '') = 'on' THEN
            IF (NEW.repository_url, NEW.branch, NEW.environment) <> (OLD.repository_url, OLD.branch, OLD.environment)
            THEN
                RAISE EXCEPTION 'while rowcast.renaming is on, only names change' USING ERRCODE = 'restrict_violation';
            END IF;
            -- No change yet: the same generation, no history, and its event tells the name that it is known by.
            OLD.name := NEW.name;
            OLD.committed_name := known_as;
            RETURN OLD;
        END IF;
        NEW.committed_name := NULL;
        IF OLD.committed_name IS NOT NULL AND NEW.name = OLD.name THEN
            IF NOT deleting THEN
                RAISE EXCEPTION 'row % of app_configs has a temporary name: the next change gives its own', OLD.id
                    USING ERRCODE = 'restrict_violation';
            END IF;
            NEW.committed_name := OLD.committed_name;
        END IF;
        IF (NEW.name, NEW.repository_url, NEW.branch, NEW.environment)
            = (known_as, OLD.repository_url, OLD.branch, OLD.environment) AND NOT deleting THEN
            -- Nothing that is rendered changed: the same generation, so the event changes nothing when delivered again.
            OLD.name := known_as;
            OLD.committed_name := NULL;
            RETURN OLD;
        END IF;
        NEW.generation := OLD.generation + 1;
        NEW.updated_at := now();
    END IF;
    NEW.updated_by := public.rowcast_actor();
    NEW.updated_by_verified := public.rowcast_actor_verified();
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
    hidden text[] := '{traceparent,traced_txid,committed_name}';
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM public.rowcast_use_id(NEW.id);
        INSERT INTO public.app_config_history (row_id, change, generation, changed_by, changed_by_verified, after)
        VALUES (NEW.id, 'created', NEW.generation, NEW.updated_by, NEW.updated_by_verified, to_jsonb(NEW) - hidden);
        RETURN NULL;
    END IF;
    OLD.name := coalesce(OLD.committed_name, OLD.name);
    IF TG_OP = 'UPDATE' AND deleting THEN
        -- The API marks a row with the person who deletes it and then deletes it: one entry, which this is.
        INSERT INTO public.app_config_history (row_id, change, generation, changed_by, changed_by_verified, before)
        VALUES (OLD.id, 'deleted', NEW.generation, NEW.updated_by, NEW.updated_by_verified, to_jsonb(OLD) - hidden);
    ELSIF TG_OP = 'UPDATE' AND NEW.generation <> OLD.generation THEN
        INSERT INTO public.app_config_history
            (row_id, change, generation, changed_by, changed_by_verified, before, after)
        VALUES (NEW.id, 'updated', NEW.generation, NEW.updated_by, NEW.updated_by_verified,
            to_jsonb(OLD) - hidden, to_jsonb(NEW) - hidden);
    ELSIF TG_OP = 'DELETE' THEN
        IF NOT deleting THEN
            INSERT INTO public.app_config_history (row_id, change, generation, changed_by, changed_by_verified, before)
            VALUES (OLD.id, 'deleted', OLD.generation, public.rowcast_actor(), public.rowcast_actor_verified(),
                to_jsonb(OLD) - hidden);
        END IF;
        INSERT INTO public.app_config_deletions
            (id, name, repository_url, branch, environment, generation, created_at, updated_at, updated_by)
        VALUES (OLD.id, OLD.name, OLD.repository_url, OLD.branch, OLD.environment, OLD.generation, OLD.created_at,
            now(), CASE WHEN deleting THEN OLD.updated_by ELSE public.rowcast_actor() END)
        ON CONFLICT (id) DO UPDATE SET (generation, deleted_at) = (excluded.generation, excluded.deleted_at);
    END IF;
    RETURN NULL;
END $$;

-- An id is of one row for ever: what a target holds of it, and events that are still on their way, would pass for the
-- new row's. Ids that SQL gives itself (COPY, OVERRIDING SYSTEM VALUE) take the sequence along, or it would meet them.
CREATE FUNCTION public.rowcast_use_id(used bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sequence regclass := pg_get_serial_sequence('public.app_configs', 'id');
    last bigint := coalesce(pg_sequence_last_value(sequence), 0);
BEGIN
    IF EXISTS (SELECT FROM public.app_config_history WHERE row_id = used) THEN
        RAISE EXCEPTION 'id % of app_configs was used before: ids are used once', used
            USING ERRCODE = 'restrict_violation',
            HINT = 'Leave the id out. To put rows back from a dump, restore with --disable-triggers.';
    END IF;
    IF used > last THEN
        -- One at a time, so that nobody sets it back.
        PERFORM pg_advisory_xact_lock(7769671833);
        last := coalesce(pg_sequence_last_value(sequence), 0);
        IF used - last > 4294967296 THEN
            RAISE EXCEPTION 'id % of app_configs leaves out too many: the last was %', used, last
                USING ERRCODE = 'restrict_violation', HINT = 'Leave the id out.';
        END IF;
        IF used > last THEN
            PERFORM setval(sequence, used);
        END IF;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION public.rowcast_use_id FROM PUBLIC;

CREATE FUNCTION public.rowcast_app_configs_named() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM public.app_configs WHERE id = NEW.id AND committed_name IS NOT NULL) THEN
        RAISE EXCEPTION 'row % of app_configs still has a temporary name', NEW.id
            USING ERRCODE = 'restrict_violation',
            HINT = 'SET LOCAL rowcast.renaming = off, and give it its own in the same transaction.';
    END IF;
    RETURN NULL;
END $$;
"""

_TRIGGERS = """
-- Named as the deferrable constraint was, since the version before, beside this one in an upgrade, sets it DEFERRED.
CREATE CONSTRAINT TRIGGER app_configs_name_unique AFTER UPDATE ON public.app_configs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.committed_name IS NOT NULL)
    EXECUTE FUNCTION public.rowcast_app_configs_named();

-- Also for a replication worker, and under session_replication_role = replica.
ALTER TABLE public.app_configs
    ENABLE ALWAYS TRIGGER app_configs_before,
    ENABLE ALWAYS TRIGGER app_configs_history,
    ENABLE ALWAYS TRIGGER app_configs_no_truncate,
    ENABLE ALWAYS TRIGGER app_configs_name_unique;
ALTER TABLE public.rowcast_heartbeat ENABLE ALWAYS TRIGGER rowcast_heartbeat_mark;
"""

_DOWN = """
DROP TRIGGER app_configs_name_unique ON public.app_configs;
DROP FUNCTION public.rowcast_app_configs_named, public.rowcast_use_id, public.rowcast_actor_verified;
DROP INDEX public.app_configs_name_unique;
ALTER TABLE public.app_configs
    DROP CONSTRAINT app_configs_id_exact,
    DROP CONSTRAINT app_configs_generation_exact,
    DROP COLUMN updated_by_verified,
    DROP COLUMN committed_name,
    ADD CONSTRAINT app_configs_name_unique UNIQUE (name) DEFERRABLE INITIALLY IMMEDIATE,
    ENABLE TRIGGER app_configs_before,
    ENABLE TRIGGER app_configs_history,
    ENABLE TRIGGER app_configs_no_truncate;
ALTER TABLE public.rowcast_heartbeat ENABLE TRIGGER rowcast_heartbeat_mark;
ALTER TABLE public.app_config_history DROP COLUMN changed_by_verified;
"""


def _run(statements: str) -> None:
    # Past SQLAlchemy's own parsing, as in the first migration.
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def upgrade() -> None:
    _run(_TABLES)
    _run(_FUNCTIONS.replace("UNPRINTABLE", _UNPRINTABLE))
    _run(_TRIGGERS)


def downgrade() -> None:
    _run(_first_actor())
    _run(_third_functions())
    _run(_DOWN)


def _first_actor() -> str:
    start = _FIRST.index("CREATE FUNCTION public.rowcast_actor")
    return _replacing(_FIRST[start : _FIRST.index("$$;", start) + 3])


def _third_functions() -> str:
    return _THIRD[_THIRD.index("CREATE OR REPLACE FUNCTION public.rowcast_app_configs_before") :]


def _replacing(statements: str) -> str:
    return statements.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
