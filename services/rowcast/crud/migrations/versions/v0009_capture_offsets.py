"""How far `rowcast capture` has read, one row a replication slot. Kafka Connect keeps that in Kafka instead.

It is no table of crud's: only the role that replicates is granted anything (roles.py), and nothing publishes it.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

_TABLE = """
CREATE TABLE public.rowcast_capture_offsets (
    slot_name         text COLLATE "C" PRIMARY KEY,
    -- The engine's own form.
    "position"        jsonb NOT NULL,
    -- Whose log the position is in: a database that was restored elsewhere has another one.
    system_identifier text NOT NULL,
    timeline          integer NOT NULL,
    saved_at          timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TABLE)


def downgrade() -> None:
    op.get_bind().exec_driver_sql("DROP TABLE public.rowcast_capture_offsets")
