"""What nobody can have meant, kept from before statuses were bounded: it broke the lists of everybody."""

from alembic import op

revision = "0008"
down_revision = "0007"

_MENDED = """
UPDATE public.sync_statuses SET saved_at = NULL
WHERE saved_at NOT BETWEEN '2000-01-01Z' AND now() + interval '1 day';
UPDATE public.sync_statuses SET captured_at = NULL
WHERE captured_at NOT BETWEEN '2000-01-01Z' AND now() + interval '1 day';
UPDATE public.sync_statuses SET delivered_at = now() WHERE delivered_at NOT BETWEEN '2000-01-01Z' AND now();
UPDATE public.sync_statuses SET observed_generation = 0 WHERE observed_generation > 9007199254740991;
UPDATE public.sync_statuses SET error = left(error, 2000) WHERE length(error) > 2000;
UPDATE public.gitops_progress SET observed_at = now() WHERE observed_at NOT BETWEEN '2000-01-01Z' AND now();
UPDATE public.gitops_progress SET since = NULL WHERE since NOT BETWEEN '2000-01-01Z' AND now() + interval '1 day';
UPDATE public.dead_letters SET dead_lettered_at = received_at
WHERE dead_lettered_at NOT BETWEEN '2000-01-01Z' AND now() + interval '1 day';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_MENDED)


def downgrade() -> None:
    """There is nothing to take back."""
