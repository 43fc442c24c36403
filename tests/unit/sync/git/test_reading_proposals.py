from __future__ import annotations

import pytest

from rowcast.sync.targets.git.proposals.reading import marked, unmarked

ON = "0123456789" * 4


@pytest.mark.parametrize("message", ["Create a\n\nRowcast-Table: t\nRowcast-Row: 1@1\n", "Remove what was left\n"])
def test_the_mark_is_a_trailer_that_comes_off_again(message: str) -> None:
    with_mark = marked(message, ON)
    assert with_mark.rpartition("\n\n")[2].splitlines()[-1] == f"Rowcast-Proposed-On: {ON}"
    assert with_mark.startswith(message.splitlines()[0] + "\n\n")
    assert unmarked(with_mark) == message
