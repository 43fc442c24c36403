"""The whole table as of one moment, read through a cursor of the server's so that its size doesn't matter here."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, func, select, text

from rowcast.core.targets import TargetKind
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
    """What a target has reported of a row; `stage` and `stage_error` as in the API's statuses."""

    generation: int
    deleted: bool
    outcome: str
    stage: str | None
    stage_error: str | None


@dataclass(frozen=True)
class _Part:
    """The rows of one table, what names one of them, and what was told of some, each with whose it is."""

    query: Select[Any]
    name: Callable[[RowMapping], Hashable]
    statuses: Callable[[Connection, Sequence[Any]], Sequence[RowMapping]]
    whose: Callable[[RowMapping], Hashable]


def _configurations(wanted: ColumnElement[bool]) -> _Part:
    application = func.coalesce(app_configs.c.application, app_configs.c.name).label("application")
    others = (column for column in app_configs.c if column.name != application.name)
    query = select(*others, application).where(wanted).order_by(app_configs.c.id)
    return _Part(query, lambda row: int(row["id"]), statuses, lambda status: int(status["row_id"]))


def _of_others(wanted: ColumnElement[bool]) -> _Part:
    query = select(rows).where(wanted, of_rows.readable(), ~rows.c.deleted).order_by(rows.c.renderer, rows.c.key)
    return _Part(query, of_rows.key_of, of_rows.statuses, of_rows.key_of)


class Snapshot:
    """One REPEATABLE READ transaction. `moment` is read at once, so that what fails fails before the first byte."""

    def __init__(
        self,
        engine: Engine,
        configurations: ColumnElement[bool] | None,
        others: ColumnElement[bool] | None = None,
        targets: Mapping[str, TargetKind] | None = None,
    ) -> None:
        """Those `configurations` and those of `rowcast.rows` that fulfil a condition, with what `targets` (and others)
        have reported of each, if any are named, by their kinds. Raises TransientError.
        """
        self._parts = [
            *([] if configurations is None else [_configurations(configurations)]),
            *([] if others is None else [_of_others(others)]),
        ]
        self.targets = targets or {}
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
        """Configurations in the order of ids, then the others by renderer and key, some at a time, each with what was
        reported of it, by target. Raises TransientError; closes at the end.
        """
        with translated(), self._transaction:
            streaming = self._connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
            for part in self._parts:
                for found in streaming.execute(part.query).mappings().partitions(ROWS_AT_ONCE):
                    reported = self._reported(part, [part.name(row) for row in found]) if self.targets else {}
                    yield [(row, reported.get(part.name(row), {})) for row in found]

    def _reported(self, part: _Part, names: Sequence[Hashable]) -> dict[Hashable, dict[str, Reported | None]]:
        found: dict[Hashable, dict[str, Reported | None]] = {name: dict.fromkeys(self.targets) for name in names}
        for one in part.statuses(self._connection, names):
            found[part.whose(one)][one["target"]] = Reported(
                generation=one["observed_generation"],
                deleted=one["deleted"],
                outcome=one["outcome"],
                stage=one["stage"],
                stage_error=one["stage_error"],
            )
        return found

    def _begin(self, connection: Connection) -> Moment:
        counts = (select(func.count()).select_from(part.query.order_by(None).subquery()) for part in self._parts)
        total = sum(connection.execute(count).scalar_one() for count in counts)
        # After the transaction's snapshot was taken by the statements above: no row of it is later in the log.
        found = connection.execute(_MOMENT).mappings().one()
        return Moment(found["taken_at"], found["lsn"], total, found["visible"])
