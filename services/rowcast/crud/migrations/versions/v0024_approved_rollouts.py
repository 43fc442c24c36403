"""Who has started a roll-out, by all that they go by, and whether somebody vouches for who has approved it.

Rows that it writes name its approver by the setting that a proposal's do (0023), which crud makes from these.
"""

from alembic import op

revision = "0024"
down_revision = "0023"

_UP = """
-- All that those go by who have started it, in lower case, as a proposal has its authors.
ALTER TABLE rowcast.rollouts ADD COLUMN authors text[] NOT NULL DEFAULT '{}',
    ADD COLUMN approved_by_verified boolean NOT NULL DEFAULT false;
"""

_DOWN = """
ALTER TABLE rowcast.rollouts DROP COLUMN authors, DROP COLUMN approved_by_verified;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(_DOWN)
