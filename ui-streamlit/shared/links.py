"""Where the documentation is."""

from __future__ import annotations

import os
from typing import Final

DOCS: Final = "https://github.com/rowcast/rowcast/blob/main"


def docs(page: str) -> str:
    """Return the address of a page, named by its path in the repository; ROWCAST_DOCS_URL says where that is."""
    return f"{(os.environ.get('ROWCAST_DOCS_URL') or DOCS).rstrip('/')}/{page}"
