"""Pages of commands, run as a reader would, in one shell from the first block to the last."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
HOW_TO = CHECKOUT / "docs" / "how-to"
PAGES = ("install-in-a-cluster", "bring-your-own-kafka-and-postgresql", "upgrade", "change-the-broker", "uninstall")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = "Not run by a test: "


def run_page(page: str, environment: Mapping[str, str], part: slice = slice(None), **replaced: str) -> str:
    """What the `bash` blocks of a page print, both ways, or of a part of them.

    Each line `export NAME=…` of theirs has the value of `replaced` instead.
    """
    text = (HOW_TO / f"{page}.md").read_text()
    script = "\n".join([code for language, code in BLOCK.findall(text) if language == "bash"][part])
    with tempfile.TemporaryDirectory() as folder:
        script = script.replace("/tmp/", f"{folder}/")
        for name, value in replaced.items():
            script, found = re.subn(rf"^export {name}=.*$", f"export {name}={value}", script, flags=re.MULTILINE)
            assert found, f"{page} has no `export {name}=`"
        ran = subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n{script}"],
            cwd=CHECKOUT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout[-6000:]
    return ran.stdout
