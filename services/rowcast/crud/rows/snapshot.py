"""The whole table as of one moment, read through a cursor of the server's so that its size doesn't matter here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import Connection, Engine, RowMapping, Select, func, select, text

from rowcast.crud.database.connections import reading, translated
from rowcast.crud.database.tables import app_configs
from rowcast.crud.rows.queries import statuses

ROWS_AT_ONCE = 1000
_MOMENT = text(
    "SELECT now() AS taken_at, CAST(pg_current_wal_lsn() - '0/0'::pg_lsn AS bigint) AS lsn,"
    " CAST(pg_current_snapshot() AS text) AS visible"
)


@dataclass(frozen=True)
class Moment:
    """When a snapshot was taken: its time, its place in the write-ahead log (bytes), and how many rows it has.

    `visible` tells which transactions it sees, as PostgreSQL writes a `pg_snapshot`: a change can be in the log, and
    captured, before others see it (as long as a synchronous standby keeps its commit waiting, say).
    """

    taken_at: datetime
    lsn: int
    rows: int
    visible: str


class Reported(TypedDict):
    """What a target has reported of a row; `stage` as in the API's statuses."""

    generation: int
    deleted: bool
    outcome: str
    stage: str | None


class Snapshot:
    """One REPEATABLE READ transaction. `moment` is read at once, so that what fails fails before the first byte."""

    def __init__(self, engine: Engine, row_ids: Sequence[int] = (), targets: Sequence[str] = ()) -> None:
        """The whole table, or of these rows those that there are, with what `targets` (and others) have reported of
        each, if any are named. Raises TransientError.
        """
        self._row_ids = row_ids
        self.targets = targets
        self._transaction = ExitStack()
        try:
            self._connection = self._transaction.enter_context(reading(engine))
            self.moment = self._begin(self._connection)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the transaction; may be called again."""
        self._transaction.close()

    def rows(self) -> Iterator[Sequence[tuple[RowMapping, Mapping[str, Reported | None]]]]:
        """The rows in the order of ids, some at a time, each with what was reported of it, by target. Raises
        TransientError; closes at the end.
        """
        query = self._wanted(select(app_configs).order_by(app_configs.c.id))
        with translated(), self._transaction:
            streaming = self._connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
            for rows in streaming.execute(query).mappings().partitions(ROWS_AT_ONCE):
                reported = self._reported([row["id"] for row in rows]) if self.targets else {}
                yield [(row, reported.get(row["id"], {})) for row in rows]

    def _reported(self, row_ids: Sequence[int]) -> dict[int, dict[str, Reported | None]]:
        found: dict[int, dict[str, Reported | None]] = {row_id: dict.fromkeys(self.targets) for row_id in row_ids}
        for one in statuses(self._connection, row_ids):
            found[one["row_id"]][one["target"]] = Reported(
                generation=one["observed_generation"],
                deleted=one["deleted"],
                outcome=one["outcome"],
                stage=one["stage"],
            )
        return found

    def _begin(self, connection: Connection) -> Moment:
        count = self._wanted(select(func.count()).select_from(app_configs))
        rows = connection.execute(count).scalar_one()
        # After the transaction's snapshot was taken by the statement above: no row of it is later in the log.
        found = connection.execute(_MOMENT).mappings().one()
        return Moment(found["taken_at"], found["lsn"], rows, found["visible"])

    def _wanted(self, query: Select[Any]) -> Select[Any]:
        return query.where(app_configs.c.id.in_(self._row_ids)) if self._row_ids else query
