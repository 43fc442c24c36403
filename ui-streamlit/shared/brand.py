"""The name, the logo (rows on their way to a target) and the little that Streamlit's theme cannot say."""

from __future__ import annotations

import base64
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
<div class="rowcast-brand"><div class="rowcast-mark"></div>
<div><strong>{NAME}</strong><span>rows in, resources out</span></div></div>
"""

# The mark is a background because Streamlit takes SVG elements out of HTML.
STYLE: Final = (
    f"""
<style>
.rowcast-mark {{
  flex: none; width: 2.5rem; height: 2.5rem;
  background: center / contain no-repeat url("data:image/svg+xml;base64,{base64.b64encode(ICON.encode()).decode()}");
}}
</style>
"""
    + """
<style>
.block-container { max-width: 1320px; padding-top: 4rem; padding-bottom: 2rem; }
.rowcast-brand { display: flex; gap: .75rem; align-items: center; margin-bottom: 1rem; }
.rowcast-brand strong { display: block; font-size: 1.35rem; line-height: 1.2; letter-spacing: -.01em; }
.rowcast-brand span { font-size: .8rem; opacity: .7; }
[data-testid="stSidebarHeader"] { height: 2.5rem; margin-bottom: 0; }
[data-testid="stHeader"] { background: transparent; }
/* A heading begins where its page or its box begins, whatever it stands in. */
[data-testid="stHeading"] :is(h1, h2, h3) { padding-top: 0; }
[data-testid="stSidebar"] [data-testid="stPageLink"] .stMarkdownBadge {
  font-size: .72rem; line-height: 1.3; padding: 0 .35rem; border-radius: 1rem; margin-left: .25rem;
  vertical-align: middle;
}
/* Columns of YAML stand below each other. */
[class*="st-key-trial-"] textarea { font-family: monospace; font-size: .875rem; }
[data-testid="stSidebar"] .st-key-person { margin-top: 1rem; }
[class*="st-key-choose-"]:not(.st-key-choose-all) { padding-top: .55rem; }
/* A row's name is a link to it; the sign of its page says nothing more. */
[class*="st-key-change-"] [data-testid="stPageLink"] [data-testid="stIconMaterial"] { display: none; }
[class*="st-key-change-"] [data-testid="stPageLink"] a { padding: 0 .15rem; gap: 0; }
[class*="st-key-change-"] [data-testid="stPageLink"] p { font-weight: 600; font-size: 1rem; }
[class*="st-key-change-"] [data-testid="stPageLink"] p { text-decoration: underline; }
/* The grid's own toolbar offers a download and a search of one page only: both would mislead. */
[data-testid="stElementToolbar"] { display: none; }
</style>
"""
)
