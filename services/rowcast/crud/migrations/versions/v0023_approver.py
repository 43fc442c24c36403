"""Who has approved a change goes with its row, as who has made it does."""

from alembic import op

revision = "0023"
down_revision = "0022"

_UP = """
ALTER TABLE rowcast.rows ADD COLUMN approved_by text;

-- Whatever writes a row, its approver is that of the transaction, or nobody. Only who keeps crud's bookkeeping, which
-- is crud, may name one.
CREATE FUNCTION rowcast.note_approver() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.approved_by := CASE WHEN has_table_privilege(session_user, 'public.sync_statuses', 'INSERT')
        THEN left(nullif(current_setting('rowcast.approved_by', true), ''), 200) END;
    RETURN NEW;
END $$;
CREATE TRIGGER rows_approved BEFORE INSERT OR UPDATE ON rowcast.rows FOR EACH ROW
    WHEN (NEW.approved_by IS NOT NULL OR coalesce(current_setting('rowcast.approved_by', true), '') <> '')
    EXECUTE FUNCTION rowcast.note_approver();
ALTER TABLE rowcast.rows ENABLE ALWAYS TRIGGER rows_approved;
"""

_DOWN = """
DROP TRIGGER rows_approved ON rowcast.rows;
DROP FUNCTION rowcast.note_approver;
ALTER TABLE rowcast.rows DROP COLUMN approved_by;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
