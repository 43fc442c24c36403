"""What the person may do now: as crud's policy says, or, where none is in force, as the dashboard's lists do."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from access.models import Accesses, Mine
from client.errors import RefusedError, UnavailableError
from login import tokens
from login.identity import Who
from shared.formatting import TARGETS

SECONDS: Final = 30.0
"""How long what crud said counts: a role that is taken away is gone from every open page within a minute."""
AWAY_SECONDS: Final = 5.0
"""How long nobody asks again after crud has not answered."""
ANY_RENDERER: Final = "*"
VIEWER: Final = "You may look, and change nothing."
SHOWN: Final = ("view", "impact")
"""Verbs that change nothing: whoever is no editor may do these."""
_KNOWN: Final = "access"


@dataclass
class Known:
    """What crud said about whom, and until when that counts (by the monotonic clock); None where it said nothing."""

    who: Who
    until: float
    mine: Mine | None = None
    by_token: bool = False
    trouble: str = ""
    """Why the token of the person is not used, in a sentence."""
    explained: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    @property
    def enforced(self) -> bool:
        """Whether a policy decides."""
        return self.mine is not None and self.mine.enforced


def as_known(who: Who) -> Who:
    """Return a person as requests are to be made for them.

    Where a policy is in force their role decides nothing; and their token is shown where crud takes it.
    """
    known: Known | None = st.session_state.get(_KNOWN)
    if known is None or not _is_of(known, who) or not known.enforced:
        return replace(who, token="")
    return replace(who, role="editor", token=who.token if known.by_token else "")


def proposes(renderer: str) -> bool:
    """Tell whether a change of a renderer's rows is a proposal in any environment, as crud said last."""
    known: Known | None = st.session_state.get(_KNOWN)
    return known is not None and known.mine is not None and bool(known.mine.proposes.get(renderer))


def _is_of(known: Known, who: Who) -> bool:
    return known.who == who and (known.who.groups, known.who.token) == (who.groups, who.token)


class Rights:
    """Answers at the moment at which it is asked, also to fragments and dialogs, which keep it.

    `who` gives the person as their login has them, None if they are logged out.
    """

    def __init__(self, client: Accesses, who: Callable[[], Who | None]) -> None:
        self._client = client
        self._who = who
        self._drawn = self.mine

    @property
    def mine(self) -> Mine | None:
        """What crud says, None where it does not."""
        return self._known().mine

    @property
    def enforced(self) -> bool:
        """Whether a policy decides; else the dashboard's own lists do."""
        return self._known().enforced

    @property
    def trouble(self) -> str:
        """Why crud is not shown the token of the person's login, in a sentence; empty where there is nothing to say."""
        return self._known().trouble if self.enforced else ""

    @property
    def must_log_in(self) -> bool:
        """Whether crud believes nothing but a token, and there is none that it takes."""
        known = self._known()
        return bool(known.trouble) and known.mine is not None and known.mine.way == "sidecar"

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the targets, as crud says; without its word one of each kind."""
        mine = self.mine
        return tuple((mine.targets if mine else None) or TARGETS)

    def changed(self) -> bool:
        """Tell whether something else is allowed now than when this was made."""
        return self.mine != self._drawn

    def why_not(self, act: str, renderer: str, environment: str = "") -> str | None:
        """Return why somebody may not do `resource/verb` with a renderer's, in a sentence; None if they may.

        Without an `environment`: with those of none at all. With ANY_RENDERER: with no renderer's.
        """
        mine = self.mine
        if mine is None or not mine.enforced:
            return self._by_role(act)
        names = mine.renderers if renderer == ANY_RENDERER else (renderer,)
        extents = {mine.renderers.get(name, {}).get(act, "none") for name in names}
        if "all" in extents or ("some" in extents and not environment):
            return None
        return self._explained(act, "" if renderer == ANY_RENDERER else renderer, environment)

    def why_not_at(self, act: str, target: str) -> str | None:
        """Return why somebody may not do something with a target; None if they may."""
        mine = self.mine
        if mine is None or not mine.enforced:
            return self._by_role(act)
        return None if act.partition("/")[2] in mine.targets.get(target, ()) else self._explained(act, target, "")

    def why_not_at_all(self, act: str) -> str | None:
        """Return why somebody may not do what is of no renderer or target, as `audit/view`, or of all renderers'."""
        mine = self.mine
        if mine is None or not mine.enforced:
            return self._by_role(act)
        return None if act in mine.other else self._explained(act, "", "")

    def is_mine(self, person: str) -> bool:
        """Tell whether crud would record the person by this name, and somebody vouches for them."""
        mine, who = self.mine, self._who()
        if mine is None or not mine.enforced:
            return False
        return who is not None and who.verified and person == mine.subject

    def goes_by(self, names: Collection[str]) -> bool:
        """Tell whether the person goes by one of `names`, which are in lower case."""
        mine, who = self.mine, self._who()
        its = [*([who.person] if who else ()), *(mine.names if mine else ())]
        return any(name.casefold() in names for name in its)

    def _by_role(self, act: str) -> str | None:
        who = self._who()
        allowed = act.partition("/")[2] in SHOWN or (who is not None and who.can_edit)
        return None if allowed else VIEWER

    def _explained(self, act: str, renderer: str, environment: str) -> str | None:
        asked, explained = (act, renderer, environment), self._known().explained
        if asked not in explained:
            try:
                why = self._client.why_not(*asked)
            except (UnavailableError, RefusedError) as error:
                # crud decides when it is done: what it can't be asked about is not offered.
                return str(error)
            resource, _, verb = act.partition("/")
            where = "/".join(part for part in asked[1:] if part) or "everything"
            explained[asked] = why and f"You may not {verb} {resource} of {where}: {why}."
        return explained[asked]

    def _known(self) -> Known:
        who = self._who()
        known: Known | None = st.session_state.get(_KNOWN)
        if who is None:
            return Known(Who("", "viewer"), 0)
        if known is not None and _is_of(known, who) and time.monotonic() < known.until:
            return known
        known = self._ask(who, known if known is not None and _is_of(known, who) else None)
        st.session_state[_KNOWN] = known
        return known

    def _ask(self, who: Who, before: Known | None) -> Known:
        now = time.monotonic()
        try:
            mine = self._client.my_access()
        except UnavailableError:
            # Nothing can be changed meanwhile, whoever may.
            return replace(before, until=now + AWAY_SECONDS) if before else Known(who, now + AWAY_SECONDS)
        except RefusedError:
            # A crud that has no policy yet, or takes the dashboard for nobody: each page says what it refuses.
            return Known(who, now + SECONDS)
        if not (mine.enforced and who.token):
            return Known(who, now + SECONDS, mine)
        ends = tokens.expires_at(who.token)
        if ends is not None and ends <= datetime.now(UTC):
            return Known(who, now + SECONDS, mine, trouble=f"Your login's token expired at {ends:%H:%M} UTC.")
        try:
            mine = self._client.my_access(who.token)
        except (UnavailableError, RefusedError) as error:
            return Known(who, now + SECONDS, mine, trouble=f"crud does not take your login's token: {error}.")
        left = SECONDS if ends is None else min(SECONDS, (ends - datetime.now(UTC)).total_seconds())
        return Known(who, now + left, mine, by_token=True)
