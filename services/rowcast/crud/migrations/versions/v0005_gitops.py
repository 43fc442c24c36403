"""What became of a commit after it was made: pull requests, and what the GitOps engine has applied."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE public.sync_statuses
    ADD COLUMN stage text,
    ADD COLUMN link  text;

-- The last that a target told of its GitOps engine; which rows are behind, and what is wrong with single ones.
CREATE TABLE public.gitops_progress (
    target            text PRIMARY KEY,
    application       text NOT NULL,
    revision          text,
    sync              text NOT NULL,
    health            text NOT NULL,
    message           text,
    observed_at       timestamptz NOT NULL,
    pending           bigint[] NOT NULL,
    pending_truncated boolean NOT NULL,
    errors            jsonb NOT NULL
);
"""


def upgrade() -> None:
    op.execute(_TABLES)


def downgrade() -> None:
    op.execute("DROP TABLE public.gitops_progress")
    op.execute("ALTER TABLE public.sync_statuses DROP COLUMN stage, DROP COLUMN link")
