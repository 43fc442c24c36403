"""The whole table against all that a target holds: first what would be done, then done, watched as it goes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

import streamlit as st
from streamlit.column_config import MultiselectColumn

from access.models import RECONCILE
from access.rights import Rights
from reconcile import view
from reconcile.models import Reconciles, Run, TargetRuns
from shared import clicks, formatting, links, offers
from shared.failures import answered, one_line

RUNNING_SECONDS: Final = 1.0
RESTING_SECONDS: Final = 4.0
HOW_TO: Final = "docs/how-to/reconcile.md"
PAGE_ROWS: Final = 12
ROW_HEIGHT: Final = 36
CHIPS: Final = MultiselectColumn("Action", width=90, options=tuple(view.COLOURS), color=tuple(view.COLOURS.values()))
DIFFS: Final = 20
"""More than these are a list to scroll, not to read."""


def show(client: Reconciles, rights: Rights) -> None:
    """Draw the page."""
    st.title("Reconcile", anchor=False)
    st.markdown("Compares the whole table with all that a target holds, and puts right what differs.")
    with answered("reconciles"):
        runs = client.reconciles()
        if not runs:
            st.info("crud knows of no target: set ROWCAST_TARGETS.")
            return
        chosen = st.segmented_control(
            "Target",
            [one.target for one in runs],
            default=runs[0].target,
            required=True,
            format_func=formatting.target_label,
            key="reconcile_target",
            label_visibility="collapsed",
        )
        runs_of = {one.target: one for one in runs}
        found = runs_of.get(chosen or "", runs[0])
        seconds = RUNNING_SECONDS if found.current else RESTING_SECONDS
        st.fragment(_target, run_every=seconds)(client, found.target, rights, bool(found.current))
        agreed = st.session_state.get("reconciling") == found.target
        if agreed and found.last and rights.why_not_at(RECONCILE, found.target) is None:
            st.dialog("Reconcile", on_dismiss=_close)(_confirm)(client, found.target, found.last)


def _target(client: Reconciles, target: str, rights: Rights, ran: bool) -> None:
    with answered("reconcile"):
        found = next((one for one in client.reconciles() if one.target == target), TargetRuns(target))
        if found.unavailable:
            one_line(found.unavailable, "unavailable")
            return
        if bool(found.current) != ran:
            # The page's pace, and what it offers, depend on whether one runs.
            st.rerun()
        _actions(client, found, rights.why_not_at(RECONCILE, target))
        if found.current:
            _running(found.current)
        elif found.last:
            _ended(found.last, formatting.target_label(target))
        else:
            with st.container(border=True, horizontal_alignment="center"):
                label = formatting.target_label(target)
                st.markdown(f"Nothing was compared at {label} since this sync started.", width="content")


def _actions(client: Reconciles, found: TargetRuns, why_not: str | None) -> None:
    last, busy = found.last, found.current is not None
    planned = bool(last and last.dry_run and any(last.counts.values()))
    with st.container(horizontal=True):
        if offers.button(
            "Dry run",
            why_not,
            key=f"reconcile:{found.target}:dry-run",
            icon=":material/preview:",
            type="secondary" if planned else "primary",
            disabled=busy,
            tooltip="Shows what a reconcile would do, and does nothing.",
        ):
            client.reconcile(found.target, dry_run=True)
            st.rerun()
        run = f"reconcile:{found.target}:run"
        unplanned = busy or not planned
        if offers.button("Run it", why_not, key=run, icon=":material/play_arrow:", type="primary", disabled=unplanned):
            st.session_state["reconciling"] = found.target
            st.rerun()
        offers.reason(why_not)
        if not planned and not busy and why_not is None:
            st.caption("A dry run shows the plan first.", width="content")


def _running(run: Run) -> None:
    with st.container(border=True):
        st.subheader("Dry run" if run.dry_run else "Reconcile", anchor=False)
        st.progress(view.progress(run), text=view.doing(run))


def _ended(run: Run, label: str) -> None:
    now = datetime.now(UTC)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            # Whose it is: as long as another target's is still to be seen, its buttons are, too.
            what = "Plan for" if run.dry_run else "Last reconcile at"
            st.subheader(f"{what} {label}", anchor=False, width="content")
            st.caption(view.headline(run, now), width="content")
        _verdict(run)
        if run.counts:
            columns = st.columns(len(view.VERBS))
            for column, (kind, verb) in zip(columns, view.VERBS.items(), strict=True):
                column.metric(f"To {verb}", f"{run.counts.get(kind, 0):,}", help=view.MEANINGS[kind], border=True)
        if compared := view.compared(run):
            st.caption(compared)
        _plan(run)
        for failure in run.failed:
            st.error(formatting.plain(failure))


def _verdict(run: Run) -> None:
    if run.state == "refused":
        st.warning(
            f"**Refused, nothing was done.** It {formatting.plain(run.error or '')}  \n"
            "See whether the table is the right and whole one. If it is, run it and allow the pruning. "
            f"[More on this]({links.docs(HOW_TO)})",
            icon=":material/front_hand:",
        )
    elif run.state == "failed":
        st.error(formatting.plain(formatting.sentence(run.error or "It failed")), icon=":material/error:")
    elif view.in_sync(run):
        st.success("The target holds what the table says.", icon=":material/check_circle:")
    elif not run.dry_run:
        st.success(f"Put right: {view.done(run)}.", icon=":material/check_circle:")


def _plan(run: Run) -> None:
    if not run.plan:
        return
    height: Literal["content"] | int = "content" if len(run.plan) <= PAGE_ROWS else ROW_HEIGHT * (PAGE_ROWS + 1)
    st.dataframe(
        view.plan_table(run.plan),
        hide_index=True,
        column_config={"Action": CHIPS},
        height=height,
        row_height=ROW_HEIGHT,
        alt="What the plan does with each row",
    )
    for one in [one for one in run.plan if one.diff][:DIFFS]:
        with st.expander(f"{view.VERBS[one.kind]} {one.name}", key=f"diff:{one.row}"):
            st.code(one.diff, language="diff")


def _close() -> None:
    st.session_state.pop("reconciling", None)


def _confirm(client: Reconciles, target: str, plan: Run) -> None:
    label = formatting.target_label(target)
    st.markdown(f"At **{label}**, this will **{view.intention(plan)}**, as the table is then.")
    limit = None
    if plan.state == "refused":
        prunes = plan.counts.get("orphaned", 0)
        st.warning(formatting.plain(formatting.sentence(plan.error or "")), icon=":material/front_hand:")
        if st.checkbox(f"The table is the right, whole one: prune all {prunes:,}", key="prune_all"):
            limit = 1.0
    blocked = plan.state == "refused" and limit is None
    if clicks.button("Reconcile now", type="primary", icon=":material/play_arrow:", disabled=blocked):
        with answered("run", "Close"):
            client.reconcile(target, dry_run=False, prune_limit=limit)
            _close()
            st.rerun()
