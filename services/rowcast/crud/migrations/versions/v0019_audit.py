"""Who did what, and who was refused what: rows that are added, and go when they are old.

Nobody changes one: the trigger refuses it to every role, the owner's too, and to delete what is younger than 30 days.
An owner who means to can take the trigger away; whoever serves can't.
"""

from alembic import op

revision = "0019"
down_revision = "0018"

_UP = """
CREATE TABLE rowcast.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    way text NOT NULL,
    issuer text,
    subject text NOT NULL,
    person text NOT NULL,
    verified boolean NOT NULL,
    act text NOT NULL,
    renderer text,
    environments text[] NOT NULL DEFAULT '{}',
    operation text NOT NULL,
    path text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
    why text,
    request_id text
);
CREATE INDEX audit_at ON rowcast.audit (at);
CREATE INDEX audit_subject ON rowcast.audit (subject, id);

CREATE FUNCTION rowcast.audit_is_kept() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- The database's own time: whoever serves dates nothing back, so that it would go early.
        NEW.at := clock_timestamp();
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < clock_timestamp() - interval '30 days' THEN RETURN OLD; END IF;
    END IF;
    RAISE EXCEPTION 'the audit is added to, and what is older than 30 days may go; nothing else'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_is_kept BEFORE INSERT OR UPDATE OR DELETE ON rowcast.audit
    FOR EACH ROW EXECUTE FUNCTION rowcast.audit_is_kept();
CREATE TRIGGER audit_is_not_truncated BEFORE TRUNCATE ON rowcast.audit
    FOR EACH STATEMENT EXECUTE FUNCTION rowcast.audit_is_kept();
ALTER TABLE rowcast.audit ENABLE ALWAYS TRIGGER audit_is_kept;
ALTER TABLE rowcast.audit ENABLE ALWAYS TRIGGER audit_is_not_truncated;

-- SECURITY DEFINER: the role that crud serves as deletes nothing here but by this.
CREATE FUNCTION rowcast.prune_audit(older_than interval, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE pruned bigint;
BEGIN
    IF older_than < interval '30 days' THEN RAISE EXCEPTION 'the audit is kept for 30 days at least'; END IF;
    DELETE FROM rowcast.audit WHERE id IN (
        SELECT id FROM rowcast.audit WHERE at < now() - older_than ORDER BY at LIMIT batch FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;
REVOKE ALL ON FUNCTION rowcast.prune_audit FROM PUBLIC;
"""

_DOWN = """
DROP FUNCTION rowcast.prune_audit;
DROP TABLE rowcast.audit;
DROP FUNCTION rowcast.audit_is_kept;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
