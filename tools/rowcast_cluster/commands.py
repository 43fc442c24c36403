"""Commands of the machine that do their work or say why not."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from rowcast_cluster.errors import ClusterError

COMMAND_SECONDS = 300.0


def run(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    text: str | None = None,
    seconds: float = COMMAND_SECONDS,
) -> str:
    """What `command` prints, given `text` as its input. Raises ClusterError with its own words if it fails."""
    words = [str(part) for part in command]
    try:
        ran = subprocess.run(
            words,
            env=None if environment is None else dict(environment),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        raise ClusterError(f"cannot run {words[0]}: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{' '.join(words[:4])} …` took longer than {seconds:.0f} s") from error
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip()
        raise ClusterError(f"`{' '.join(words[:6])}` exited with code {ran.returncode}: {said}")
    return ran.stdout
