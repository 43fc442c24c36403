"""Since when a GitOps engine says what it says: its word is told anew at least every minute."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE public.gitops_progress ADD COLUMN since timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE public.gitops_progress DROP COLUMN since")
