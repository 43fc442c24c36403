"""A hook of mkdocs: what a page links to outside of docs/ is in the repository, and not on the site."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

CHECKOUT = Path(__file__).parents[1]
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((\.\./[^)#]*)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """The page's text, with the path beside the words of each link that leads out of docs/."""
    folder = CHECKOUT / "docs" / PurePosixPath(page.file.src_uri).parent

    def named(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(CHECKOUT / "docs"):
            return link[0]
        return f"{link[1]} (`{target.relative_to(CHECKOUT)}` in the repository)"

    return LINK.sub(named, markdown)
