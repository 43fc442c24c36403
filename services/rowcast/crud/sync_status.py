"""What sync reports about rows: the message's shape, and how it is kept."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, func, tuple_
from sqlalchemy.dialects.postgresql import insert

from rowcast.crud.models import sync_statuses
from rowcast.crud.schemas import MAX_ID

STALE = "stale"
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class ReportedStatus(BaseModel):
    """What became of one row at the message's target."""

    model_config = ConfigDict(extra="ignore")

    row_id: Annotated[int, Field(ge=1, le=MAX_ID)]
    generation: Annotated[int, Field(ge=0, le=MAX_ID)]
    outcome: Literal["created", "configured", "unchanged", "deleted", "stale", "dead-lettered"]
    deleted: bool = False
    reference: Text | None = None
    error: Text | None = None
    saved_at: AwareDatetime | None = None
    captured_at: AwareDatetime | None = None
    delivered_at: AwareDatetime

    @property
    def order(self) -> tuple[int, bool, datetime]:
        """Of two statuses of a row, the one that is greater here is kept."""
        return (self.generation, self.deleted, self.delivered_at)


class Report(BaseModel):
    """One message: a target's statuses, those that could be read, and what was wrong with the others."""

    target: str
    statuses: list[ReportedStatus]
    malformed: list[str]


class _Envelope(BaseModel):
    target: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    statuses: list[Any]


def read_report(data: object) -> Report:
    """Reads a message's `data`. A malformed status leaves the others usable; ValidationError if nothing is readable."""
    envelope = _Envelope.model_validate(data)
    report = Report(target=envelope.target, statuses=[], malformed=[])
    for index, raw in enumerate(envelope.statuses):
        try:
            report.statuses.append(ReportedStatus.model_validate(raw))
        except ValidationError as error:
            report.malformed.append(f"statuses[{index}]: {summary(error)}")
    return report


def summary(error: ValidationError) -> str:
    """One line: fields and reasons, no values."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'data'}: {e['msg']}" for e in error.errors())


def newest(statuses: Iterable[ReportedStatus]) -> list[ReportedStatus]:
    """One status a row, the newest, in the order of ids (so that two messages lock rows in one order). Stale ones are
    left out: they tell of an event, not of the row.
    """
    kept: dict[int, ReportedStatus] = {}
    for status in statuses:
        if status.outcome == STALE:
            continue
        known = kept.get(status.row_id)
        if known is None or status.order >= known.order:
            kept[status.row_id] = status
    return [kept[row_id] for row_id in sorted(kept)]


def save(connection: Connection, target: str, statuses: Sequence[ReportedStatus]) -> int:
    """Keeps each row's newest status in one statement; the number of rows whose status is another one now."""
    rows = [
        {
            "row_id": status.row_id,
            "target": target,
            "observed_generation": status.generation,
            **status.model_dump(exclude={"row_id", "generation"}),
            "recorded_at": func.clock_timestamp(),
        }
        for status in newest(statuses)
    ]
    if not rows:
        return 0
    statement = insert(sync_statuses).values(rows)
    fresh, table = statement.excluded, sync_statuses
    changed = [name for name in table.c.keys() if name not in ("row_id", "target")]  # noqa: SIM118 - a column collection
    statement = statement.on_conflict_do_update(
        index_elements=[table.c.row_id, table.c.target],
        set_={name: fresh[name] for name in changed},
        where=_order(fresh) >= _order(table.c),
    )
    return connection.execute(statement).rowcount


def _order(columns: Any) -> Any:
    return tuple_(columns.observed_generation, columns.deleted, columns.delivered_at)
