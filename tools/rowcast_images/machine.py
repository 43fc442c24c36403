"""What this machine needs to reach its package indexes, as build secrets: in the build, and in no layer."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rowcast_local.pip_settings import listing, options
from rowcast_local.provision.wheels import download_environment

MOUNTED = Path("/run/secrets")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
MAVEN = "ROWCAST_MAVEN_REPOSITORY"
# Options of pip that mean the same inside of a build; those that are paths of this machine don't.
PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
APT_OPTIONS = tuple(f"Acquire::{name}" for name in ("http", "https", "Check-Valid-Until", "Check-Date", "Retries"))
APT_PATHS = tuple(f"Acquire::https::{name}" for name in ("CaInfo", "CaPath"))


@dataclass(frozen=True)
class Secrets:
    """Files for `--secret`, by id, and the folder of wheels that pip is told to look into, if there is one."""

    files: Mapping[str, Path]
    wheels: Path | None


def write_secrets(
    folder: Path, *, sources: str | None, mounts: bool, environment: Mapping[str, str] | None = None
) -> Secrets:
    """Writes them into `folder`, which should be the caller's alone.

    `sources` is what apt should have as its list; `mounts` says whether a build can be given a folder.
    """
    given = os.environ if environment is None else environment
    pip = options(listing(Path(sys.executable)))
    texts = {}
    certificates = given.get("SSL_CERT_FILE") or pip.get("cert") or download_environment().get("REQUESTS_CA_BUNDLE")
    if certificates and Path(certificates).is_file():
        texts["certificates"] = Path(certificates).read_text()
    wheels = _folder_of_wheels(pip.get("find-links", "")) if mounts else None
    lines = machine_lines(pip, given, certificates="certificates" in texts, wheels=wheels is not None)
    texts["machine"] = "".join(f"{line}\n" for line in lines)
    texts["apt.conf"] = apt_conf(_apt_dump(), certificates="certificates" in texts, sources=sources is not None)
    if sources is not None:
        texts["sources.list"] = sources
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    return Secrets({name: folder / name for name in texts}, wheels)


def machine_lines(
    pip: Mapping[str, str], environment: Mapping[str, str], *, certificates: bool, wheels: bool
) -> list[str]:
    """The shell lines that a build step reads: pip's options as its variables, proxies, certificates."""
    values = {f"PIP_{name.upper().replace('-', '_')}": pip[name] for name in PIP_OPTIONS if name in pip}
    values |= {name: environment[name] for name in (*PROXIES, MAVEN) if environment.get(name)}
    if certificates:
        names = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
        values |= dict.fromkeys(names, str(MOUNTED / "certificates"))
    if wheels:
        values["PIP_FIND_LINKS"] = str(MOUNTED / "wheels")
    values["APT_CONFIG"] = str(MOUNTED / "apt.conf")
    return [f"export {name}={shlex.quote(value)}" for name, value in sorted(values.items())]


def apt_conf(dump: str, *, certificates: bool, sources: bool) -> str:
    """Of `apt-config dump`, what is about reaching the mirror, with paths that are the build's instead of ours."""
    lines = [line for line in dump.splitlines() if line.startswith(APT_OPTIONS) and not line.startswith(APT_PATHS)]
    # Secrets are root's alone, so root has to be who fetches.
    lines.append('APT::Sandbox::User "root";')
    if certificates:
        lines.append(f'Acquire::https::CaInfo "{MOUNTED / "certificates"}";')
    if sources:
        lines += [f'Dir::Etc::sourcelist "{MOUNTED / "sources.list"}";', 'Dir::Etc::sourceparts "-";']
    return "".join(f"{line}\n" for line in lines)


def _apt_dump() -> str:
    if not shutil.which("apt-config"):
        return ""
    return subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout


def _folder_of_wheels(links: str) -> Path | None:
    return next((Path(link) for link in links.split() if Path(link).is_dir() and any(Path(link).iterdir())), None)
