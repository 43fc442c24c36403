"""Whether a replay has come to its target: a broker may take what is published and lose it."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ANSWERED = """
ALTER TABLE public.dead_letters ADD COLUMN answered_at timestamptz;
UPDATE public.dead_letters SET answered_at = resolved_at WHERE state = 'replayed';
CREATE INDEX dead_letters_unanswered ON public.dead_letters (target, id)
    WHERE state = 'replayed' AND answered_at IS NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_ANSWERED)


def downgrade() -> None:
    op.execute("ALTER TABLE public.dead_letters DROP COLUMN answered_at")
