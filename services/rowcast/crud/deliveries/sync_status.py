"""What sync reports about rows: the message's shape, and how it is kept."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Connection, text

from rowcast.crud.deliveries.gitops import Progress
from rowcast.crud.subscriptions.bounds import Error, Id, Moment, Now, Number, Reference
from rowcast.crud.subscriptions.cloud_events import summary

STALE, RETRYING = "stale", "retrying"
NO_ENGINE = "none"


class ReportedStatus(BaseModel):
    """What became of one row at the message's target."""

    model_config = ConfigDict(extra="ignore")

    row_id: Id
    generation: Number
    outcome: Literal["created", "configured", "unchanged", "deleted", "stale", "elsewhere", "dead-lettered", "retrying"]
    deleted: bool = False
    reference: Reference | None = None
    error: Error | None = None
    saved_at: Moment | None = None
    captured_at: Moment | None = None
    delivered_at: Now
    cause: Literal["change", "reconcile"] = "change"
    stage: Literal["proposed"] | None = None
    link: Annotated[str, Field(pattern=r"^https?://[^\s\x00]+$", max_length=2048)] | None = None
    traceparent: Annotated[str, Field(max_length=64)] | None = Field(default=None, exclude=True)

    @property
    def order(self) -> tuple[int, bool, datetime]:
        """Of two statuses of a row, the one that is greater here is kept."""
        return (self.generation, self.deleted, self.delivered_at)


class Report(BaseModel):
    """One message: a target's statuses, those that could be read, and what was wrong with the others."""

    target: str
    statuses: list[ReportedStatus]
    malformed: list[str]
    progress: Progress | None = None
    unfollowed: bool = False
    """No engine follows the target."""


class _Envelope(BaseModel):
    target: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    statuses: list[Any]
    progress: Any = None


def read_report(data: object) -> Report:
    """Reads a message's `data`. A malformed status leaves the others usable; ValidationError if nothing is readable."""
    envelope = _Envelope.model_validate(data)
    report = Report(target=envelope.target, statuses=[], malformed=[])
    for index, raw in enumerate(envelope.statuses):
        try:
            report.statuses.append(ReportedStatus.model_validate(raw))
        except ValidationError as error:
            report.malformed.append(f"statuses[{index}]: {summary(error)}")
    if envelope.progress == NO_ENGINE:
        report.unfollowed = True
    elif envelope.progress is not None:
        try:
            report.progress = Progress.model_validate(envelope.progress)
        except ValidationError as error:
            report.malformed.append(f"progress: {summary(error)}")
    return report


def newest(statuses: Iterable[ReportedStatus]) -> list[ReportedStatus]:
    """One status a row, the newest, in the order of ids (so that two messages lock rows in one order). Stale ones are
    left out: they tell of an event, not of the row. So are those of what is retried: nothing became of it yet.
    """
    kept: dict[int, ReportedStatus] = {}
    for status in statuses:
        if status.outcome in (STALE, RETRYING):
            continue
        known = kept.get(status.row_id)
        if known is None or status.order >= known.order:
            kept[status.row_id] = status
    return [kept[row_id] for row_id in sorted(kept)]


_SAVE = text("""
INSERT INTO public.sync_statuses AS kept
    (row_id, target, observed_generation, deleted, outcome, reference, error, saved_at, captured_at, delivered_at,
     stage, link)
SELECT row_id, :target, generation, deleted, outcome, reference, error, saved_at, captured_at, delivered_at, stage, link
FROM jsonb_to_recordset(CAST(:statuses AS jsonb)) AS reported
    (row_id bigint, generation bigint, deleted boolean, outcome text, reference text, error text,
     saved_at timestamptz, captured_at timestamptz, delivered_at timestamptz, stage text, link text)
ON CONFLICT (row_id, target) DO UPDATE SET
    (observed_generation, deleted, outcome, reference, error, saved_at, captured_at, delivered_at, recorded_at,
     stage, link)
    = (excluded.observed_generation, excluded.deleted, excluded.outcome, excluded.reference, excluded.error,
       excluded.saved_at, excluded.captured_at, excluded.delivered_at, excluded.recorded_at,
       excluded.stage, excluded.link)
WHERE kept.delivered_at > now() + interval '1 minute'
    OR EXISTS (SELECT FROM public.app_configs AS present
        WHERE present.id = kept.row_id AND present.generation < kept.observed_generation)
    OR CASE WHEN CAST(:authoritative AS boolean) THEN excluded.delivered_at >= kept.delivered_at
        AND ((excluded.observed_generation, excluded.deleted) >= (kept.observed_generation, kept.deleted)
            OR NOT EXISTS (SELECT FROM public.app_configs AS present WHERE present.id = kept.row_id
                AND NOT kept.deleted AND present.generation >= kept.observed_generation))
    ELSE (excluded.observed_generation, excluded.deleted, excluded.delivered_at)
        >= (kept.observed_generation, kept.deleted, kept.delivered_at) END
""")
"""What can't be true is no obstacle: a clock that was ahead, or a generation that the table has not come to."""
_COMPLAIN = text("""
WITH reported AS (
    SELECT * FROM jsonb_to_recordset(CAST(:statuses AS jsonb)) AS reported
        (row_id bigint, generation bigint, outcome text, error text, delivered_at timestamptz)
    WHERE row_id IN (SELECT id FROM public.app_configs)
)
INSERT INTO public.sync_statuses AS kept (row_id, target, observed_generation, deleted, outcome, error, delivered_at)
SELECT row_id, :target, 0, false, outcome, error, delivered_at FROM reported
ON CONFLICT (row_id, target) DO UPDATE SET error = excluded.error
WHERE NOT kept.deleted
    AND kept.observed_generation < (SELECT generation FROM reported WHERE reported.row_id = excluded.row_id)
""")
"""Keeps what was delivered before: the row stays pending, and the error says why. Row ids are there once each."""
_STATUSES = TypeAdapter(list[ReportedStatus])


def save(connection: Connection, target: str, statuses: Sequence[ReportedStatus]) -> int:
    """Keeps each row's newest status; the number of rows whose status is another one now.

    What a reconcile tells is of the table itself, which may have been restored to a lower generation. But what it read
    may have been overtaken, too: what is kept of the row as the table has it now, or of an earlier state, stands.
    """
    changed = 0
    for authoritative in (False, True):
        rows = newest(status for status in statuses if (status.cause == "reconcile") is authoritative)
        if rows:
            parameters = {"target": target, "statuses": _STATUSES.dump_json(rows).decode()}
            changed += connection.execute(_SAVE, {**parameters, "authoritative": authoritative}).rowcount
    return changed + _complain(connection, target, statuses)


def _complain(connection: Connection, target: str, statuses: Iterable[ReportedStatus]) -> int:
    waiting = {status.row_id: status for status in statuses if status.outcome == RETRYING}
    if not waiting:
        return 0
    rows = [waiting[row_id] for row_id in sorted(waiting)]
    return connection.execute(_COMPLAIN, {"target": target, "statuses": _STATUSES.dump_json(rows).decode()}).rowcount
