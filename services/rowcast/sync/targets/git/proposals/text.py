"""What a pull request says, and what is said about it. Pure."""

from __future__ import annotations

from rowcast.core.outcomes import Outcome
from rowcast.sync.forges.port import Request, State
from rowcast.sync.targets.git.commits.message import plain
from rowcast.sync.targets.git.proposals.overlay import Overlay, Proposed

NAMED_IN_TITLE = 3
LISTED = 100
WITHDRAWN = "<!-- rowcast: withdrawn -->"
"""In the body of a request that Rowcast closed itself: what was in it is not wanted any more."""
_VERBS = {Outcome.CREATED: "create", Outcome.CONFIGURED: "update", Outcome.DELETED: "delete"}


def title_of(overlay: Overlay) -> str:
    """The request's title: the rows by name, or many by number."""
    by_verb = {verb: [one.name for one in overlay.rows.values() if _verb(one) == verb] for verb in _VERBS.values()}
    if len(overlay.rows) <= NAMED_IN_TITLE:
        words = ", ".join(f"{verb} {' and '.join(names)}" for verb, names in by_verb.items() if names)
    else:
        words = ", ".join(f"{verb} {len(names)}" for verb, names in by_verb.items() if names) + " configurations"
    if not overlay.rows:
        words = "remove what has lost its place"
    return words[:1].upper() + words[1:]


def body_of(overlay: Overlay, base: str, head: str) -> str:
    """The request's body: every row with what becomes of it and where, as Markdown."""
    rows = sorted(overlay.rows.values(), key=lambda one: (list(_VERBS.values()).index(_verb(one)), one.name, one.row))
    lines = [_line(one, overlay) for one in rows[:LISTED]]
    if len(rows) > LISTED:
        lines.append(f"- and {len(rows) - LISTED} more")
    lines += [f"- remove `{plain(path)}`" for path in _orphans(overlay)[:LISTED]]
    return "\n".join(
        [
            f"Rowcast proposes these changes to `{base}`, as its table has them:",
            "",
            *lines,
            "",
            f"Merge it in whatever way you like. Until then Rowcast keeps it up to date, on top of `{base}`. It does"
            f" not overwrite commits that others push to `{head}`, but stops there until they are merged or removed."
            " Closed without merging, it stays closed; the next change of a row opens another one.",
        ]
    )


def withdrawn_body(body: str) -> str:
    """The body of a request that is about to be closed by Rowcast."""
    return body if WITHDRAWN in body else f"{body}\n\n{WITHDRAWN}"


def nothing_left(base: str) -> str:
    """Why Rowcast closes a request."""
    return f"Nothing is left to propose: `{base}` has everything as the table has it."


def declined(request: Request | None, base: str, head: str) -> str:
    """What a row's status says after a person has said no."""
    if request is None or request.state is not State.CLOSED:
        return f"its proposal is gone: the branch {head} was deleted, and {base} is as before. Save the row again."
    who = f" by {request.by}" if request.by else ""
    return (
        f"pull request {request.number} was closed{who} without being merged, so {base} is as before."
        " Reopen it, or change the row: its next change is proposed anew."
    )


def foreign(head: str, commit: str, request: Request | None) -> str:
    """Why nothing can be proposed."""
    where = f"pull request {request.url}" if request is not None and request.state is State.OPEN else "them"
    return (
        f"somebody else has pushed to {head} ({commit}), which Rowcast does not overwrite:"
        f" merge {where}, or take the commits off the branch, or delete it"
    )


def _orphans(overlay: Overlay) -> list[str]:
    """Files whose row's place another row had taken, and left again: the row's own event tells where it is now."""
    return [path for path, wanted in overlay.files.items() if not {wanted.row, wanted.instead_of} & overlay.rows.keys()]


def _line(one: Proposed, overlay: Overlay) -> str:
    paths = ", ".join(f"`{plain(path)}`" for path in overlay.paths(one.row))
    return f"- {_verb(one)} **{plain(one.name)}**, generation {one.generation}: {paths}"


def _verb(one: Proposed) -> str:
    return _VERBS[Outcome.DELETED] if one.deleted else _VERBS.get(one.outcome, "update")
