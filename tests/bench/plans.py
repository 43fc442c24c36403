"""What the statements of a request read in the database: each is run once more under EXPLAIN, with the same values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Engine, event

PAGE_BYTES = 8192
_READS = ("SELECT", "WITH")


@dataclass(frozen=True)
class Read:
    """A statement that read: `pages` of 8 KiB, wherever they were, `rows` that it gave, and `ms` in the database."""

    statement: str
    pages: int
    rows: int
    ms: float
    plan: dict[str, Any]


class Reads(list[tuple[str, Any]]):
    """Statements with their values, as they were sent."""

    def explained(self, engine: Engine) -> list[Read]:
        """Each run again; what only sets something is left out. Whatever one of them would change is taken back."""
        return [read for statement, values in self if (read := _explained(engine, statement, values)) is not None]


@contextmanager
def reads(engine: Engine) -> Iterator[Reads]:
    """The statements that are sent meanwhile."""
    found = Reads()

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        found.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _explained(engine: Engine, statement: str, values: Any) -> Read | None:
    text = statement.strip()
    if not text.upper().startswith(_READS):
        return None
    with engine.connect() as connection:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}"
        answer = connection.exec_driver_sql(explain, values or None).scalar_one()
        connection.rollback()
    whole = (answer if isinstance(answer, list) else orjson.loads(answer))[0]
    plan = whole["Plan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return Read(text, pages, plan["Actual Rows"], whole["Execution Time"], plan)
