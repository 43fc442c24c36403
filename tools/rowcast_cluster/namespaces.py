"""The namespaces that hold a node: processes, mounts, network. They end, with all that is in them, by one signal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rowcast_cluster.errors import ClusterError
from rowcast_cluster.machine import search_path
from rowcast_cluster.network import Network, connect

BOOT = Path(__file__).with_name("boot.py")
KINDS = ("--mount", "--net", "--pid", "--ipc", "--uts")
SECONDS = 30.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Process:
    """A process of this machine: its number, and when it started (clock ticks), since numbers come again."""

    number: int
    started: int

    @classmethod
    def find(cls, number: int) -> "Process | None":
        """The process of this number, unless it has ended."""
        fields = _stat(number)
        return None if fields is None or fields[0] == "Z" else cls(number, int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether it hasn't ended."""
        return Process.find(self.number) == self


@dataclass(frozen=True)
class Namespaces:
    """A node's namespaces: its first process, the process that waits for that one, and its network."""

    first: Process
    keeper: Process
    network: Network

    @property
    def alive(self) -> bool:
        """Whether anything can run in them."""
        return self.first.alive

    def end(self) -> None:
        """Kills all that runs in them; the kernel takes mounts and network away. Raises ClusterError if it doesn't."""
        with suppress(ProcessLookupError):
            if self.first.alive:
                os.kill(self.first.number, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.keeper.number, 0)
        _until(lambda: not self.first.alive and not self.keeper.alive, "the node's first process does not end")

    def enter(self, *command: str | Path) -> list[str]:
        """The command that runs `command` on the node."""
        return ["nsenter", f"--target={self.first.number}", "--mount", "--net", "--pid", *map(str, command)]

    def to_json(self) -> str:
        """All of it as text, for later commands."""
        return json.dumps({**asdict(self), "network": self.network.index})

    @classmethod
    def from_json(cls, text: str) -> "Namespaces":
        """The namespaces that `to_json` gave."""
        told = json.loads(text)
        return cls(Process(**told["first"]), Process(**told["keeper"]), Network(told["network"]))


def open_namespaces(folder: Path, log: Path, plan: Callable[[Namespaces], Sequence[str]]) -> None:
    """Makes namespaces, connects them to this machine, and starts in them the command that `plan` then gives.

    `folder` is for what the node writes outside its other folders. Raises ClusterError with the log's text if it
    can't be done; then nothing is left.
    """
    folder.mkdir(mode=0o711)
    environment = {**os.environ, "PATH": search_path()}
    boot = (sys.executable, "-I", "-S", str(BOOT), str(folder))
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            ["unshare", *KINDS, "--propagation=private", "--fork", "--kill-child=KILL", "--", *boot],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        first = _first(keeper)
        own = Process.find(keeper.pid)
        if own is None or keeper.stdin is None:
            raise ClusterError("it ended at once")
        network = connect(first.number)
        told = {"host": network.host, "node": network.node, "command": list(plan(Namespaces(first, own, network)))}
        keeper.stdin.write(json.dumps(told).encode() + b"\n")
        keeper.stdin.close()
    except BaseException as error:
        keeper.kill()
        keeper.wait()
        if isinstance(error, (ClusterError, OSError)):
            raise ClusterError(f"no node can be made here: {error} {log.read_text().strip()}") from error
        raise


def _first(keeper: subprocess.Popen[bytes]) -> Process:
    found: list[Process] = []

    def look() -> bool:
        if keeper.poll() is not None:
            raise ClusterError(f"unshare exited with code {keeper.returncode}.")
        found.extend(_children(keeper.pid))
        return bool(found)

    _until(look, "unshare starts nothing")
    return found[0]


def _children(parent: int) -> list[Process]:
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    children = [number for number in numbers if (fields := _stat(number)) and int(fields[1]) == parent]
    return [process for number in children if (process := Process.find(number))]


def _stat(number: int) -> list[str] | None:
    # proc_pid_stat(5): the fields from the third on; the second may itself have spaces.
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(complaint)
        time.sleep(POLL_SECONDS)
