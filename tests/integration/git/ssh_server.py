"""A real sshd at a free port of the loopback, with keys and a configuration of its own; no service of the machine's."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leaving_out import require
from rowcast_local.ports import HOST, free_ports
from rowcast_local.provision.needs import SSHD
from world import wait_until

_CONFIGURATION = """\
ListenAddress {host}:{port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""


class SshServer:
    """Lets in who has a key of `authorized`, to do anything."""

    def __init__(self, folder: Path) -> None:
        self.port = next(free_ports())
        self.authorized = folder / "authorized"
        self._folder = folder
        self.host_key = make_key(folder / "host")

    @property
    def known_hosts(self) -> str:
        """The line by which a client knows this server."""
        return f"[{HOST}]:{self.port} {self.host_key}"

    def url(self, repository: Path) -> str:
        """A repository's address here."""
        return f"ssh://{getpass.getuser()}@{HOST}:{self.port}{repository}"

    @contextmanager
    def running(self) -> Iterator[SshServer]:
        """Serve in a process of its own."""
        configuration = self._folder / "sshd_config"
        configuration.write_text(_CONFIGURATION.format(host=HOST, port=self.port, folder=self._folder))
        with (self._folder / "log").open("wb") as log:
            process = subprocess.Popen([_program(), "-D", "-e", "-f", str(configuration)], stdout=log, stderr=log)
        try:
            wait_until(self._answers)
            yield self
        finally:
            process.terminate()
            process.wait(10)

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) == 0


def make_key(private: Path) -> str:
    """Make a key pair; returns its public half."""
    private.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a test", "-f", str(private)], check=True)
    return private.with_suffix(".pub").read_text()


def _program() -> str:
    require(SSHD)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return str(SSHD.find())
