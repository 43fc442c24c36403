"""Every command of the pages on clusters is run by a test, or the page says why not."""

from __future__ import annotations

import re

import pytest

from cluster.pages import BLOCK, HOW_TO, NOT_RUN, PAGES

UNTRIED = re.compile(rf"^{NOT_RUN}[^\n]+\n\n\Z", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_a_block_that_no_test_runs_has_its_reason_before_it(page: str) -> None:
    text = (HOW_TO / f"{page}.md").read_text()
    blocks = list(BLOCK.finditer(text))

    assert blocks
    for block in blocks:
        if block[1] in ("sh", "console"):
            assert UNTRIED.search(text[: block.start()]), f"no reason before:\n{block[0]}"
