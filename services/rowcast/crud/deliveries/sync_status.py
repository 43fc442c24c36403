"""What sync reports about rows: the message's shape, and how it is kept."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from sqlalchemy import Connection, text

from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.crud.deliveries.gitops import Progress
from rowcast.crud.subscriptions.bounds import Error, Key, Moment, Now, Number, Reference, RendererName, check_key, named
from rowcast.crud.subscriptions.cloud_events import summary

STALE, RETRYING, STAGED, UNCHANGED = "stale", "retrying", "staged", "unchanged"
WRITTEN = ("created", "configured", "deleted")
NO_ENGINE = "none"


class ReportedStatus(BaseModel):
    """What became of one row at the message's target."""

    model_config = ConfigDict(extra="ignore")

    renderer: RendererName
    key: Key
    generation: Number
    outcome: Literal[
        "created", "configured", "unchanged", "deleted", "stale", "elsewhere", "dead-lettered", "retrying", "staged"
    ]
    deleted: bool = False
    reference: Reference | None = None
    error: Error | None = None
    saved_at: Moment | None = None
    captured_at: Moment | None = None
    delivered_at: Now
    cause: Literal["change", "reconcile"] = "change"
    stage: Literal["proposed", "synced", "healthy", "failed"] | None = None
    stage_error: Error | None = None
    staged_at: Now | None = None
    link: Annotated[str, Field(pattern=r"^https?://[^\s\x00]+$", max_length=2048)] | None = None
    traceparent: Annotated[str, Field(max_length=64)] | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        """A sync of before 0.3 names configurations by their ids alone."""
        return named(data)

    @model_validator(mode="after")
    def _is_a_row(self) -> Self:
        check_key(self.renderer, self.key)
        return self

    @property
    def row(self) -> RowKey:
        """Whose it is."""
        return RowKey(self.renderer, self.key)

    @property
    def order(self) -> tuple[int, bool, datetime]:
        """Of two statuses of a row, the one that is greater here is kept."""
        return (self.generation, self.deleted, self.delivered_at)

    def after(self, known: "ReportedStatus") -> "ReportedStatus":
        """This status, which says what became of the generation though it was delivered before, as `known` says."""
        same = (self.generation, self.deleted) == (known.generation, known.deleted)
        if not (same and self.outcome == UNCHANGED and known.outcome in WRITTEN):
            return self
        return self.model_copy(update={"outcome": known.outcome, "reference": known.reference or self.reference})


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
    """One status a row, the newest, in one order (so that two messages lock rows in one order). Stale ones are
    left out: they tell of an event, not of the row. So are those of what is retried: nothing became of it yet, and of
    a stage alone. What was written stays so when the same event comes once more.
    """
    kept: dict[RowKey, ReportedStatus] = {}
    for status in statuses:
        if status.outcome in (STALE, RETRYING, STAGED):
            continue
        known = kept.get(status.row)
        if known is None:
            kept[status.row] = status
        elif status.order >= known.order:
            kept[status.row] = status.after(known)
    return [kept[row] for row in sorted(kept, key=_in_order)]


_SAVE = """
INSERT INTO {table} AS kept
    ({row}, target, observed_generation, deleted, outcome, reference, error, saved_at, captured_at, delivered_at,
     stage, link, stage_error, staged_at)
SELECT {row}, :target, generation, deleted, outcome, reference, error, saved_at, captured_at, delivered_at, stage, link,
    stage_error, staged_at
FROM jsonb_to_recordset(CAST(:statuses AS jsonb)) AS reported
    ({columns}, generation bigint, deleted boolean, outcome text, reference text, error text,
     saved_at timestamptz, captured_at timestamptz, delivered_at timestamptz, stage text, link text,
     stage_error text, staged_at timestamptz)
WHERE {known}
ON CONFLICT ({row}, target) DO UPDATE SET
    (observed_generation, deleted, outcome, reference, error, saved_at, captured_at, delivered_at, recorded_at,
     link, stage, stage_error, staged_at)
    = (SELECT excluded.observed_generation, excluded.deleted,
       CASE WHEN repeated THEN kept.outcome ELSE excluded.outcome END,
       CASE WHEN repeated THEN coalesce(kept.reference, excluded.reference) ELSE excluded.reference END,
       excluded.error, excluded.saved_at, excluded.captured_at, excluded.delivered_at, excluded.recorded_at,
       excluded.link,
       CASE WHEN stays THEN kept.stage ELSE excluded.stage END,
       CASE WHEN stays THEN kept.stage_error ELSE excluded.stage_error END,
       CASE WHEN stays THEN kept.staged_at ELSE excluded.staged_at END
       FROM (SELECT same AND kept.staged_at > excluded.staged_at AND kept.staged_at < now() + interval '1 minute',
             same AND excluded.outcome = 'unchanged' AND kept.outcome IN ('created', 'configured', 'deleted')
             FROM (SELECT (kept.observed_generation, kept.deleted) = (excluded.observed_generation, excluded.deleted))
                 AS a (same)) AS b (stays, repeated))
WHERE kept.delivered_at > now() + interval '1 minute'
    OR EXISTS (SELECT FROM {present} AS present
        WHERE {same} AND present.generation < kept.observed_generation)
    OR CASE WHEN CAST(:authoritative AS boolean) THEN excluded.delivered_at >= kept.delivered_at
        AND ((excluded.observed_generation, excluded.deleted) >= (kept.observed_generation, kept.deleted)
            OR NOT EXISTS (SELECT FROM {present} AS present WHERE {same}
                AND NOT kept.deleted AND present.generation >= kept.observed_generation)
            AND NOT (kept.deleted AND {buried}))
    ELSE (excluded.observed_generation, excluded.deleted, excluded.delivered_at)
        >= (kept.observed_generation, kept.deleted, kept.delivered_at) END
"""
"""What can't be true is no obstacle: a clock that was ahead, or a generation that the table has not come to. That a row
is deleted as it was last stays, whatever of it was found and taken away since.

A stage that was judged later than the delivery stays: the delivery's status may have been on its way longer. So does
that a generation was written: its event may come more than once, and finds it as it should be then.
"""
_STAGE = """
WITH reported AS (
    SELECT * FROM jsonb_to_recordset(CAST(:statuses AS jsonb)) AS told
        ({columns}, generation bigint, stage text, stage_error text, staged_at timestamptz)
)
UPDATE {table} AS kept SET (stage, stage_error, staged_at) = (present.stage, present.stage_error, present.staged_at)
FROM reported AS present
WHERE {same} AND kept.target = :target AND kept.observed_generation = present.generation
    AND NOT kept.deleted AND kept.outcome <> 'dead-lettered'
    AND (kept.staged_at IS NULL OR kept.staged_at <= present.staged_at
        OR kept.staged_at > now() + interval '1 minute')
"""
"""Of the generation that was delivered, and of no other."""
_COMPLAIN = """
WITH reported AS (
    SELECT * FROM jsonb_to_recordset(CAST(:statuses AS jsonb)) AS kept
        ({columns}, generation bigint, outcome text, error text, delivered_at timestamptz)
    WHERE EXISTS (SELECT FROM {present} AS present WHERE {same})
)
INSERT INTO {table} AS kept ({row}, target, observed_generation, deleted, outcome, error, delivered_at)
SELECT {row}, :target, 0, false, outcome, error, delivered_at FROM reported
ON CONFLICT ({row}, target) DO UPDATE SET error = excluded.error
WHERE NOT kept.deleted
    AND kept.observed_generation < (SELECT generation FROM reported AS present WHERE {same})
"""
"""Keeps what was delivered before: the row stays pending, and the error says why. Each row is there once."""


class _Kept:
    """The statements of one of the two tables of statuses."""

    def __init__(self, **names: str) -> None:
        self.save = text(_SAVE.format(**names))
        self.complain = text(_COMPLAIN.format(**names))
        self.stage = text(_STAGE.format(**names))


_OF_CONFIGURATIONS = _Kept(
    table="public.sync_statuses",
    row="row_id",
    columns="row_id bigint",
    present="(SELECT id AS row_id, generation FROM public.app_configs)",
    same="present.row_id = kept.row_id",
    known="true",
    # Of a configuration that is gone nothing says at which generation it went, and nobody asks.
    buried="false",
)
_OF_OTHERS = _Kept(
    table="rowcast.statuses",
    row="renderer, key",
    columns="renderer text, key text",
    present="(SELECT renderer, key, generation FROM rowcast.rows WHERE NOT deleted)",
    same="(present.renderer, present.key) = (kept.renderer, kept.key)",
    # When a tombstone goes, that is one more event, whose status would stay for ever.
    known="EXISTS (SELECT FROM rowcast.rows AS r WHERE (r.renderer, r.key) = (reported.renderer, reported.key))",
    buried="EXISTS (SELECT FROM rowcast.rows AS r WHERE (r.renderer, r.key) = (kept.renderer, kept.key)"
    " AND r.deleted AND r.generation = kept.observed_generation)",
)
_STATUSES = TypeAdapter(list[ReportedStatus])


def save(connection: Connection, target: str, statuses: Sequence[ReportedStatus]) -> int:
    """Keeps each row's newest status; the number of rows whose status is another one now.

    What a reconcile tells is of the table itself, which may have been restored to a lower generation. But what it read
    may have been overtaken, too: what is kept of the row as the table has it now, or of an earlier state, stands.
    """
    changed = 0
    for kept, some in _by_table(statuses):
        for authoritative in (False, True):
            rows = newest(status for status in some if (status.cause == "reconcile") is authoritative)
            if rows:
                parameters = {"target": target, "statuses": _as_json(rows), "authoritative": authoritative}
                changed += connection.execute(kept.save, parameters).rowcount
        for outcome, statement in ((RETRYING, kept.complain), (STAGED, kept.stage)):
            last = {status.row: status for status in some if status.outcome == outcome}
            if last:
                told = _as_json([last[row] for row in sorted(last, key=_in_order)])
                changed += connection.execute(statement, {"target": target, "statuses": told}).rowcount
    return changed


def _by_table(statuses: Iterable[ReportedStatus]) -> Iterator[tuple[_Kept, list[ReportedStatus]]]:
    ours: list[ReportedStatus] = []
    others: list[ReportedStatus] = []
    for status in statuses:
        (ours if status.renderer == APP_CONFIGS else others).append(status)
    return ((kept, some) for kept, some in ((_OF_CONFIGURATIONS, ours), (_OF_OTHERS, others)) if some)


def _as_json(rows: Sequence[ReportedStatus]) -> str:
    dumped = _STATUSES.dump_python(list(rows), mode="json")
    for one in dumped:
        if one["renderer"] == APP_CONFIGS:
            one["row_id"] = int(one["key"])
    return orjson.dumps(dumped).decode()


def _in_order(row: RowKey) -> tuple[str, int, str]:
    return (row.renderer, int(row.key) if row.renderer == APP_CONFIGS else 0, row.key)
