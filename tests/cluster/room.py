"""An image without a cluster: unpacked, and run as a pod would run it: its user, a read-only root, nothing to gain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The room's own mounts end with its processes, as does everything that it started.
ENTER = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
for folder in $WRITABLE; do
    mount -t tmpfs -o mode=0700,uid=10001,gid=10001 tmpfs "$root$folder"
done
if [ -n "$MOUNTED" ]; then
    cp -R "$MOUNTED" "$root/tmp/mounted"
    chown -R 10001:10001 "$root/tmp/mounted"
fi
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \\
    chroot --userspec=10001:10001 --groups=10001 "$root" env -i "$@"
"""

SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Room:
    """`root` has the image's files, `config` is what it says of itself."""

    root: Path
    config: dict[str, Any]

    @classmethod
    def unpack(cls, archive: Path, root: Path) -> Room:
        """Of a docker-archive."""
        with tarfile.open(archive) as outer:
            manifest = json.load(_file(outer, "manifest.json"))[0]
            config = json.load(_file(outer, manifest["Config"]))["config"]
            for name in manifest["Layers"]:
                with tarfile.open(fileobj=_file(outer, name)) as layer:
                    members = [each for each in layer.getmembers() if not each.isdev()]
                    for each in members:
                        path = root / each.name
                        if path.name.startswith(".wh."):
                            subprocess.run(["rm", "-rf", path.with_name(path.name.removeprefix(".wh."))], check=True)
                    kept = [each for each in members if not Path(each.name).name.startswith(".wh.")]
                    extract(layer, root, kept)
        return cls(root, config)

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """What it prints, both ways, when it ends well."""
        entered = self._enter(command, environment or {}, (), None)
        done = subprocess.run(
            **entered, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False
        )
        said: str = done.stdout
        assert done.returncode == 0, said
        return said

    @contextmanager
    def running(
        self,
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        writable: Sequence[str] = (),
        mounted: Path | None = None,
    ) -> Iterator[None]:
        """Its own command, until the end of the block; `mounted` is copied to /tmp/mounted before."""
        entered = self._enter(self.config["Cmd"], environment or {}, writable, mounted)
        log.touch(mode=0o666)
        log.chmod(0o666)  # as a runtime gives a container's output to its user
        with (
            log.open("wb") as output,
            subprocess.Popen(**entered, stdout=output, stderr=output, start_new_session=True) as process,
        ):
            try:
                yield
            finally:
                os.killpg(process.pid, signal.SIGKILL)

    def _enter(
        self, command: Sequence[str], environment: Mapping[str, str], writable: Sequence[str], mounted: Path | None
    ) -> dict[str, Any]:
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in environment.items())]
        room = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "room", str(self.root)]
        outside = {
            "WRITABLE": " ".join(writable),
            "MOUNTED": str(mounted or ""),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        return {"args": [*room, *variables, *command], "env": outside}


def extract(archive: tarfile.TarFile, root: Path, members: Sequence[tarfile.TarInfo]) -> None:
    """Extracts `members` of an archive that we have made ourselves, just as they are: owners, modes, absolute links.

    On every Python: `extractall(filter=...)` came with 3.11.4, and the default of 3.14 changes members. A Python
    without filters doesn't read the attribute.
    """
    archive.extraction_filter = lambda member, _: member
    archive.extractall(root, members=members)


def _file(archive: tarfile.TarFile, name: str) -> Any:
    found = archive.extractfile(name)
    assert found
    return found
