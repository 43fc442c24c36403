"""The README and the tutorial, run as a reader would, on a platform of their own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ITSELF = "./task test\n"
"""What runs this test is not run by it."""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """A reader's environment: a state of its own, so that no other platform of this checkout is met."""
    environment = {**os.environ, "ROWCAST_STATE": str(tmp_path / "state"), "TMPDIR": str(tmp_path)}
    yield environment
    subprocess.run(["./task", "reset", "--", "--yes"], cwd=CHECKOUT, env=environment, check=True, timeout=120)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/tutorial-your-table.md"])
def test_every_command_of_a_page_works(page: str, reader: Mapping[str, str], tmp_path: Path) -> None:
    blocks = [block for block in BLOCK.findall((CHECKOUT / page).read_text()) if block != ITSELF]
    assert blocks
    # A reader has one shell, so what one block exports the next one has.
    script = "set -euo pipefail\n" + "\n".join(blocks).replace("/tmp/", f"{tmp_path}/")
    ran = subprocess.run(
        ["bash", "-c", script], cwd=CHECKOUT, env=reader, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
