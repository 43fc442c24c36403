"""The tables, as the migrations left them. The migrations are the truth; nothing is created from here."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="public")

_TIME = DateTime(timezone=True)

app_configs = Table(
    "app_configs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text(collation="C"), nullable=False),
    Column("repository_url", Text(collation="C"), nullable=False),
    Column("branch", Text(collation="C"), nullable=False),
    Column("environment", Text(collation="C"), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Column("updated_by", Text, nullable=False),
)

history = Table(
    "app_config_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("row_id", BigInteger, nullable=False),
    Column("change", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("changed_at", _TIME, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
)

sync_statuses = Table(
    "sync_statuses",
    metadata,
    Column("row_id", BigInteger, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("observed_generation", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reference", Text),
    Column("error", Text),
    Column("saved_at", _TIME),
    Column("captured_at", _TIME),
    Column("delivered_at", _TIME, nullable=False),
    Column("recorded_at", _TIME, nullable=False),
)
