"""The tables, as the migrations left them. The migrations are the truth; nothing is created from here."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="public")

_TIME = DateTime(timezone=True)


def _told() -> tuple[Column[Any], ...]:
    """What a target has told of a row."""
    return (
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
        Column("stage", Text),
        Column("link", Text),
        Column("stage_error", Text),
        Column("staged_at", _TIME),
    )


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
    Column("updated_by_verified", Boolean, nullable=False),
    Column("application", Text(collation="C")),
)
"""`application` is NULL where it is the name."""

deletions = Table(
    "app_config_deletions",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text(collation="C"), nullable=False),
    Column("repository_url", Text(collation="C"), nullable=False),
    Column("branch", Text(collation="C"), nullable=False),
    Column("environment", Text(collation="C"), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("deleted_at", _TIME, nullable=False),
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
    Column("changed_by_verified", Boolean, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
)

sync_statuses = Table(
    "sync_statuses",
    metadata,
    Column("row_id", BigInteger, primary_key=True),
    *_told(),
)

SCHEMA = "rowcast"

rows = Table(
    "rows",
    metadata,
    Column("renderer", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("row", JSONB, nullable=False),
    Column("actor", Text),
    Column("actor_verified", Boolean, nullable=False),
    Column("traceparent", Text),
    Column("changed_at", _TIME, nullable=False),
    Column("approved_by", Text),
    schema=SCHEMA,
)

environments = Table(
    "environments",
    metadata,
    Column("renderer", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("environment", Text(collation="C")),
    Column("awaited", Boolean, nullable=False),
    schema=SCHEMA,
)
"""In which environment each row of `rows` is at its generation; NULL where that isn't known (sources/environments)."""

row_history = Table(
    "row_history",
    metadata,
    Column("renderer", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("generation", BigInteger, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("row", JSONB, nullable=False),
    Column("actor", Text),
    Column("actor_verified", Boolean, nullable=False),
    Column("changed_at", _TIME, nullable=False),
    schema=SCHEMA,
)
"""What rows were at each generation, a hundred of each; triggers of `rows` keep it."""

outstanding = Table(
    "outstanding",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("renderer", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    schema=SCHEMA,
)
"""Rows that some target may not have as they are. Triggers add entries, `deliveries/outstanding.py` takes them away."""

outstanding_for = Table(
    "outstanding_for",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("targets", ARRAY(Text), nullable=False),
    schema=SCHEMA,
)

sources = Table(
    "sources",
    metadata,
    Column("renderer", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("fault", Text),
    Column("fault_at", _TIME),
    schema=SCHEMA,
)

renderers = Table(
    "renderers",
    metadata,
    Column("name", Text(collation="C"), primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("text", Text, nullable=False),
    Column("shape", JSONB, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("applied_by", Text, nullable=False),
    Column("applied_at", _TIME, nullable=False),
    Column("environment_column", Text),
    Column("environment_text", Text),
    schema=SCHEMA,
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("renderer", Text, nullable=False),
    Column("from_key", Text, nullable=False),
    Column("from_place", Text, nullable=False),
    Column("from_generation", BigInteger, nullable=False),
    Column("to_key", Text, nullable=False),
    Column("to_place", Text, nullable=False),
    Column("to_generation", BigInteger, nullable=False),
    Column("fields", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_by_verified", Boolean, nullable=False),
    Column("asked_at", _TIME, nullable=False),
    Column("decided_by", Text),
    Column("decided_by_verified", Boolean),
    Column("decided_at", _TIME),
    Column("why", Text),
    Column("generation", BigInteger),
    Column("from_environment", Text),
    Column("to_environment", Text),
    schema=SCHEMA,
)
"""What was promoted, and what somebody has asked to; the generations `from` and `to` are those that were seen."""

row_statuses = Table(
    "statuses",
    metadata,
    Column("renderer", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    *_told(),
    schema=SCHEMA,
)
"""As `sync_statuses`, of the rows of all tables but `app_configs`."""

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("renderer", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("former", BigInteger, nullable=False),
    Column("from_revisions", ARRAY(BigInteger), nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text),
    Column("started_by", Text, nullable=False),
    Column("started_at", _TIME, nullable=False),
    Column("changed_at", _TIME, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_verified", Boolean, nullable=False),
    Column("hold_seconds", Integer, nullable=False),
    Column("ready_seconds", Integer),
    Column("failure_limit", Integer, nullable=False),
    Column("steps", JSONB, nullable=False),
    Column("impact_token", Text),
    Column("changed_since", BigInteger),
    Column("switched", Text),
    Column("approved_by", Text),
    Column("approved_by_verified", Boolean, nullable=False),
    Column("authors", ARRAY(Text), nullable=False),
    schema=SCHEMA,
)

rollout_rows = Table(
    "rollout_rows",
    metadata,
    Column("rollout", BigInteger, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("step", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("assigned_at", _TIME, nullable=False),
    schema=SCHEMA,
)
"""Rows that a roll-out has given its revision, with the one that they had; the functions of migration 14 write them."""

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", _TIME, nullable=False),
    Column("way", Text, nullable=False),
    Column("issuer", Text),
    Column("subject", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("act", Text, nullable=False),
    Column("renderer", Text),
    Column("environments", ARRAY(Text), nullable=False),
    Column("operation", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("why", Text),
    Column("request_id", Text),
    schema=SCHEMA,
)
"""Who did what, and who was refused what; rows are added, and go when they are old, and nothing else."""

proposals = Table(
    "proposals",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("renderer", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("operations", JSONB, nullable=False),
    Column("changes", JSONB, nullable=False),
    Column("environments", ARRAY(Text), nullable=False),
    Column("keys", ARRAY(Text), nullable=False),
    Column("comment", Text),
    Column("asked_by", Text, nullable=False),
    Column("asked_by_verified", Boolean, nullable=False),
    Column("authors", ARRAY(Text), nullable=False),
    Column("asked_at", _TIME, nullable=False),
    Column("replaces", BigInteger),
    Column("decided_by", Text),
    Column("decided_by_verified", Boolean),
    Column("decided_at", _TIME),
    Column("why", Text),
    Column("made", ARRAY(Text), nullable=False),
    schema=SCHEMA,
)
"""Changes that another person has to approve: what is asked for, what it does, and what became of it."""

gitops_progress = Table(
    "gitops_progress",
    metadata,
    Column("target", Text, primary_key=True),
    Column("application", Text, nullable=False),
    Column("revision", Text),
    Column("sync", Text, nullable=False),
    Column("health", Text, nullable=False),
    Column("message", Text),
    Column("observed_at", _TIME, nullable=False),
    Column("pending", ARRAY(BigInteger), nullable=False),
    Column("pending_truncated", Boolean, nullable=False),
    Column("errors", JSONB, nullable=False),
    Column("since", _TIME),
    Column("pending_rows", ARRAY(Text), nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_key", LargeBinary, nullable=False),
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("row_id", BigInteger),
    Column("renderer", Text),
    Column("key", Text),
    Column("name", Text),
    Column("generation", BigInteger),
    Column("position", JSONB, nullable=False),
    Column("event", JSONB),
    Column("event_text", Text),
    Column("occurrences", Integer, nullable=False),
    Column("dead_lettered_at", _TIME, nullable=False),
    Column("received_at", _TIME, nullable=False),
    Column("state", Text, nullable=False),
    Column("resolved_at", _TIME),
    Column("resolved_by", Text),
    Column("resolution_reason", Text),
    Column("answered_at", _TIME),
    Column("environments", ARRAY(Text)),
)

dead_letter_receipts = Table(
    "dead_letter_receipts",
    metadata,
    Column("message_key", LargeBinary, primary_key=True),
    Column("dead_letter_id", BigInteger, nullable=False),
)
