"""The docs as a site, built whole: mkdocs' strict mode refuses links and anchors that lead nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def test_every_page_is_built_its_links_and_anchors_hold_and_it_is_found(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)

    assert built.returncode == 0, built.stderr
    found = {entry["location"] for entry in json.loads((tmp_path / "search/search_index.json").read_text())["docs"]}
    pages = {page.relative_to(CHECKOUT / "docs").with_suffix("").as_posix() for page in CHECKOUT.glob("docs/**/*.md")}
    # A folder's README or index is the folder's page; any other page has a folder of its own.
    places = {page.removesuffix("README").removesuffix("index") for page in pages}
    assert {place if place.endswith("/") or not place else f"{place}/" for place in places} <= found
