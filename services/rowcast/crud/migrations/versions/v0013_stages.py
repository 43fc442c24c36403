"""How far objects in a cluster are beyond their delivery: the stage has a reason, and the moment it was judged."""

from alembic import op

revision = "0013"
down_revision = "0012"

_TABLES = ("public.sync_statuses", "rowcast.statuses")


def upgrade() -> None:
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN stage_error text, ADD COLUMN staged_at timestamptz")


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN stage_error, DROP COLUMN staged_at")
