"""What became of a roll-out's rows, by what their targets have told. Every function works in the caller's transaction.

A row counts at the generation at which it was given its revision, or at a later one.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Interval,
    RowMapping,
    Select,
    Text,
    and_,
    any_,
    case,
    cast,
    false,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from rowcast.core.policy import EVERYTHING, Reach
from rowcast.core.rollout import Counts, Rollout, Seen
from rowcast.crud.access.within import within
from rowcast.crud.database.tables import environments, gitops_progress, rollout_rows, row_statuses, rows, sources
from rowcast.crud.deliveries import gitops
from rowcast.crud.deliveries.of_rows import readable
from rowcast.crud.deliveries.states import expected
from rowcast.crud.sources.environments import OF_ROW

RowState = Literal["pending", "failed", "ready"]
_SWITCHED = text("""
SELECT coalesce(switched < pg_snapshot_xmin(pg_current_snapshot()), true) FROM rowcast.rollouts WHERE id = :id
""")
FAILED, UNTOLD, UNREADY, READY = range(4)
"""What a target has made of a row: the worst first."""


def seen(connection: Connection, kept: RowMapping, rollout: Rollout, targets: Sequence[str]) -> Seen:
    """What there is to judge a roll-out by."""
    mine = (rows.c.renderer == kept["renderer"]) & ~rows.c.deleted & (rows.c.generation > 0)
    total, behind = connection.execute(
        select(func.count(), func.count().filter(rows.c.revision != kept["revision"])).where(mine)
    ).one()
    current = connection.execute(
        select(sources.c.revision).where(sources.c.renderer == kept["renderer"])
    ).scalar_one_or_none()
    back = rollout.state == "rolling-back"
    switched = current == kept["former" if back else "revision"]
    switched = switched and connection.execute(_SWITCHED, {"id": kept["id"]}).scalar_one()
    found = _by_row(kept, targets).subquery("found").c
    number = func.count()
    has_it, ours = found.revision == kept["revision"], found.step >= 0
    held_since = rollout.step.since if rollout.step.state == "holding" else None
    unsettled: ColumnElement[bool] = false()
    if held_since is not None:
        settled = (found.assigned_at < held_since) & (found.row_generation == found.generation)
        unsettled = settled & found.state.in_((UNTOLD, UNREADY))
    query = select(
        found.step,
        number.filter(has_it).label("assigned"),
        number.filter(has_it, found.state >= UNREADY).label("delivered"),
        number.filter(has_it, found.state == READY).label("ready"),
        number.filter(has_it, found.state == FAILED).label("failed"),
        number.filter(has_it, unsettled).label("unsettled"),
        number.filter(ours, ~found.told).label("untold"),
    ).group_by(found.step)
    counts = {row["step"]: dict(row) for row in connection.execute(query).mappings()}
    untold = sum(each["untold"] for each in counts.values())
    before = counts[-1]["assigned"] if -1 in counts else 0
    steps = [_counts(counts.get(place)) for place in range(len(rollout.steps))]
    failing = None
    if sum(each.failed for each in steps) > rollout.failure_limit:
        failing = next((_words(row) for row in listed(connection, kept, targets, "failed", "", 1)), None)
    going_back = total - behind - before + untold if back else 0
    return Seen(total, behind, steps, untold, switched, going_back, failing, current is not None)


def given(
    connection: Connection, kept: RowMapping, targets: Sequence[str], keys: Iterable[str]
) -> Sequence[RowMapping]:
    """Of rows that it has given a revision, by their keys: their `step`, whether each still `has_it`, its `state`, and
    whether all targets have `told`. Rows that are gone are not among them.
    """
    wanted = list(keys)
    if not wanted:
        return []
    mine = rollout_rows.c.key == any_(literal(wanted, ARRAY(Text)))
    found = _by_row(kept, targets, mine).subquery("found").c
    has_it = (found.revision == kept["revision"]).label("has_it")
    return connection.execute(select(found.key, found.step, has_it, found.state, found.told)).mappings().all()


def listed(
    connection: Connection,
    kept: RowMapping,
    targets: Sequence[str],
    state: RowState | None,
    after: str,
    limit: int,
    reach: Reach = EVERYTHING,
) -> Sequence[RowMapping]:
    """Its rows after a key, each as captured, with its worst target's own words; those that are `reach`."""
    by_row = _by_row(kept, targets).subquery("found")
    found = by_row.c
    states = {"failed": (FAILED,), "pending": (UNTOLD, UNREADY), "ready": (READY,)}
    words = case((found.state == FAILED, "failed"), (found.state == READY, "ready"), else_="pending")
    its = (rows.c.renderer == kept["renderer"]) & (rows.c.key == found.key)
    query = (
        select(
            found.key,
            found.step,
            found.row_generation.label("generation"),
            words.label("state"),
            found.target,
            found.message,
            rows.c.row,
        )
        .select_from(by_row.join(rows, its).outerjoin(environments, OF_ROW))
        .where(found.step >= 0, found.key > after, within(reach, environments.c.environment))
        .order_by(found.key)
        .limit(limit)
    )
    if state is not None:
        query = query.where(found.state.in_(states[state]))
    return connection.execute(query).mappings().all()


def _words(row: RowMapping) -> str:
    return f"{row['key']} at {row['target']}: {row['message'] or 'no reason is told'}"


def _counts(found: dict[str, Any] | None) -> Counts:
    return Counts() if found is None else Counts(**{name: found[name] for name in Counts.__dataclass_fields__})


def _by_row(kept: RowMapping, targets: Sequence[str], mine: ColumnElement[bool] | None = None) -> Select[Any]:
    """A row of each row of it that is there: its `state` is that of its worst target, whose `message` it has."""
    given, row, status = rollout_rows.c, rows.c, row_statuses.c
    wanted = expected(targets)
    stage = gitops.stage(gitops.OF_ROWS)
    told = func.coalesce((status.observed_generation >= given.generation) & ~status.deleted, False)
    nowhere = status.outcome == "elsewhere"
    trouble = status.error.is_not(None)
    refused = (status.outcome == "dead-lettered") | (trouble & ~nowhere) | func.coalesce(stage == gitops.FAILED, False)
    # A row that waits for another place, or for somebody to merge it, is not delivered.
    waits = (nowhere & trouble) | func.coalesce(stage == gitops.PROPOSED, False)
    unready = func.coalesce(stage != gitops.HEALTHY, False)
    late: ColumnElement[bool] = false()
    if kept["ready_seconds"] is not None:
        patience = cast(literal(f"{kept['ready_seconds']} seconds"), Interval)
        late = given.assigned_at < func.now() - patience
    state = case(
        (~told, UNTOLD), (refused, FAILED), (waits, UNTOLD), (unready & late, FAILED), (unready, UNREADY),
        else_=READY,
    )  # fmt: skip
    said = func.coalesce(gitops.stage_error(gitops.OF_ROWS), status.error)
    message = case(
        (told & ~refused & unready & late, func.concat(f"not ready after {kept['ready_seconds']} s: ", said)),
        else_=said,
    )
    its = and_(status.renderer == row.renderer, status.key == row.key, status.target == wanted.c.target)
    joined = (
        rollout_rows.join(rows, and_(row.renderer == kept["renderer"], row.key == given.key, ~row.deleted, readable()))
        .join(wanted, literal(True))
        .outerjoin(row_statuses, its)
        .outerjoin(gitops_progress, gitops_progress.c.target == status.target)
    )
    worst = func.array_agg(aggregate_order_by(wanted.c.target, state, wanted.c.target), type_=ARRAY(Text))
    words = func.array_agg(aggregate_order_by(message, state, wanted.c.target), type_=ARRAY(Text))
    its_row = (given.key, given.step, given.generation, given.assigned_at, row.revision, row.generation)
    return (
        select(
            given.key,
            given.step,
            given.generation,
            given.assigned_at,
            row.revision,
            row.generation.label("row_generation"),
            func.min(state).label("state"),
            func.bool_and(told).label("told"),
            worst[1].label("target"),
            words[1].label("message"),
        )
        .select_from(joined)
        .where(given.rollout == kept["id"], true() if mine is None else mine)
        .group_by(*its_row)
    )
