"""The README and the tutorials, run as a reader would, one after another on a platform of the reader's own."""

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
PAGES = ("README.md", "docs/tutorial-your-table.md", "docs/tutorial.md")
"""In the order in which one platform serves all of them: the last one stops it."""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A reader's environment: a state of its own, so that no other platform of this checkout is met."""
    folder = tmp_path_factory.mktemp("reader")
    environment = {**os.environ, "ROWCAST_STATE": str(folder / "state"), "TMPDIR": str(folder)}
    yield environment
    subprocess.run(["./task", "reset", "--", "--yes"], cwd=CHECKOUT, env=environment, check=True, timeout=120)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(page: str, reader: Mapping[str, str], tmp_path: Path) -> None:
    blocks = [block for block in BLOCK.findall((CHECKOUT / page).read_text()) if block != ITSELF]
    assert blocks[0].startswith("./task up\n")  # whoever begins with this page starts the platform by it
    # A reader has one shell, so what one block exports the next one has.
    script = "set -euo pipefail\n" + "\n".join(blocks).replace("/tmp/", f"{tmp_path}/")
    ran = subprocess.run(
        ["bash", "-c", script], cwd=CHECKOUT, env=reader, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
