"""What saving would do: the manifest and its difference at each target, and the target's own complaint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol

import streamlit as st

from client.errors import RefusedError
from configurations.models import Draft
from preview.models import Change, Preview, Previews, TargetPreview
from shared import clicks, formatting
from shared.failures import answered

CHANGES: Final[dict[Change, tuple[str, Literal["green", "blue", "red", "gray"]]]] = {
    "create": ("creates it", "green"),
    "update": ("changes it", "blue"),
    "delete": ("deletes it", "red"),
    "none": ("changes nothing", "gray"),
}
DIFFERENCE, MANIFEST = "Difference", "Manifest"


class Shown(Protocol):
    """The form that is previewed: it says at its own fields what is refused."""

    def accepted(self) -> bool:
        """Show what the rules refuse, and tell whether that is nothing."""
        ...

    def refuse(self, refusal: RefusedError) -> None:
        """Show crud's refusal."""
        ...


def draw_button(key: str) -> None:
    """Draw the button of the form `key`. When its click is taken, `ask`."""
    clicks.draw("Preview", icon=":material/preview:", key=clicked(key))


def clicked(key: str) -> str:
    """Return by which name the button's click is taken."""
    return f"{key}:preview"


def ask(key: str, client: Previews, row_id: int | None, draft: Draft, form: Shown) -> None:
    """Ask what saving `draft` would do, unless the rules refuse it; what comes is kept for `draw`."""
    if form.accepted():
        _keep(key, draft, lambda: client.preview(row_id, draft), form)


def _keep(key: str, draft: Draft, ask: Callable[[], Preview], form: Shown) -> None:
    st.session_state.pop(_name(key), None)
    with answered(f"{key}:preview", "Close"):
        try:
            with st.spinner("Asking each target what would come of it"):
                st.session_state[_name(key)] = (draft, ask())
        except RefusedError as refusal:
            form.refuse(refusal)


def _name(key: str) -> str:
    return f"preview:{key}"


def draw(key: str, draft: Draft) -> None:
    """Draw what was found last under `key`, if it is about what the fields say now."""
    found: tuple[Draft, Preview] | None = st.session_state.get(_name(key))
    if found is None:
        return
    with st.container(border=True, key=f"shown-{_name(key).replace(':', '-')}"):
        if found[0] != draft:
            st.caption("The fields say something else since: preview again.")
            return
        _preview(key, found[1])


def _preview(key: str, preview: Preview) -> None:
    st.subheader("Preview", anchor=False)
    st.caption(f"What generation {preview.generation} would be at each target. Nothing is saved yet.")
    targets(key, preview)


def targets(key: str, preview: Preview) -> None:
    """Draw what becomes of a configuration at each target; `key` keeps several apart."""
    for tab, target in zip(st.tabs([_label(target) for target in preview.targets]), preview.targets, strict=True):
        with tab:
            _target(key, target)


def _label(target: TargetPreview) -> str:
    sign = "red-badge[refused]" if target.refusal else "gray-badge[not asked]" if target.unavailable else ""
    label = formatting.target_label(target.target)
    return f"{label} :{sign}" if sign else label


def _target(key: str, target: TargetPreview) -> None:
    if target.unavailable:
        st.warning(formatting.plain(formatting.brief(target.unavailable)), icon=":material/cloud_off:")
        return
    if not target.place:
        st.caption("This target does not deliver the environment: nothing of the row would be here.")
        return
    words, colour = CHANGES[target.change]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(words, color=colour)
        st.markdown(f"`{target.place}`", width="stretch")
        kind = st.segmented_control(
            f"Show at {formatting.target_label(target.target)}",
            (DIFFERENCE, MANIFEST),
            default=DIFFERENCE,
            required=True,
            label_visibility="collapsed",
            key=f"{key}:kind:{target.target}",
        )
    if target.refusal:
        st.error(f"**It would refuse this.** {formatting.plain(target.refusal)}", icon=":material/block:")
    if kind == MANIFEST and not target.manifest:
        st.caption("Nothing is here then.")
    elif kind == MANIFEST:
        st.code(target.manifest, language="yaml")
    elif target.diff:
        st.code(target.diff, language="diff")
    else:
        st.caption("There is no difference: it is so already.")
