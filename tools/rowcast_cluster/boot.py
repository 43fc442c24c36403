"""The first process of a node: prepares its namespaces, and becomes its supervisor.

Run by path in fresh namespaces, as `python -I -S boot.py FOLDER`: it imports nothing of this package. One line of JSON
on its standard input tells `host` and `node`, the two addresses of the link, and `command`, what to become.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

POLL_SECONDS = 0.05
INTERFACE = "node"
# Where programs write whatever they are told: the node has its own, laid over this machine's.
OVERLAID = ("/var/lib", "/var/log")
# What the kubelet sets for the whole machine. It leaves alone what it finds as it likes it, so that is what it finds.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def main() -> None:
    """Replaces this process, number 1 of its namespace, by the supervisor."""
    folder = Path(sys.argv[1])
    prepare_mounts(folder)
    line = sys.stdin.readline()
    if not line:
        sys.exit("nobody told me what to become")
    told = json.loads(line)
    prepare_network(told["host"], told["node"])
    # A proxy of this machine's has no business between the parts of the node.
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    os.execvpe(told["command"][0], told["command"], kept)


def prepare_mounts(folder: Path) -> None:
    """Gives the node its own /proc, /run, and changes to /var; what it mounts is its own as well."""
    call("mount", "--make-rshared", "/")
    call("mount", "-t", "proc", "proc", "/proc")
    call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("lock", "netns", "containerd"):
        Path("/run", name).mkdir()
    for path in OVERLAID:
        overlay(Path(path), folder / "overlay" / path.strip("/").replace("/", "-"))
    settings = folder / "kernel"
    settings.mkdir()
    for name, value in KERNEL_SETTINGS.items():
        real = Path("/proc/sys", name)
        if real.exists():
            pretended = settings / name.replace("/", "-")
            pretended.write_text(f"{value}\n")
            call("mount", "--bind", str(pretended), str(real))


def overlay(path: Path, own: Path) -> None:
    """Keeps what is written below `path` in `own`."""
    upper, work = own / "upper", own / "work"
    for made in (upper, work):
        made.mkdir(parents=True)
    call("mount", "-t", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={work}", "overlay", str(path))


def prepare_network(host: str, node: str) -> None:
    """Sets up this end of the link, once it is there."""
    call("ip", "link", "set", "lo", "up")
    while INTERFACE not in [name for _, name in socket.if_nameindex()]:
        time.sleep(POLL_SECONDS)
    call("ip", "address", "add", f"{node}/30", "dev", INTERFACE)
    call("ip", "link", "set", INTERFACE, "up")
    call("ip", "route", "add", "default", "via", host)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def call(*command: str) -> None:
    """Runs a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(command)}`: {done.stderr.strip()}")


if __name__ == "__main__":
    main()
