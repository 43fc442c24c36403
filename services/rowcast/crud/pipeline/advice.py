"""Cases that Rowcast knows, by a stable word, and the page that says what to do about each."""

from enum import StrEnum


class Advice(StrEnum):
    """The word; the page's name in docs/how-to is beside it in PAGES."""

    LOST_SLOT = "lost-slot"
    """The replication slot is gone, or PostgreSQL has given it up."""
    RESTORED_DATABASE = "restored-database"
    """Capture remembers a place in the log that this database has not reached."""
    LOST_OFFSETS = "lost-offsets"
    """Capture has forgotten how far it had read."""
    RECREATED_TOPIC = "recreated-topic"
    """A topic is gone or was made anew: what it held is gone."""
    RECONCILE_REFUSED = "reconcile-refused"
    """A reconcile would have removed too much: the table was emptied, or is another one."""
    RECONCILE = "reconcile"
    """Nothing fails, and yet rows wait: their events never came."""
    CONNECTOR_MISSING = "connector-missing"
    """Connect has no such connector."""
    CONNECTOR_FAILED = "connector-failed"
    """The connector or its task has failed."""
    CAPTURE_FAILED = "capture-failed"
    """Rowcast's own engine has failed, or tries again."""
    BROKER_REFUSES = "broker-refuses"
    """The broker doesn't take events: it is full, or away."""
    BROKER_SETUP = "broker-setup"
    """The broker is set up so that it can lose what it has taken."""
    NOBODY_READS = "nobody-reads"
    """Messages wait at the broker and have no reader, or will be gone before they are read."""
    MISSING_EVENTS = "missing-events"
    """Rows whose events were published and have not come through."""
    CAPTURE_SETUP = "capture-setup"
    """A trigger, the publication or the replica identity is not as the migrations left it."""
    SOURCE_CHANGED = "source-changed"
    """A renderer's table was dropped or changed, or its triggers don't fire: it isn't captured as it should be."""
    TOO_MANY_RIGHTS = "too-many-rights"
    """crud serves as a role that may do more than serving takes."""
    MISSING_RIGHTS = "missing-rights"
    """A target's sync instance may not do all that declarations need."""
    SLOT_BEHIND = "slot-behind"
    """The slot confirms nothing, and the database keeps its log for it."""
    TARGET_DOWN = "target-down"
    """The target doesn't take what is delivered."""
    UNKNOWN_TARGET = "unknown-target"
    """Rows wait for a target that crud isn't told of, and that has told of them before."""
    PART_DOWN = "part-down"
    """A part doesn't answer."""
    ENGINE = "gitops-engine"
    """The GitOps engine behind a target does not apply what is committed, or is not heard of."""
    DEAD_LETTERS = "dead-letters"
    """Events that a target could not take wait for a person."""


_WATCH = "watch-the-pipeline.md"
_NAMES: dict[Advice, str] = {
    Advice.LOST_SLOT: "recover-from-lost-slot.md",
    Advice.RESTORED_DATABASE: "recover-from-restored-database.md",
    Advice.LOST_OFFSETS: "recover-from-lost-offsets.md",
    Advice.RECREATED_TOPIC: "recover-from-recreated-topic.md",
    Advice.RECONCILE_REFUSED: "reconcile.md",
    Advice.RECONCILE: "reconcile.md",
}


def page(advice: Advice) -> str:
    """The page, as a path in the repository."""
    name = _NAMES.get(advice)
    return f"docs/how-to/{name}" if name else f"docs/how-to/{_WATCH}#{advice}"
