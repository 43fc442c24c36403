"""`dapr run -f .`, as dapr.yaml says to call it: the sidecars and applications that Dapr's own CLI starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from rowcast_local.assembly import APPS, OWN_SERVICES
from rowcast_local.paths import CHECKOUT
from rowcast_local.platform import Platform
from rowcast_local.ports import DEFAULT_PORTS, is_free, load_ports
from rowcast_local.provision.tools import tool
from world import World, wait_until

# The CLI starts one application after the other, and each of them takes as long as the machine lets it.
STARTED_SECONDS = 400

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A folder that has all that the checkout has, but ports and a platform of its own, of which the rest is up."""
    folder = Path(tempfile.mkdtemp(prefix="rowcast-dapr-"))
    folder.chmod(0o711)  # PostgreSQL is another user
    platform = Platform(folder / ".rowcast", free_ports=True, without=OWN_SERVICES)
    try:
        platform.start()
        platform.wait_ready()
        for path in CHECKOUT.iterdir():
            if path.name not in (".rowcast", ".dapr", ".venv", "dapr.yaml"):
                (folder / path.name).symlink_to(path)
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "dapr.yaml").write_text(at_ports_of(platform))
        yield folder
    finally:
        platform.destroy()
        shutil.rmtree(folder)


def at_ports_of(platform: Platform) -> str:
    """dapr.yaml with the platform's ports in the place of the default ones, and else as it is."""
    ports = load_ports(platform.state.ports)
    assert ports
    chosen = {str(port): str(ports[name]) for name, port in DEFAULT_PORTS.items()}

    def moved(value: Any) -> Any:
        match value:
            case dict():
                return {key: moved(inner) for key, inner in value.items()}
            case list():
                return [moved(inner) for inner in value]
            case int() if str(value) in chosen:
                return int(chosen[str(value)])
            case str():
                head, mark, port = value.rpartition(":" if value.startswith("http") else "=")
                return f"{head}{mark}{chosen[port]}" if mark and port in chosen else value
        return value

    return yaml.safe_dump(moved(yaml.safe_load((CHECKOUT / "dapr.yaml").read_text())), sort_keys=False)


@contextmanager
def run_by_dapr(checkout: Path, platform: Platform, home: Path) -> Iterator[World]:
    """What the comment in dapr.yaml says; ready once crud answers through the dashboard's sidecar, the last one."""
    daprd = home / ".dapr" / "bin" / "daprd"
    daprd.parent.mkdir(parents=True)
    daprd.symlink_to(platform.blueprint.toolbox.daprd)
    said = home / "dapr.log"
    with said.open("wb") as log:
        cli = subprocess.Popen(
            [tool("dapr"), "run", "-f", "."],
            cwd=checkout,
            env={**os.environ, **platform.env(), "HOME": str(home)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    world = World(platform.env())

    def crud_answers() -> bool:
        assert cli.poll() is None, said.read_text()
        with world.api() as api:
            return api.get("/pipeline").is_success

    try:
        wait_until(crud_answers, said.read_text, STARTED_SECONDS)
        yield world
    finally:
        cli.terminate()
        cli.wait()


def test_a_row_arrives_everywhere_by_the_sidecars_that_dapr_starts(checkout: Path, tmp_path: Path) -> None:
    platform = Platform(checkout / ".rowcast")
    with run_by_dapr(checkout, platform, tmp_path) as world:
        environment = {**os.environ, "ROWCAST_STATE": str(platform.state.folder)}
        command = [sys.executable, "-m", "rowcast_local", "connector"]
        subprocess.run(command, env=environment, check=True, timeout=180, capture_output=True)
        row = world.create("by-dapr")
        world.settled()
        assert world.table() == {"by-dapr": (row["id"], 1, row["repository_url"], row["branch"], row["environment"])}
    ports = load_ports(platform.state.ports)
    assert ports
    theirs = [name for name in ports if name in APPS or name.endswith("-dapr-http")]

    def left() -> list[str]:
        return [name for name in theirs if not is_free(ports[name])]

    wait_until(lambda: not left(), lambda: f"still there: {left()}")  # the CLI kills them, and doesn't wait
