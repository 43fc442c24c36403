"""The remote behind https with a CA of its own, and behind ssh: what is wrong with a login is told, and then mended."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from chaos.git_server import USER, GitServer
from contract.targets.places import Git, git
from contract.targets.rows import saved
from integration.git.ssh_server import SshServer, make_key
from rowcast.core.errors import TransientError
from rowcast.sync.targets.git import GitSettings, GitTarget
from rowcast.sync.targets.git.repository.credentials import variables
from rowcast_local.parts.certificates import common_name, settle_key, sign
from rowcast_local.ports import HOST, free_ports

pytestmark = pytest.mark.anyio


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS, and its certificate, which vouches for itself."""
    key, certificate = settle_key(folder / "tls.key"), folder / "tls.crt"
    name = common_name("a Git server")
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    certificate.write_bytes(sign(name, key.public_key(), name, key, datetime.timedelta(days=1), [address]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, folder / "tls.key")
    return context, certificate


class Https:
    def __init__(self, place: Git, folder: Path) -> None:
        self.place = place
        self.password = folder / "password"
        self.password.write_text("a token\n")
        git("-C", str(place.repository), "config", "http.receivepack", "true")
        context, self.certificate = certified(folder)
        port = next(free_ports())
        self.server = GitServer(place.repository.parent, port, "a token", context)
        self.url = f"https://{HOST}:{port}/{place.repository.name}"

    def settings(self, certificate: Path | None = None) -> GitSettings:
        environment = {**os.environ, "GIT_SSL_CAINFO": str(certificate or self.certificate)}
        cache = self.place.settings().cache
        return GitSettings(
            url=self.url, cache=cache, environment=environment, username=USER, password_file=self.password
        )


@pytest.fixture
def https(place: Git, tmp_path: Path) -> Iterator[Https]:
    found = Https(place, tmp_path)
    with found.server.running():
        yield found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    folder = tmp_path / "sshd"
    folder.mkdir()
    server = SshServer(folder)
    server.authorized.write_text(make_key(tmp_path / "key"))
    (tmp_path / "known_hosts").write_text(server.known_hosts)
    with server.running():
        yield server


@pytest.fixture
def ssh(server: SshServer, place: Git, tmp_path: Path) -> GitSettings:
    return GitSettings(
        url=server.url(place.repository),
        cache=place.settings().cache,
        environment=dict(os.environ),
        ssh_key=tmp_path / "key",
        known_hosts=tmp_path / "known_hosts",
    )


async def refused_then_delivered(settings: GitSettings, place: Git, mend: Callable[[], object], words: str) -> str:
    """One instance, before and after; returns what it said before."""
    target = GitTarget(settings)
    with pytest.raises(TransientError, match=words) as refused:
        await target.deliver([saved(1, 1, "a")])
    assert place.observe() == {}
    mend()
    await target.deliver([saved(1, 1, "a")])
    await target.close()
    assert set(place.observe()) == {"a"}
    return str(refused.value)


async def test_https_with_a_token_leaves_it_nowhere(https: Https, capfd: pytest.CaptureFixture[str]) -> None:
    target = GitTarget(https.settings())
    await target.deliver([saved(1, 1, "a")])
    await target.close()
    assert set(https.place.observe()) == {"a"}
    kept = [path for path in https.settings().cache.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"a token" in path.read_bytes() for path in kept)
    assert "a token" not in "".join(capfd.readouterr())


async def test_a_token_that_has_expired_is_asked_for_and_the_new_one_taken_up(https: Https) -> None:
    https.server.password = "another"
    said = await refused_then_delivered(
        https.settings(), https.place, lambda: https.password.write_text("another"), "put a new password or token"
    )
    assert "a token" not in said


async def test_a_password_that_cannot_be_read_is_named(https: Https) -> None:
    https.password.unlink()
    words = "file of the password cannot be read: .*password"
    await refused_then_delivered(https.settings(), https.place, lambda: https.password.write_text("a token"), words)


async def test_a_server_with_a_certificate_of_somebody_else_gets_no_token(https: Https, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    _, other = certified(tmp_path / "other")
    await refused_then_delivered(
        https.settings(other),
        https.place,
        lambda: other.write_bytes(https.certificate.read_bytes()),
        "certificate is not trusted",
    )


def test_another_server_than_the_remotes_is_told_no_login(https: Https) -> None:
    elsewhere = replace(https.settings(), url="https://elsewhere.example.org/repository.git")
    for settings, told in ((https.settings(), True), (elsewhere, False)):
        asked = f"protocol=https\nhost={https.url.split('/')[2]}\n\n"
        environment = {**os.environ, **variables(settings), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "credential", "fill"]
        done = subprocess.run(command, input=asked, env=environment, capture_output=True, text=True, check=False)
        assert ("password=a token" in done.stdout) is told


async def test_ssh_with_a_key_to_a_known_server(ssh: GitSettings, place: Git) -> None:
    target = GitTarget(ssh)
    await target.deliver([saved(1, 1, "a")])
    await target.deliver([saved(1, 2, "a")])
    await target.close()
    assert place.observe()["a"].generation == 2


async def test_a_server_that_is_not_known_gets_nothing(ssh: GitSettings, place: Git, server: SshServer) -> None:
    known = ssh.known_hosts
    assert known is not None
    known.write_text("")
    await refused_then_delivered(ssh, place, lambda: known.write_text(server.known_hosts), "known hosts")


async def test_a_server_with_another_key_gets_nothing(
    ssh: GitSettings, place: Git, server: SshServer, tmp_path: Path
) -> None:
    known = ssh.known_hosts
    assert known is not None
    known.write_text(f"{server.known_hosts.split(' ')[0]} {make_key(tmp_path / 'another')}")
    await refused_then_delivered(ssh, place, lambda: known.write_text(server.known_hosts), "known hosts")


async def test_a_key_that_is_not_let_in_is_told(
    ssh: GitSettings, place: Git, server: SshServer, tmp_path: Path
) -> None:
    another = make_key(tmp_path / "key")
    await refused_then_delivered(ssh, place, lambda: server.authorized.write_text(another), "does not take our SSH key")


async def test_a_key_that_cannot_be_read_is_named(ssh: GitSettings, place: Git, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.rename(tmp_path / "away")
    await refused_then_delivered(
        ssh, place, lambda: (tmp_path / "away").rename(key), "file of the SSH key cannot be read"
    )


async def test_a_branch_of_another_name_in_any_bytes_is_not_ours(place: Git) -> None:
    target = GitTarget(place.settings())
    await target.deliver([saved(1, 1, "a")])
    tip = git("-C", str(place.repository), "rev-parse", "main").strip()
    packed = place.repository / "packed-refs"
    packed.write_bytes(f"{tip} refs/heads/".encode() + b"caf\xe9/refs/heads/main\n")
    await target.inventory()
    await target.close()
    assert set(place.observe()) == {"a"}
