"""RabbitMQ and the Erlang that runs it: the machine's own, or Debian's packages, unpacked into the cache."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rowcast_local.provision import debian
from rowcast_local.provision.commands import CommandError, Commands
from rowcast_local.provision.debian import PackageError
from rowcast_local.provision.existing import Existing, find_existing
from rowcast_local.provision.step import Step

OLDEST = (3, 10)
PACKAGE = "rabbitmq-server"
# What rabbitmq-server depends on, but for what it needs to be installed or to rotate its logs.
ERLANG = (
    "asn1",
    "base",
    "crypto",
    "eldap",
    "ftp",
    "inets",
    "mnesia",
    "os-mon",
    "parsetools",
    "public-key",
    "runtime-tools",
    "snmp",
    "ssl",
    "syntax-tools",
    "tftp",
    "tools",
    "xmerl",
)
PACKAGES = (*(f"erlang-{name}" for name in ERLANG), PACKAGE)
# Debian's own `rabbitmq-server` on $PATH is a wrapper that wants root, or an account of its own.
BARE = Path("/usr/lib/rabbitmq/bin")
OS_RELEASE = Path("/etc/os-release")


@dataclass(frozen=True)
class Programs:
    """`server` starts a node as whoever calls it; `erlang` is the folder of `erl` and `epmd`."""

    server: Path
    erlang: Path


def find(environment: Mapping[str, str]) -> tuple[Existing, Programs] | None:
    """The machine's own RabbitMQ, if it is new enough."""
    path = os.pathsep.join([str(BARE), environment.get("PATH", "")])
    # The server itself can't be asked for its version: it would start.
    found = find_existing("rabbitmqctl", ("version",), lambda version: version >= OLDEST, {"PATH": path})
    names = shutil.which("epmd", path=environment.get("PATH"))
    if found is None or names is None:
        return None
    server = found.path.with_name("rabbitmq-server")
    return (found, Programs(server, Path(names).parent)) if server.exists() else None


def obtainable() -> Path | None:
    """What it would be had by: the machine's own server, or the program that gets Debian's packages."""
    if found := find(os.environ):
        return found[1].server
    return Path(_apt()) if _apt() else None


def step(cache: Path) -> tuple[Step, Programs]:
    """Gets it from Debian's packages, as this release has them. Raises PackageError where that is not possible."""
    if not _apt():
        raise PackageError(f"missing here: {PACKAGE} (Debian's name); install RabbitMQ, or choose another broker")
    release = OS_RELEASE.read_text() if OS_RELEASE.exists() else ""
    key = hashlib.sha256(" ".join([release, *PACKAGES]).encode()).hexdigest()[:8]
    target = cache / f"rabbitmq-debian-{key}"

    def build(folder: Path, commands: Commands) -> None:
        try:
            debian.unpack(PACKAGES, folder, commands)
        except CommandError as error:
            why = f"{error}\nInstall it (apt-get install {PACKAGE}), or choose another broker"
            raise CommandError(why) from error
        make_movable(folder / "usr" / "lib" / "erlang" / "bin" / "erl")

    programs = Programs(target / "usr/lib/rabbitmq/bin/rabbitmq-server", target / "usr/lib/erlang/bin")
    return Step("rabbitmq (Debian packages)", target, build), programs


def _apt() -> str:
    return (shutil.which("apt-get") or "") if shutil.which("dpkg-deb") else ""


def make_movable(erl: Path) -> None:
    """Lets `erl` look for its parts where it is itself, instead of where it would have been installed.

    Raises CommandError if it does not say that as it used to.
    """
    here = '"$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)"'
    text = erl.read_text()
    if "ROOTDIR=/usr/lib/erlang\n" not in text:
        raise CommandError(f"{erl} does not say where Erlang is, as it used to")
    erl.write_text(text.replace("ROOTDIR=/usr/lib/erlang\n", f"ROOTDIR={here}\n"))
