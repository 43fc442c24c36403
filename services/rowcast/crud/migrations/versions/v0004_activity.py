"""Who changed what, newest first: the activity of one person, without reading everybody's."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("app_config_history_changed_by", "app_config_history", ["changed_by", "id"], schema="public")


def downgrade() -> None:
    op.drop_index("app_config_history_changed_by", "app_config_history", schema="public")
