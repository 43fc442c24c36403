"""Parts that come as wheels: each installed by uv, with hashes, into a folder of its own."""

import hashlib
import os
import re
import ssl
import sys
from functools import cache
from pathlib import Path

from rowcast_local.paths import CHECKOUT
from rowcast_local.pip_settings import uv_environment
from rowcast_local.provision.commands import Commands
from rowcast_local.provision.step import Step

LOCKS = CHECKOUT / "requirements" / "parts"


def wheel_step(part: str, folder: Path, *, distribution: str) -> Step:
    """Installs `requirements/parts/<part>.txt`; `distribution` is the one whose version names the folder."""
    lock = LOCKS / f"{part}.txt"
    text = lock.read_text()
    version = locked_version(text, distribution)
    key = hashlib.sha256(text.encode()).hexdigest()[:8]

    def build(target: Path, commands: Commands) -> None:
        commands.run(*uv_install(lock, target), folder=CHECKOUT, environment=download_environment())

    return Step(f"{part} {version}", folder / f"{part}-{version}-{key}", build)


def locked_version(lock: str, distribution: str) -> str:
    """The version that a requirements file's text pins `distribution` to. Raises ValueError if it doesn't."""
    found = re.search(rf"^{re.escape(distribution)}==([^\s;\\]+)", lock, re.MULTILINE)
    if found is None:
        raise ValueError(f"the lock pins no {distribution}")
    return found[1]


def uv_install(lock: Path, folder: Path) -> tuple[str | Path, ...]:
    """The command that installs a lock file into `folder`."""
    uv = Path(sys.executable).parent / "uv"
    options = ("--quiet", "--python", sys.executable, "--target", folder, "--require-hashes")
    return (uv, "pip", "install", *options, "-r", lock)


@cache
def download_environment() -> dict[str, str]:
    """What has uv and Python's requests use the index, proxy and certificates that this machine is set to."""
    settings = uv_environment(Path(sys.executable), os.environ)
    certificates = os.environ.get("SSL_CERT_FILE") or settings.get("SSL_CERT_FILE") or _system_certificates()
    if certificates and "REQUESTS_CA_BUNDLE" not in os.environ:
        settings["REQUESTS_CA_BUNDLE"] = certificates
    return settings


def _system_certificates() -> str | None:
    return ssl.get_default_verify_paths().cafile
