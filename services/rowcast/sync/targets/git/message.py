"""Commit messages: words for people, trailers for machines, and the people themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Tombstones
from rowcast.core.ports import RowKey
from rowcast.sync.targets.git.changes import Judged

NAMED_IN_SUBJECT = 3
LISTED_IN_BODY = 50
_VERBS = {Outcome.CREATED: "create", Outcome.CONFIGURED: "update", Outcome.DELETED: "delete"}
_TABLE = "Rowcast-Table"
_ROW = "Rowcast-Row"
_TRAILER = re.compile(
    rf"(?P<key>{_TABLE}|{_ROW}): (?:(?P<row>\d+)@(?P<generation>\d+)(?P<gone> deleted| displaced)?|(?P<table>\S+))"
)
DISPLACED = " displaced"
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
_UNFIT = re.compile(r"[\x00-\x20\x7f<>]+")


def message_of(judged: Sequence[Judged], author_domain: str) -> str:
    """The whole message of a commit that does what was judged."""
    visible = [one for one in judged if one.outcome in _VERBS]
    blocks = [_subject(visible), *_listing(visible), "\n".join(_trailers(judged, author_domain))]
    return "\n\n".join(block for block in blocks if block) + "\n"


def people_of(judged: Iterable[Judged], author_domain: str) -> list[str]:
    """Who made the changes, as `Name <address>`, the one with most changes first."""
    actors = Counter(one.desired.actor for one in judged if one.written or one.left)
    return list(dict.fromkeys(person(actor, author_domain) for actor, _ in actors.most_common())) or [
        person("", author_domain)
    ]


def person(actor: str, domain: str) -> str:
    """An identity that Git accepts. Nobody's real address is guessed: `domain` is one that cannot receive mail."""
    name = _UNFIT.sub(" ", actor).strip(" .,:;\"'\\") or "anonymous"
    if _ADDRESS.fullmatch(actor):
        return f"{name} <{actor}>"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "anonymous"
    return f"{name} <{slug}@{domain}>"


def bury_deleted(messages: Iterable[str], tombstones: Tombstones) -> None:
    """Learn from commit messages, oldest first, which rows were deleted or displaced, and not brought back since."""
    for row, generation, gone in _rows_in(messages):
        if gone:
            tombstones.bury(*row, generation)
        else:
            tombstones.forget(*row)


def rows_of(messages: Iterable[str]) -> dict[RowKey, tuple[int, bool]]:
    """The rows of commits, oldest first: at which generation each is at last, and whether it is deleted there."""
    return {row: (generation, gone == " deleted") for row, generation, gone in _rows_in(messages) if gone != DISPLACED}


def _rows_in(messages: Iterable[str]) -> Iterator[tuple[RowKey, int, str]]:
    for message in messages:
        table = ""
        for line in message.rstrip().rpartition("\n\n")[2].splitlines():
            match = _TRAILER.fullmatch(line) if line.startswith("Rowcast-") else None
            if match is None:
                continue
            if match["key"] == _TABLE:
                table = match["table"] or ""
            elif table and match["row"]:
                yield (table, int(match["row"])), int(match["generation"]), match["gone"] or ""


def _subject(visible: Sequence[Judged]) -> str:
    if not visible:
        return "Remove what deleted configurations left behind"
    rows = {outcome: [one for one in visible if one.outcome is outcome] for outcome in _VERBS}
    if len(visible) <= NAMED_IN_SUBJECT:
        names = {outcome: _enumerate([_plain(one.desired.name) for one in of]) for outcome, of in rows.items() if of}
        words = ", ".join(f"{_VERBS[outcome]} {named}" for outcome, named in names.items())
    else:
        words = _enumerate([f"{_VERBS[outcome]} {len(of)}" for outcome, of in rows.items() if of]) + " configurations"
    return words[0].upper() + words[1:]


def _listing(visible: Sequence[Judged]) -> Iterator[str]:
    for outcome in _VERBS:
        rows = [one for one in visible if one.outcome is outcome]
        if rows:
            lines = [f"{outcome.capitalize()}:", *(f"- {_described(one)}" for one in rows[:LISTED_IN_BODY])]
            if len(rows) > LISTED_IN_BODY:
                lines.append(f"- and {len(rows) - LISTED_IN_BODY} more")
            yield "\n".join(lines)


def _described(one: Judged) -> str:
    place = "/".join(_plain(part) for part in (one.desired.environment, one.desired.name) if part)
    words = f"{place}, generation {one.desired.generation}"
    if one.left and not one.desired.deleted:
        words += ", moved from " + " and ".join(_plain(path) for path in one.left)
    return words


def _trailers(judged: Sequence[Judged], author_domain: str) -> Iterator[str]:
    """Deletions that had nothing left to delete are noted too: the fence must outlive this process."""
    table = None
    noted = (one for one in judged if one.written or one.left or one.desired.deleted)
    for one in sorted((one for one in noted if one.outcome is not Outcome.STALE), key=lambda one: one.desired.table):
        if one.desired.table != table:
            table = one.desired.table
            yield f"{_TABLE}: {table}"
        yield f"{_ROW}: {one.desired.row_id}@{one.desired.generation}" + (" deleted" if one.desired.deleted else "")
        yield from (f"{_ROW}: {other.row_id}@{other.generation} displaced" for other in one.displaced)
    if any(one.desired.authoritative for one in judged):
        yield "Rowcast-Cause: reconcile"
    for co_author in people_of(judged, author_domain)[1:]:
        yield f"Co-authored-by: {co_author}"


def _enumerate(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _plain(text: str) -> str:
    return _UNFIT.sub(" ", text)
