"""The time, as messages and reports have it."""

from datetime import UTC, datetime


def now() -> str:
    """RFC 3339, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
