"""Alembic's entry point; `migrate.py` hands it an open connection."""

from alembic import context

from rowcast.crud.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema="public",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
