"""What a row becomes: its manifests as YAML, or what has no value, with its place."""

from __future__ import annotations

import streamlit as st

from client.errors import RefusedError
from renderers import texts
from renderers.models import Rendered
from shared import formatting


def draw(rendered: Rendered) -> None:
    """Draw the manifests of a row, or what is wrong with it."""
    problems(rendered)
    if rendered.problems:
        return
    facts = (("Name", rendered.name), ("Environment", rendered.environment))
    st.caption(" · ".join(f"{label} {formatting.plain(value)}" for label, value in facts if value))
    if not rendered.manifests:
        st.caption("This row becomes nothing: no manifest's condition is true for it.")
    for manifest in rendered.manifests:
        content = manifest.content
        about = content.get("metadata") or {}
        name = "/".join(part for part in (about.get("namespace"), about.get("name")) if part)
        what = f"{content.get('kind', '')} {name}"
        st.markdown(f"**{formatting.plain(manifest.id)}** {formatting.plain(what)}")
        st.code(texts.as_yaml(content), language="yaml")


def difference(before: Rendered, after: Rendered) -> None:
    """Draw how the manifests of a row differ, or what is wrong with it."""
    problems(after)
    if after.problems:
        return
    changed = texts.difference(texts.together(before.manifests), texts.together(after.manifests))
    if changed:
        st.code(changed, language="diff")
    else:
        st.caption("Its manifests stay as they are.")


def problems(rendered: Rendered) -> None:
    """Say what has no value for the row."""
    for problem in rendered.problems:
        st.error(f"**{formatting.plain(problem.place)}** {formatting.plain(formatting.sentence(problem.message))}")
        if problem.expression:
            st.code(problem.expression, language=None)


def refused(refusal: RefusedError) -> None:
    """Say what of a declaration is refused, each problem with its place."""
    if not refusal.errors:
        st.error(formatting.plain(formatting.sentence(refusal.detail or refusal.title)))
    for error in refusal.errors:
        place = formatting.plain(error.field.removeprefix("body."))
        st.error(f"**{place}** {formatting.plain(formatting.sentence(error.message or error.rule))}")
