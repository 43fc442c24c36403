"""What a declaration, or a stored revision, would do to all rows of a renderer, by the shape of the change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Protocol

import streamlit as st
from streamlit.navigation.page import Page

from client.errors import MissingError, RefusedError, UnavailableError
from impact import words
from impact.models import Action, Answer, Impact, Impacts
from navigation import ROWS
from renderers import editor, manifests_view
from renderers.models import Rendered, Renderer, Renderers
from shared import clicks, formatting, links, offers
from shared.failures import answered

TEXT, REVISION = "A declaration", "A stored revision"
OF: Final = "impact_of"
NUMBER: Final = "impact_revision"
ANSWER: Final = "impact_answer"
SEEN: Final = "impacts_seen"
WANTED: Final = "impact_wanted"
SEE: Final = "See the impact"
"""The revision that is to be seen next, where the way here leads from another tab."""
HEIGHT: Final = 320
MOST: Final = 50
"""Groups of one kind that are drawn; more are in the Markdown."""
MANY: Final = 20_000
HOW_TO: Final = "docs/how-to/write-a-declaration.md#see-what-a-change-does-to-all-rows"
OLDER: Final = "crud can't see what it does to all rows: it has no such revision, or is older than the dashboard."

Asked = tuple[str, str | None, int | None]
"""Of which renderer: a declaration's text, or a stored revision's number."""


class Client(Renderers, Impacts, Protocol):
    """What the tab needs."""


def draw(client: Client, rooms: Mapping[str, Page], renderer: Renderer, why_not: str | None) -> None:
    """Draw the choice of what is seen and, once asked for, what it would do.

    `why_not` is why the person may not ask, None if they may.
    """
    with answered("impact"):
        asked = _asked(client, renderer)
        with st.container(horizontal=True, vertical_alignment="center"):
            offers.draw(SEE, why_not, type="primary", icon=":material/visibility:")
            dry_run = st.toggle(
                "Ask the API server about some rows",
                key="impact_dry_run",
                help="Its dry run of some rows of each group: admission, immutable fields, quotas. Takes longer.",
            )
            rows = words.rows(renderer.rows)
            st.caption(f"Renders {rows} by their revisions and by this. Nothing is changed.", width="content")
        if (renderer.rows or 0) > MANY:
            st.caption(f"Of so many rows, `rowcast renderer impact` sees all. [More on this]({links.docs(HOW_TO)})")
        if clicks.take(SEE):
            _ask(client, renderer, asked, dry_run)
        known: tuple[Asked, Answer] | None = st.session_state.get(ANSWER)
        if known is None or known[0][0] != renderer.name:
            return
        if known[0] != asked:
            st.caption("What was seen before is of another text: see it again.")
            return
        _answer(rooms, known[1])


def of_revision(name: str, revision: int) -> None:
    """Choose what is seen: a stored revision. Its tab must not be drawn yet."""
    st.session_state[OF] = REVISION
    st.session_state[f"{NUMBER}:{name}"] = revision


def seen(name: str, text: str) -> Impact | None:
    """Return what this person last saw of a declaration's impact."""
    known: dict[tuple[str, str], Impact] = st.session_state.get(SEEN, {})
    return known.get((name, hashlib.sha256(text.encode()).hexdigest()))


def _asked(client: Client, renderer: Renderer) -> Asked:
    kind = st.segmented_control(
        "Of",
        (TEXT, REVISION),
        default=TEXT,
        required=True,
        key=OF,
        label_visibility="collapsed",
        persist_state="session",
    )
    if kind == REVISION:
        numbers = tuple(one.revision for one in client.revisions(renderer.name))
        key = f"{NUMBER}:{renderer.name}"
        number = st.selectbox("Revision", numbers, key=key, width=220, persist_state="session")
        return renderer.name, None, number
    return renderer.name, editor.draw(renderer, HEIGHT, "before you look at what it does."), None


def _ask(client: Client, renderer: Renderer, asked: Asked, dry_run: bool) -> None:
    st.session_state.pop(ANSWER, None)
    _, text, revision = asked
    try:
        with st.spinner(f"Rendering {words.rows(renderer.rows)}, twice each", show_time=True):
            answer = client.impact(renderer.name, text=text, revision=revision, dry_run=dry_run)
    except MissingError:
        st.info(OLDER)
    except RefusedError as refusal:
        manifests_view.refused(refusal)
    except UnavailableError as failure:
        st.error(formatting.plain(str(failure)), icon=":material/cloud_off:")
    else:
        st.session_state[ANSWER] = (asked, answer)
        if answer.impact:
            # The token begins with the digest of the text.
            digest = answer.impact.token.partition(".")[0]
            st.session_state.setdefault(SEEN, {})[renderer.name, digest] = answer.impact


def _answer(rooms: Mapping[str, Page], answer: Answer) -> None:
    impact = answer.impact
    if impact is None:
        manifests_view.problems(Rendered((), problems=answer.problems))
        return
    with st.container(border=True):
        _summary(impact)
    _errors(rooms, impact)
    _collisions(rooms, impact)
    for action in words.ACTIONS:
        _section(rooms, impact, action)
    _settings(impact)
    _report(impact, answer.markdown)


def _summary(impact: Impact) -> None:
    st.subheader("Impact", anchor=False)
    st.markdown(words.headline(impact))
    if loud := words.moved(impact):
        st.error(f"**{formatting.plain(loud)}** What is in a Namespace goes with it.", icon=":material/warning:")
    if removed := impact.objects.get("removed", 0):
        st.warning(f"**{formatting.counted(removed, 'object')} would be deleted.**", icon=":material/delete:")
    if refused := words.refused(impact):
        many = formatting.counted(refused, "manifest")
        st.error(f"**The API server refuses {many}** of those tried.", icon=":material/block:")
    if not words.changes(impact) and impact.rows and not impact.failed_rows:
        st.success("Nothing changes: every row becomes what it is.", icon=":material/check_circle:")
    for column, (kind, label) in zip(st.columns(len(words.OBJECTS)), words.OBJECTS.items(), strict=True):
        column.metric(label, f"{impact.objects.get(kind, 0):,}", help=words.MEANINGS[kind], border=True)
    for remark in words.remarks(impact):
        st.caption(formatting.plain(remark))


def _section(rooms: Mapping[str, Page], impact: Impact, action: Action) -> None:
    groups = [group for group in impact.groups if group.action == action]
    if not groups:
        return
    st.subheader(words.ACTIONS[action], anchor=False)
    for place, group in enumerate(groups[:MOST]):
        badges = (
            f":{words.COLOURS[action]}-badge[{formatting.counted(group.rows, 'row')}] {words.dry_run(group)}".strip()
        )
        with st.expander(f"{badges} {formatting.plain(words.what(group))}", key=f"group:{action}:{place}"):
            if group.objects != group.rows:
                st.caption(f"{formatting.counted(group.objects, 'object')} of {formatting.counted(group.rows, 'row')}")
            for one in group.examples:
                _row(rooms, impact, one.key, words.example(group, one))
            for refused in group.dry_run.refused if group.dry_run else ():
                where = formatting.plain(", ".join(part for part in (f"Row {refused.key}", refused.manifest) if part))
                st.error(f"**{where}** {formatting.plain(formatting.sentence(refused.message))}")
    if len(groups) > MOST:
        st.caption(f"{len(groups) - MOST:,} more shapes are in the Markdown below.")


def _row(rooms: Mapping[str, Page], impact: Impact, key: str, said: str = "") -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(rooms[ROWS], label=f"Row {key}", query_params={"renderer": impact.renderer, "key": key})
        if said:
            st.markdown(formatting.plain(said), width="stretch")


def _errors(rooms: Mapping[str, Page], impact: Impact) -> None:
    if not impact.errors:
        return
    st.subheader("Can't be rendered: these rows stay as they are", anchor=False)
    for place, one in enumerate(impact.errors[:MOST]):
        said = " ".join(part for part in (one.problem.path, one.problem.message) if part)
        label = f":red-badge[{words.unrendered(one)}] {formatting.plain(said)}"
        with st.expander(label, key=f"unrendered:{place}"):
            if one.problem.expression:
                st.code(one.problem.expression, language=None)
            for key in one.examples:
                _row(rooms, impact, key)


def _collisions(rooms: Mapping[str, Page], impact: Impact) -> None:
    if not impact.collisions:
        return
    st.subheader("Collisions: only one row gets each of these", anchor=False)
    for place, one in enumerate(impact.collisions[:MOST]):
        where = f" in {one.environment}" if one.environment else ""
        label = f":red-badge[{formatting.counted(len(one.keys), 'row')}] {formatting.plain(one.object + where)}"
        with st.expander(label, key=f"collision:{place}"):
            for key in one.keys:
                _row(rooms, impact, key)
    more = len(impact.collisions[MOST:]) + impact.more_collisions
    among = f"Looked for among {formatting.counted(impact.collisions_looked_for_among, 'object')} of this renderer's."
    st.caption(f"And {more:,} more. {among}" if more else among)


def _settings(impact: Impact) -> None:
    if impact.settings:
        st.subheader("Treated in another way", anchor=False)
        st.markdown(formatting.plain_lines(words.setting(one) for one in impact.settings))


def _report(impact: Impact, markdown: str) -> None:
    st.subheader("Hand it on", anchor=False)
    st.caption("The token names what was seen. A roll-out that is started with it says how many rows changed since.")
    st.code(impact.token, language=None)
    if markdown:
        with st.expander("Markdown, for a pull request's comment", key="impact_markdown", on_change="rerun") as report:
            if report.open:
                st.code(markdown, language="markdown", height=HEIGHT)
