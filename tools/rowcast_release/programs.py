"""The programs that a release is made with, and a registry of its own for what is only tried."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rowcast_local.ports import HOST
from rowcast_local.provision.tools import tool
from rowcast_release.errors import ReleaseError

LAST_LINES = 3
"""Of what a program says when it fails; Helm's reason is not in its last one."""


def output(*command: str | Path, environment: Mapping[str, str] | None = None, given: str | None = None) -> str:
    """What `command` writes to its output. Raises ReleaseError with the last lines of its errors."""
    texts = [str(word) for word in command]
    done = subprocess.run(
        texts, env={**os.environ, **(environment or {})}, input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        why = "; ".join(said[-LAST_LINES:]) or f"exit code {done.returncode}"
        raise ReleaseError(f"`{Path(texts[0]).name} {' '.join(texts[1:4])} …` fails: {why}")
    return done.stdout


def log_in(place: str, user: str, password: str, folder: Path) -> None:
    """Has every program know the login of a registry, from a file in `folder`. Raises ReleaseError if it is refused."""
    os.environ |= {"DOCKER_CONFIG": str(folder), "HELM_REGISTRY_CONFIG": str(folder / "config.json")}
    host = place.partition("/")[0]
    output(tool("crane"), "auth", "login", host, "--username", user, "--password-stdin", given=password)


@contextmanager
def own_registry(folder: Path) -> Iterator[str]:
    """The place (`host:port`) of a registry on this machine, whose content is in `folder`, for as long as it lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    command = (tool("crane"), "registry", "serve", "--address", f"{HOST}:0", "--disk", folder)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield f"{HOST}:{_port(server)}"
        finally:
            server.terminate()


def _port(server: subprocess.Popen[str]) -> int:
    errors = server.stderr
    assert errors
    line = ""
    for line in errors:
        if found := re.search(r"serving on port (\d+)", line):
            # It goes on to say what it is asked, and must not have to wait for a reader.
            threading.Thread(target=errors.read, daemon=True).start()
            return int(found[1])
    raise ReleaseError(f"no registry could be started here: {line.strip()}")
