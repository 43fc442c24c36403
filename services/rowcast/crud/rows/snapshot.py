"""The whole table as of one moment, read through a cursor of the server's so that its size doesn't matter here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, func, select, text

from rowcast.core.row import RowKey
from rowcast.crud.database.connections import reading, translated
from rowcast.crud.database.tables import app_configs, rows
from rowcast.crud.deliveries import of_rows
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

    def __init__(
        self,
        engine: Engine,
        row_ids: Sequence[int] = (),
        targets: Sequence[str] = (),
        others: ColumnElement[bool] | None = None,
        *,
        configurations: bool = True,
    ) -> None:
        """The whole table, or of these rows those that there are, with what `targets` (and others) have reported of
        each, if any are named. `others`: which rows of `rowcast.rows` as well; none of the `configurations` without
        those. Raises TransientError.
        """
        self._row_ids = row_ids
        self._others = others
        self._configurations = configurations
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
        """The rows in the order of ids, then those of others by renderer and key, some at a time, each with what was
        reported of it, by target. Raises TransientError; closes at the end.
        """
        with translated(), self._transaction:
            if self._configurations:
                query = self._wanted(select(app_configs).order_by(app_configs.c.id))
                for found in self._partitions(query):
                    reported = self._reported([row["id"] for row in found]) if self.targets else {}
                    yield [(row, reported.get(row["id"], {})) for row in found]
            if self._others is not None:
                query = select(rows).where(*self._other_rows()).order_by(rows.c.renderer, rows.c.key)
                for found in self._partitions(query):
                    told = self._reported_of_others([RowKey(row["renderer"], row["key"]) for row in found])
                    yield [(row, told.get(RowKey(row["renderer"], row["key"]), {})) for row in found]

    def _partitions(self, query: Select[Any]) -> Iterator[Sequence[RowMapping]]:
        streaming = self._connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
        yield from streaming.execute(query).mappings().partitions(ROWS_AT_ONCE)

    def _reported_of_others(self, named: Sequence[RowKey]) -> dict[RowKey, dict[str, Reported | None]]:
        if not self.targets:
            return {}
        found: dict[RowKey, dict[str, Reported | None]] = {row: dict.fromkeys(self.targets) for row in named}
        for one in of_rows.statuses(self._connection, named):
            found[RowKey(one["renderer"], one["key"])][one["target"]] = _reported(one)
        return found

    def _other_rows(self) -> list[ColumnElement[bool]]:
        return [] if self._others is None else [self._others, ~rows.c.deleted]

    def _reported(self, row_ids: Sequence[int]) -> dict[int, dict[str, Reported | None]]:
        found: dict[int, dict[str, Reported | None]] = {row_id: dict.fromkeys(self.targets) for row_id in row_ids}
        for one in statuses(self._connection, row_ids):
            found[one["row_id"]][one["target"]] = _reported(one)
        return found

    def _begin(self, connection: Connection) -> Moment:
        total = 0
        if self._configurations:
            total = connection.execute(self._wanted(select(func.count()).select_from(app_configs))).scalar_one()
        if self._others is not None:
            others = select(func.count()).select_from(rows).where(*self._other_rows())
            total += connection.execute(others).scalar_one()
        # After the transaction's snapshot was taken by the statement above: no row of it is later in the log.
        found = connection.execute(_MOMENT).mappings().one()
        return Moment(found["taken_at"], found["lsn"], total, found["visible"])

    def _wanted(self, query: Select[Any]) -> Select[Any]:
        return query.where(app_configs.c.id.in_(self._row_ids)) if self._row_ids else query


def _reported(status: RowMapping) -> Reported:
    return Reported(
        generation=status["observed_generation"],
        deleted=status["deleted"],
        outcome=status["outcome"],
        stage=status["stage"],
    )
