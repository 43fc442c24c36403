"""The way of a change at each target, drawn as a line with a dot per station."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Final

import streamlit as st

from configurations import view_model
from configurations.timeline import Mood, Step, Track
from shared import formatting

SIGNS: Final[dict[Mood, str]] = {
    "done": "done",
    "waiting": "waiting",
    "late": "waiting, late",
    "failed": "failed",
    "next": "to come",
}
STYLE: Final = """
<style>
.rowcast-way { list-style: none; margin: 0 !important; padding: 0 0 0 .2rem !important; }
.rowcast-way li { position: relative; margin: 0; padding: 0 0 .8rem 1.5rem; font-size: .9rem; line-height: 1.35; }
.rowcast-way li:last-child { padding-bottom: .1rem; }
.rowcast-way li::before {
  content: ""; position: absolute; left: 0; top: .3rem; width: .65rem; height: .65rem; border-radius: 50%;
  background: var(--dot); box-shadow: 0 0 0 3px color-mix(in srgb, var(--dot) 22%, transparent);
}
.rowcast-way li:not(:last-child)::after {
  content: ""; position: absolute; left: .28rem; top: 1.2rem; bottom: -.1rem; width: 2px;
  background: color-mix(in srgb, currentColor 18%, transparent);
}
.rowcast-way .line { display: flex; gap: .5rem; justify-content: space-between; align-items: baseline; }
.rowcast-way .lag { font-variant-numeric: tabular-nums; opacity: .75; white-space: nowrap; }
.rowcast-way .note { display: block; font-size: .8rem; opacity: .7; overflow-wrap: anywhere; }
.rowcast-way .note a { color: inherit; }
.rowcast-way .done { --dot: #16a34a; }
.rowcast-way .waiting { --dot: #e08a1e; }
.rowcast-way .waiting::before { animation: rowcast-pulse 1.4s ease-in-out infinite; }
.rowcast-way .late, .rowcast-way .failed { --dot: #dc2626; }
.rowcast-way .next { --dot: color-mix(in srgb, currentColor 30%, transparent); }
.rowcast-way .next .line { opacity: .6; }
.rowcast-way .unseen { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
@keyframes rowcast-pulse { 50% { opacity: .35; } }
@media (prefers-reduced-motion: reduce) { .rowcast-way .waiting::before { animation: none; } }
</style>
"""


def draw(track: Track) -> None:
    """Draw one target's steps under its name and state."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{formatting.target_label(track.target)}**", width="content")
        st.badge(track.word, color=view_model.COLOURS[track.word])
    st.html(html(track))
    if track.error:
        st.error(formatting.plain(track.error))


def html(track: Track) -> str:
    """Return the steps as a list; what others wrote is text in it, never markup."""
    label = f"The way to {formatting.target_label(track.target)}"
    items = "".join(_item(step) for step in track.steps)
    return f'<ol class="rowcast-way" aria-label="{escape(label, quote=True)}">{items}</ol>'


def _item(step: Step) -> str:
    time = _clock(step.at) if step.at else ""
    note = escape(step.note)
    if step.link:
        note = f'<a href="{escape(step.link, quote=True)}" target="_blank" rel="noopener noreferrer">{note}</a>'
    below = " · ".join(part for part in (time, note) if part)
    return (
        f'<li class="{step.mood}"><div class="line"><span>{escape(step.title)}'
        f'<span class="unseen"> ({SIGNS[step.mood]})</span></span>'
        f'<span class="lag">{escape(step.lag)}</span></div>'
        f'<span class="note">{below or "&nbsp;"}</span></li>'
    )


def _clock(moment: datetime) -> str:
    text = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
    return f'<time datetime="{moment.isoformat()}" title="{moment:%Y-%m-%d} {text} UTC">{text}</time>'
