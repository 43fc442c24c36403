"""Commit messages: words for people, trailers for machines, and the people themselves.

Whatever is in a name, in a path or in what somebody calls himself stays within its line: the last paragraph is ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rowcast.core.outcomes import Outcome
from rowcast.core.render import Desired
from rowcast.sync.targets.git.commits.changes import Judged
from rowcast.sync.targets.git.commits.trailers import Origin, trailers

NAMED_IN_SUBJECT = 3
LISTED_IN_BODY = 50
LONGEST_NAME = 200
"""Characters of a person's name."""
CREATE, UPDATE, DELETE, MOVE = "create", "update", "delete", "move away"
_HEADINGS = {CREATE: "Created", UPDATE: "Configured", DELETE: "Deleted", MOVE: "Moved away"}
_VERBS = {Outcome.CREATED: CREATE, Outcome.CONFIGURED: UPDATE, Outcome.DELETED: DELETE}
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
_UNFIT_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What lets text look like another (UAX #9); joiners and selectors stay, since emoji are made of them."""


def message_of(judged: Sequence[Judged], author_domain: str, origin: Origin) -> str:
    """The whole message of a commit that does what was judged."""
    visible = [one for one in judged if one.outcome in _VERBS]
    blocks = [_subject(visible), *_listing(visible), "\n".join(_last_paragraph(judged, author_domain, origin))]
    return "\n\n".join(blocks) + "\n"


def people_of(judged: Iterable[Judged], author_domain: str) -> list[str]:
    """Who made the changes, as `Name <address>`, the one with most changes first."""
    actors = Counter((desired.actor, desired.actor_verified) for desired in _changed(judged))
    people = (person(actor, verified, author_domain) for (actor, verified), _ in actors.most_common())
    return list(dict.fromkeys(people)) or [person("", False, author_domain)]


def _approvers_of(judged: Iterable[Judged], author_domain: str) -> list[str]:
    approvers = Counter(desired.approved_by for desired in _changed(judged) if desired.approved_by)
    return [person(approver, True, author_domain) for approver, _ in approvers.most_common()]


def _changed(judged: Iterable[Judged]) -> Iterator[Desired]:
    return (one.desired for one in judged if one.written or one.left)


def person(actor: str, verified: bool, domain: str) -> str:
    """An identity that Git accepts.

    An address is one of a person whom a login vouches for (`verified`); no other address is anybody's: `domain` is one
    that cannot receive mail.
    """
    if verified and _ADDRESS.fullmatch(actor):
        return f"{actor} <{actor}>"
    name = plain(actor)[:LONGEST_NAME].strip(" .,:;\"'\\") or "anonymous"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "anonymous"
    return f"{name} <{slug}@{domain}>"


def plain(text: str) -> str:
    """Text that can't end its line, nor an address, nor look like something else; any other Unicode stays."""
    return re.sub(" +", " ", "".join(" " if _unfit(character) else character for character in text)).strip()


def _unfit(character: str) -> bool:
    return character in "<>" or character in _TURNING or unicodedata.category(character) in _UNFIT_CATEGORIES


def _subject(visible: Sequence[Judged]) -> str:
    if not visible:
        return "Remove what deleted configurations left behind"
    rows = _by_verb(visible)
    if len(visible) <= NAMED_IN_SUBJECT:
        names = {verb: _enumerate([plain(one.desired.name) for one in of]) for verb, of in rows.items()}
        words = ", ".join(f"{verb} {named}" for verb, named in names.items())
    else:
        words = _enumerate([f"{verb} {len(of)}" for verb, of in rows.items()]) + " configurations"
    return words[0].upper() + words[1:]


def _listing(visible: Sequence[Judged]) -> Iterator[str]:
    for verb, rows in _by_verb(visible).items():
        lines = [f"{_HEADINGS[verb]}:", *(f"- {_described(one)}" for one in rows[:LISTED_IN_BODY])]
        if len(rows) > LISTED_IN_BODY:
            lines.append(f"- and {len(rows) - LISTED_IN_BODY} more")
        yield "\n".join(lines)


def _by_verb(visible: Sequence[Judged]) -> dict[str, list[Judged]]:
    found = {verb: [one for one in visible if _verb(one) == verb] for verb in _HEADINGS}
    return {verb: rows for verb, rows in found.items() if rows}


def _verb(one: Judged) -> str:
    return MOVE if one.desired.elsewhere else _VERBS[one.outcome]


def _described(one: Judged) -> str:
    place = "/".join(plain(part) for part in (one.desired.environment, one.desired.name) if part)
    words = f"{place}, generation {one.desired.generation}"
    if one.left and not one.desired.deleted:
        words += ", moved from " + " and ".join(plain(path) for path in one.left)
    return words


def _last_paragraph(judged: Sequence[Judged], author_domain: str, origin: Origin) -> Iterator[str]:
    yield from trailers(judged, origin)
    if any(one.desired.authoritative for one in judged):
        yield "Rowcast-Cause: reconcile"
    for co_author in people_of(judged, author_domain)[1:]:
        yield f"Co-authored-by: {co_author}"
    for approver in _approvers_of(judged, author_domain):
        yield f"Approved-by: {approver}"


def _enumerate(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
