"""Changes that wait for another person: what they do, and approving, rejecting, withdrawing or renewing them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from access.rights import Rights
from client.errors import MissingError, RefusedError, UnavailableError
from proposals import manifests, view
from proposals.manifests import Client
from proposals.models import Change, Proposal, Proposals, State, Verb
from shared import clicks, filters, formatting, offers
from shared.failures import answered
from shared.pager import by_age

REFRESH_SECONDS: Final = 5.0
PAGE_SIZE: Final = 20
MOST: Final = 50
"""Rows of a proposal whose fields are shown."""
DECIDING: Final = "deciding-proposal"
"""Which one, and what to do; None: nothing, it is only looked at."""
SEEN: Final = "proposal-seen"
"""What was asked for when the dialog opened: what is approved is what was shown."""
LISTS: Final = ("For you to approve", "Open", "All")
OLDER: Final = "This crud keeps no proposals: it is older than the dashboard."
TITLES: Final = {"approve": "Approve", "reject": "Reject", "withdraw": "Withdraw", "renew": "Renew"}
DONE: Final = {"approve": "It is made.", "reject": "It is rejected.", "withdraw": "It is withdrawn.", "renew": "Made."}
MEANS: Final = {
    "approve": "It is made in the name of who has proposed it, if its rows are still as they were seen.",
    "reject": "Nothing changes. Its author reads why.",
    "withdraw": "Nothing changes.",
    "renew": "The same is proposed of the rows as they are now.",
}


def show(client: Client, rights: Rights) -> None:
    """Draw the room."""
    st.title("Proposals", anchor=False)
    chosen = st.segmented_control(
        "Which", LISTS, default=LISTS[0], key="proposals_list", label_visibility="collapsed", on_change=_first_page
    )
    _list(client, rights, chosen or LISTS[0])
    deciding: tuple[int, Verb | None] | None = st.session_state.get(DECIDING)
    if deciding is not None:
        number, verb = deciding
        st.dialog(TITLES[verb] if verb else "Preview", width="large", on_dismiss=_close)(_decide)(client, number, verb)


def notice(rights: Rights, renderer: str | None = None) -> None:
    """Say where a change is a proposal, of a renderer's rows or of any; nothing where none is."""
    found = rights.mine.proposes if rights.mine else {}
    patterns = found.get(renderer, ()) if renderer else {each for its in found.values() for each in its}
    if patterns:
        st.caption(f":material/how_to_reg: {formatting.plain(view.notice(sorted(patterns)))}")


def waiting(client: Proposals, rights: Rights) -> int:
    """Return how many wait for the person; 0 where that isn't known. Without a policy nobody asks: none is made."""
    if rights.enforced:
        with suppress(UnavailableError, RefusedError):
            return client.proposals(for_approval=True, limit=1).total
    return 0


def _first_page() -> None:
    st.session_state["proposals_cursors"] = []


@st.fragment(run_every=REFRESH_SECONDS)
def _list(client: Proposals, rights: Rights, chosen: str) -> None:
    cursors: list[str] = st.session_state.setdefault("proposals_cursors", [])
    with answered("proposals"):
        state: State | None = "open" if chosen == LISTS[1] else None
        cursor = cursors[-1] if cursors else None
        try:
            page = client.proposals(state, for_approval=chosen == LISTS[0], cursor=cursor, limit=PAGE_SIZE)
        except MissingError:
            st.info(OLDER)
            return
        if not page.items:
            filters.nothing(cursors, None, "No proposal waits for you." if chosen == LISTS[0] else "There is none.")
            return
        now = datetime.now(UTC)
        for proposal in page.items:
            _one(proposal, rights, now)
        if cursors or page.next_cursor:
            by_age(cursors, page.next_cursor)


def _one(proposal: Proposal, rights: Rights, now: datetime) -> None:
    with st.container(border=True, key=f"proposal-{proposal.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            asked = f"**{formatting.plain(proposal.asked_by)}** {formatting.plain(view.summary(proposal))}"
            st.markdown(asked, width="stretch")
            for environment in proposal.environments:
                st.badge(environment or "no environment", color="gray")
            st.badge(proposal.state, color=view.COLOURS[proposal.state])
            st.caption(f"{proposal.id}, {formatting.ago(proposal.asked_at, now)}")
        if proposal.comment:
            st.markdown(formatting.plain(proposal.comment))
        if proposal.decided_by or proposal.why:
            why = f": {proposal.why}" if proposal.why else "."
            st.caption(formatting.plain(f"{proposal.state.capitalize()} by {proposal.decided_by or 'crud'}{why}"))
        with st.expander("What it changes"):
            _changes(proposal.changes)
        with st.container(horizontal=True):
            for verb in view.offered(proposal, rights.goes_by(proposal.authors)):
                kind, why_not = "primary" if verb == "approve" else "secondary", _why_not(proposal, verb, rights)
                if offers.button(TITLES[verb], why_not, key=f"{verb}:{proposal.id}", type=kind):
                    _open(proposal, verb)
            if proposal.state in view.PENDING and clicks.button(
                "Preview", icon=":material/preview:", key=f"preview:{proposal.id}"
            ):
                _open(proposal, None)


def _why_not(proposal: Proposal, verb: Verb, rights: Rights) -> str | None:
    """Return why the person may not decide so; None if they may, as an author may withdraw."""
    return next(filter(None, (rights.why_not(*each) for each in dict.fromkeys(view.needed(proposal, verb)))), None)


def _changes(changes: Sequence[Change]) -> None:
    for change in changes[:MOST]:
        _change(change)
    if len(changes) > MOST:
        st.caption(f"and {len(changes) - MOST:,} more")


def _change(change: Change) -> None:
    st.caption(formatting.plain(f"{change.renderer}/{change.name}: {change.op}"))
    st.code(view.difference(change), language="diff")


def _open(proposal: Proposal, verb: Verb | None) -> None:
    _close()
    st.session_state[DECIDING] = (proposal.id, verb)
    st.rerun()


def _close() -> None:
    for name in (DECIDING, SEEN):
        st.session_state.pop(name, None)


def _decide(client: Client, number: int, verb: Verb | None) -> None:
    with answered("proposal:decide", "Close"):
        proposal = client.proposal(number)
        if verb is not None:
            st.markdown(MEANS[verb])
        for said in proposal.outdated:
            st.warning(formatting.plain(formatting.sentence(said)))
        _changes(_manifests(client, proposal) if verb in (None, "approve") else proposal.changes)
        if verb is None:
            return
        why = ""
        if verb == "reject":
            why = (st.text_input("Why", key="proposal:why", live=True, autocomplete="off") or "").strip()
        if not clicks.button(
            f"{TITLES[verb]} it", type="primary", key="proposal:decided", disabled=verb == "reject" and not why
        ):
            return
        _close()
        client.decide_proposal(number, verb, why)
        st.toast(DONE[verb], icon=":material/check:")
        st.rerun()


def _manifests(client: Client, proposal: Proposal) -> Sequence[Change]:
    """Draw the first rows, each with what becomes of its manifests, and return the other ones."""
    others: Sequence[Change] = proposal.changes
    with answered("proposal:manifests"):
        if SEEN not in st.session_state:
            with st.spinner("Asking what would come of it"):
                st.session_state[SEEN] = manifests.gathered(client, proposal)
        seen: Sequence[manifests.Drawing] = st.session_state[SEEN]
        for change, drawing in zip(others, seen, strict=False):
            with st.container(border=True):
                _change(change)
                drawing()
        others = others[len(seen) :]
        if others:
            st.caption(f"The manifests of {formatting.counted(len(others), 'more row')} are not shown.")
    return others
