"""The picture of the way: boxes in stages with arrows between, as HTML that a screen reader reads as a list.

Streamlit takes SVG elements out of HTML, so the lines are pictures of their own.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from pipeline.models import StationState
from pipeline.view import Box, Line, Stage

WIDTH: Final = 160
HEIGHT: Final = 28
SIGNS: Final[dict[StationState, str]] = {"ok": "✓", "degraded": "!", "down": "✕", "unknown": "?"}

STYLE: Final = """
<style>
.rc-way, .rc-way ol, .rc-beside { list-style: none; margin: 0; padding: 0 !important; }
.rc-way { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 2rem; }
.rc-way > li { position: relative; display: flex; flex-direction: column; margin: 0; }
.rc-way > li:not(:last-child)::after {
  content: "→"; position: absolute; right: -1.65rem; top: calc(50% + .1rem); font-size: 1.25rem; opacity: .45;
}
.rc-stage { font-size: .72rem; letter-spacing: .06em; text-transform: uppercase; opacity: .65; margin-bottom: .4rem; }
.rc-way ol { display: flex; flex-direction: column; justify-content: space-evenly; gap: .75rem; flex: 1; }
.rc-beside { display: flex; align-items: flex-start; gap: 1rem; margin-top: 1rem !important; }
.rc-beside li { flex: 0 1 16rem; }
.rc-box {
  --rc: #64748b; margin: 0; padding: .7rem .8rem; border-radius: .6rem; min-height: 6.9rem; box-sizing: border-box;
  border: 1px solid color-mix(in srgb, var(--rc) 45%, transparent); border-left: 4px solid var(--rc);
  background: color-mix(in srgb, var(--rc) 7%, transparent);
}
.rc-beside .rc-box { min-height: 0; }
.rc-ok { --rc: light-dark(#15803d, #22a55a); } .rc-degraded { --rc: light-dark(#c2620b, #f59e42); }
.rc-down { --rc: light-dark(#c81e1e, #f25c5c); }
.rc-head { display: flex; flex-wrap: wrap; gap: 0 .5rem; align-items: baseline; justify-content: space-between; }
.rc-head strong { flex: 1 1 0; min-width: min-content; font-size: .92rem; line-height: 1.25; font-weight: 600; }
.rc-sign { flex: none; font-size: .75rem; font-weight: 600; white-space: nowrap;
  color: color-mix(in srgb, var(--rc) 82%, currentColor); }
.rc-box dl { display: flex; flex-wrap: wrap; gap: .1rem .9rem; margin: .35rem 0 0; padding: 0 !important; }
.rc-box dl { font-size: .8rem; }
.rc-box dl div { display: flex; flex-wrap: wrap; gap: 0 .3rem; min-width: 0; }
.rc-box dt { opacity: .65; font-weight: 400; }
.rc-box dd { margin: 0; min-width: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.rc-box img { display: block; width: 100%; height: 1.75rem; margin-top: .4rem; }
@media (max-width: 1200px) {
  .rc-way { grid-auto-flow: row; gap: 1.6rem; }
  .rc-way > li:not(:last-child)::after { content: "↓"; right: 50%; top: auto; bottom: -1.7rem; }
  .rc-beside { flex-wrap: wrap; }
}
</style>
"""


def picture(stages: Sequence[Stage], beside: Iterable[Box]) -> str:
    """Return the HTML of the whole way."""
    places = "".join(
        f'<li><div class="rc-stage">{escape(stage.title)}</div><ol>{"".join(map(_item, stage.boxes))}</ol></li>'
        for stage in stages
        if stage.boxes
    )
    others = "".join(map(_item, beside))
    return (
        f'{STYLE}<ol class="rc-way" aria-label="The way of a change">{places}</ol>'
        f'<ul class="rc-beside" aria-label="Beside the way">{others}</ul>'
    )


def sparkline(line: Line) -> str:
    """Return an SVG of the line, from nought to its highest value, with the last one marked."""
    top = max(*line.values, line.top) or 1.0
    step = (WIDTH - 6) / (len(line.values) - 1)
    points = [(2 + n * step, HEIGHT - 3 - value / top * (HEIGHT - 7)) for n, value in enumerate(line.values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">'
        f'<polygon points="2,{HEIGHT - 2} {path} {x:.1f},{HEIGHT - 2}" fill="#6d67f0" fill-opacity=".16"/>'
        f'<polyline points="{path}" fill="none" stroke="#6d67f0" stroke-width="1.6" '
        f'vector-effect="non-scaling-stroke"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="#6d67f0"/></svg>'
    )


def _item(box: Box) -> str:
    figures = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in box.figures)
    return (
        f'<li class="rc-box rc-{box.state}" data-station="{escape(box.name)}">'
        f'<div class="rc-head"><strong>{escape(box.title)}</strong>'
        f'<span class="rc-sign">{SIGNS[box.state]} {escape(box.word)}</span></div>'
        f"<dl>{figures}</dl>{_image(box.line) if box.line else ''}</li>"
    )


def _image(line: Line) -> str:
    data = base64.b64encode(sparkline(line).encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(line.words)}">'
