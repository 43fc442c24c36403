"""Parts that come as wheels: each installed by uv, with hashes, into a folder of its own."""

import hashlib
import re
import sys
from pathlib import Path

from rowcast_local.paths import CHECKOUT
from rowcast_local.provision.commands import Commands
from rowcast_local.provision.step import Step

LOCKS = CHECKOUT / "requirements" / "parts"


def wheel_step(part: str, cache: Path, *, distribution: str) -> Step:
    """Installs `requirements/parts/<part>.txt`; `distribution` is the one whose version names the folder."""
    lock = LOCKS / f"{part}.txt"
    text = lock.read_text()
    version = locked_version(text, distribution)
    key = hashlib.sha256(text.encode()).hexdigest()[:8]

    def build(folder: Path, commands: Commands) -> None:
        commands.run(*uv_install(lock, folder), folder=CHECKOUT)

    return Step(f"{part} {version}", cache / f"{part}-{version}-{key}", build)


def locked_version(lock: str, distribution: str) -> str:
    """The version that a requirements file's text pins `distribution` to. Raises ValueError if it doesn't."""
    found = re.search(rf"^{re.escape(distribution)}==([^\s;\\]+)", lock, re.MULTILINE)
    if found is None:
        raise ValueError(f"the lock pins no {distribution}")
    return found[1]


def uv_install(lock: Path, folder: Path) -> tuple[str | Path, ...]:
    """The command that installs a lock file into `folder`, trusting the certificates that the machine trusts."""
    uv = Path(sys.executable).parent / "uv"
    options = ("--quiet", "--system-certs", "--python", sys.executable, "--target", folder, "--require-hashes")
    return (uv, "pip", "install", *options, "-r", lock)
