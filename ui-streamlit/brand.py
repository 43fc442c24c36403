"""The name, the logo (rows on their way to a target) and the little that Streamlit's theme cannot say."""

from __future__ import annotations

from typing import Final

NAME: Final = "Rowcast"

MARK: Final = (
    '<rect width="32" height="32" rx="8" fill="#4f46e5"/>'
    '<g fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round">'
    '<path d="M7 10h8M7 22h8" opacity=".6"/><path d="M7 16h9"/></g>'
    '<path d="M22 10.2l5 2.9v5.8l-5 2.9-5-2.9v-5.8z" fill="#fff"/>'
)
ICON: Final = f'<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32" viewBox="0 0 32 32">{MARK}</svg>'
BRAND: Final = f"""
<div class="rowcast-brand"><svg viewBox="0 0 32 32" role="img" aria-label="{NAME}">{MARK}</svg>
<div><strong>{NAME}</strong><span>database rows as Kubernetes resources</span></div></div>
"""

STYLE: Final = """
<style>
.block-container { max-width: 1280px; padding-top: 2.5rem; padding-bottom: 3rem; }
.rowcast-brand { display: flex; gap: .75rem; align-items: center; }
.rowcast-brand svg { width: 2.4rem; height: 2.4rem; flex: none; }
.rowcast-brand strong { display: block; font-size: 1.3rem; line-height: 1.2; letter-spacing: -.01em; }
.rowcast-brand span { font-size: .8rem; opacity: .7; }
/* The grid's own toolbar offers a download and a search of one page only: both would mislead. */
[data-testid="stElementToolbar"] { display: none; }
</style>
"""
