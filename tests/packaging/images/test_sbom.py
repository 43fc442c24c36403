"""A bill of materials by the real syft, of an image that has one program."""

from __future__ import annotations

import json
from pathlib import Path

from leaving_out import leave_out
from rowcast_cluster.images import Image, write_archive
from rowcast_images.sbom import FILE, by_syft
from rowcast_local.provision.commands import Commands, Running
from rowcast_local.provision.tools import is_built, tool


def test_it_names_what_is_in_the_image_and_not_where_that_was_built(tmp_path: Path) -> None:
    if not is_built("syft"):
        leave_out("no syft built here (.venv/bin/python -m rowcast_local tool syft)", optional=True)
    archive = tmp_path / "image.tar"
    write_archive(Image("built/crane:1", "crane", "crane"), tool("crane"), archive)

    Commands(Running(), tmp_path / "log").run(*by_syft(tool("syft"), "crane", archive), folder=tmp_path)

    text = (tmp_path / FILE).read_text()
    made = json.loads(text)
    assert (made["bomFormat"], made["metadata"]["component"]["name"]) == ("CycloneDX", "rowcast/crane")
    assert any("/google/go-containerregistry@" in each.get("purl", "") for each in made["components"])
    assert str(tmp_path) not in text
