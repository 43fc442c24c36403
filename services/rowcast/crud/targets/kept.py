"""What the database keeps of each target, and how one that is gone for good is forgotten. In the caller's transaction.

crud serves as a role that may take no status away: what a target has told counts until the database's owner says that
it doesn't.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from rowcast.crud.database import audit
from rowcast.crud.deliveries import deletions, gitops, outstanding
from rowcast.crud.sources.database import SourceError

QUIET = timedelta(minutes=5)
"""What an instance tells is on its way for seconds; one that tells nothing for so long is taken for gone."""
ACT, WAY, OPERATION = "targets/forget", "owner", "forgetTarget"

_KEPT = text("""
SELECT target AS name, sum(configurations)::bigint AS configurations, sum(rows)::bigint AS rows,
    sum(dead_letters)::bigint AS dead_letters, bool_or(followed) AS followed, max(told_at) AS told_at, now() AS now
FROM (
    SELECT target, count(*) AS configurations, 0 AS rows, 0 AS dead_letters, false AS followed,
        max(recorded_at) AS told_at
    FROM public.sync_statuses GROUP BY target
    UNION ALL
    SELECT target, 0, count(*), 0, false, max(recorded_at) FROM rowcast.statuses GROUP BY target
    UNION ALL
    SELECT target, 0, 0, count(*), false, max(received_at) FROM public.dead_letters WHERE state = 'open' GROUP BY target
    UNION ALL
    SELECT target, 0, 0, 0, true, observed_at FROM public.gitops_progress
) AS each GROUP BY target ORDER BY target
""")
_MAY = text("""
SELECT has_table_privilege('public.sync_statuses', 'DELETE') AND has_table_privilege('rowcast.statuses', 'DELETE')
""")
_FORGET = (
    text("DELETE FROM public.sync_statuses WHERE target = :target"),
    text("DELETE FROM rowcast.statuses WHERE target = :target"),
)
_DISCARD = text("""
UPDATE public.dead_letters SET state = 'discarded', resolved_at = now(), resolved_by = :person,
    resolution_reason = 'the target was forgotten'
WHERE target = :target AND state = 'open'
""")


@dataclass(frozen=True)
class KeptTarget:
    """What is kept of one: of how many `configurations` and `rows` of other tables it has told, when it last told
    anything (`told_at`), its open `dead_letters`, and whether a GitOps engine's word is among it (`followed`).
    """

    name: str
    configurations: int
    rows: int
    dead_letters: int
    followed: bool
    told_at: datetime
    now: datetime


def kept(connection: Connection) -> list[KeptTarget]:
    """All of which there is anything, by name. Reads the statuses of all rows: with a million, that takes a second."""
    return [KeptTarget(**row) for row in connection.execute(_KEPT).mappings()]


def known(connection: Connection, configured: Sequence[str] | None, default: Sequence[str]) -> list[str]:
    """The names that count: those that crud itself goes by, and those that whoever asks has `configured`, if any.

    The `default` is for a database at which no crud has served yet.
    """
    served = outstanding.known_targets(connection)
    if served is None and configured is None:
        return list(default)
    return list(dict.fromkeys([*(configured or ()), *(served or ())]))


def forgettable(connection: Connection, name: str, names: Sequence[str]) -> KeptTarget:
    """What there is to forget of a target. `names` are those that are known.

    Raises SourceError for one that counts, may be there, or of which nothing is kept, and for a login that may not.
    """
    if name in names:
        raise SourceError(
            f"{name} is among the targets that rows are delivered to: stop its instance and take it out of"
            " ROWCAST_TARGETS, with which crud has to be started anew"
        )
    found = next((one for one in kept(connection) if one.name == name), None)
    if found is None:
        raise SourceError(f"there is no target {name}, and nothing is kept of one that was called so")
    silent = found.now - found.told_at
    if silent < QUIET:
        raise SourceError(
            f"{name} told something {max(0, round(silent.total_seconds()))} s ago: stop its instance; once it has told"
            f" nothing for {QUIET.total_seconds() / 60:.0f} min, it can be forgotten"
        )
    if not connection.execute(_MAY).scalar_one():
        raise SourceError("this login may take no status away: it has to be that of Rowcast's owner")
    return found


def forget(connection: Connection, name: str, person: str, names: Sequence[str]) -> KeptTarget:
    """Take away what a target has told, discard its open dead letters, and let nothing wait for it; what that was.

    `person` is whom the audit has for it. Raises as `forgettable` does.
    """
    # Before anything is read: whoever judges rows by statuses meanwhile would do so by those that go.
    outstanding.wait_to_settle(connection)
    found = forgettable(connection, name, names)
    for statement in _FORGET:
        connection.execute(statement, {"target": name})
    gitops.forget(connection, name)
    connection.execute(_DISCARD, {"target": name, "person": person})
    outstanding.settle_within(connection)
    deletions.settle_all(connection, names)
    noted = audit.Noted(WAY, subject=person, person=person, act=ACT, operation=OPERATION, path=name)
    audit.keep(connection, audit.entry(noted, audit.DONE))
    return found
