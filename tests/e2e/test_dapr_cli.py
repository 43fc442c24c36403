"""`dapr run -f .` by Dapr's own command line, with our daprd: the applications of `dapr.yaml`, at real parts."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rowcast_local.assembly import OWN_SERVICES
from rowcast_local.paths import CHECKOUT
from rowcast_local.platform import Platform
from rowcast_local.provision.tools import tool
from world import World, wait_until

PORTS = {"daprHTTPPort": "http", "daprGRPCPort": "grpc", "daprInternalGRPCPort": "internal", "metricsPort": "metrics"}
# What `dapr init --slim` writes.
CONFIGURATION = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: daprConfig}\nspec: {}\n"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Platform]:
    """As `./task up -- --parts-only --broker redis` leaves it."""
    platform = Platform(tmp_path / "state", free_ports=True, broker="redis", without=OWN_SERVICES)
    platform.start()
    platform.wait_ready()
    yield platform
    platform.destroy()


@pytest.fixture
def running(parts: Platform, tmp_path: Path) -> Iterator[World]:
    """The checkout's file, with the ports and folders of these parts."""
    home = tmp_path / "dapr" / ".dapr"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "daprd").symlink_to(parts.toolbox.daprd)
    (home / "config.yaml").write_text(CONFIGURATION)
    file = tmp_path / "dapr.yaml"
    file.write_text(yaml.safe_dump(adapted(yaml.safe_load((CHECKOUT / "dapr.yaml").read_text()), parts)))
    environment = {**os.environ, **parts.env(), "DAPR_RUNTIME_PATH": str(home.parent)}
    with (tmp_path / "dapr.log").open("w") as log:
        command = subprocess.Popen(
            [tool("dapr"), "run", "-f", file],
            cwd=CHECKOUT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield World(parts.env())
        finally:
            command.send_signal(signal.SIGINT)
            command.wait(60)


def adapted(content: dict[str, Any], parts: Platform) -> dict[str, Any]:
    """Only where things are differs: beside this platform there may be others."""
    ports, data = parts.blueprint.ports, parts.state.data
    ours, _ = content["common"]["resourcesPaths"]
    content["common"]["resourcesPaths"] = [str(CHECKOUT / ours), str(data / "dapr" / "broker")]
    for app in content["apps"]:
        name = app["appID"]
        app |= {key: ports[f"{name}-dapr-{kind}"] for key, kind in PORTS.items()}
        # Its logs go to .dapr below this folder.
        app["appDirPath"] = str(data / name)
        (data / name).mkdir(parents=True, exist_ok=True)
        app["command"] = [str(CHECKOUT / word) if (CHECKOUT / word).exists() else word for word in app["command"]]
        if "appPort" in app:
            app["appPort"] = app["env"]["ROWCAST_HTTP_PORT"] = ports[name]
        else:
            app["command"] = [
                f"--server.port={ports[name]}" if "server.port" in word else word for word in app["command"]
            ]
        if "ROWCAST_GIT_CACHE" in app.get("env", {}):
            app["env"]["ROWCAST_GIT_CACHE"] = str(data / "git" / "mirror")
    return content


def test_a_change_goes_all_the_way_where_daprs_own_command_runs_the_applications(running: World) -> None:
    def answers() -> bool:
        with running.api() as api:
            return api.get("/appconfigs").is_success

    wait_until(answers)
    running.create("by-dapr-run")

    running.settled()
    assert "by-dapr-run" in running.cluster()
    assert "by-dapr-run" in running.repository()
