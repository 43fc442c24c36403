"""What an image installs is the wheel: it must bring along what isn't Python."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
LOOK = """
import rowcast
from rowcast.connector.definition import read_definition
from rowcast.crd.definition import read_definitions
from rowcast.crud.migrations.migrate import head_level
print(rowcast.__file__, head_level(), read_definition().name, read_definitions()[0]["kind"])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    content = folder / "content"
    zipfile.ZipFile(wheel).extractall(content)
    return content


def test_an_installed_package_finds_its_migrations_its_definitions_and_its_connector(installed: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    ran = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment, cwd=installed, capture_output=True, text=True, timeout=60
    )

    assert ran.returncode == 0, ran.stderr
    place, head, connector, kind = ran.stdout.split()
    assert Path(place).is_relative_to(installed)
    newest = max(path.stem[1:5] for path in CHECKOUT.glob("services/rowcast/crud/migrations/versions/v*.py"))
    assert (head, connector, kind) == (newest, "rowcast", "CustomResourceDefinition")


def test_no_file_of_the_services_stays_behind(installed: Path) -> None:
    source = CHECKOUT / "services" / "rowcast"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=source,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    missing = [path for path in tracked if not (installed / "rowcast" / path).exists()]

    assert missing == []
