"""Parts that the machine has already, used as they are when their version fits."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rowcast_local.provision.golang import required_go, version_in

ASK_SECONDS = 10.0
KUBECTL_SKEW = 1
OLDEST_JAVA = 17

Version = tuple[int, ...]


@dataclass(frozen=True)
class Existing:
    """A program found on this machine."""

    path: Path
    version: Version

    @property
    def text(self) -> str:
        """The version, as people write it."""
        return ".".join(str(number) for number in self.version)


def same_minor(wanted: str) -> Callable[[Version], bool]:
    """Fits when major and minor are those of `wanted`."""
    return lambda version: version[:2] == version_in(wanted)[:2]


def find_existing(
    name: str, arguments: tuple[str, ...], fits: Callable[[Version], bool], environment: Mapping[str, str]
) -> Existing | None:
    """The first `name` in `$KUBEBUILDER_ASSETS` or on `$PATH`, if it answers `arguments` with a version that fits."""
    folders = [environment.get("KUBEBUILDER_ASSETS", ""), environment.get("PATH", "")]
    found = shutil.which(name, path=os.pathsep.join(folder for folder in folders if folder))
    if found is None:
        return None
    try:
        command = (found, *arguments)
        asked = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    version = version_in(asked.stdout + asked.stderr)
    return Existing(Path(found).absolute(), version) if version and fits(version) else None


def find_go(environment: Mapping[str, str]) -> Existing | None:
    """A Go that is new enough for our modules."""
    return find_existing("go", ("version",), lambda version: version >= required_go(), environment)


def find_java(environment: Mapping[str, str]) -> Existing | None:
    """A Java that Kafka 4 runs on."""
    return find_existing("java", ("-version",), lambda version: version[0] >= OLDEST_JAVA, environment)


def find_kubectl(environment: Mapping[str, str], server: str) -> Existing | None:
    """A kubectl within the skew of one minor version that Kubernetes supports."""
    major, minor = version_in(server)[:2]

    def fits(version: Version) -> bool:
        return version[0] == major and abs(version[1] - minor) <= KUBECTL_SKEW

    return find_existing("kubectl", ("version", "--client"), fits, environment)
