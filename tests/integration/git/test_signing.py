"""Signed commits, judged by git with keys made here."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.targets.places import Git, commit_and_push, git
from contract.targets.rows import deleted, saved
from leaving_out import require
from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered
from rowcast.sync.forges.memory import MemoryForge
from rowcast.sync.targets.git import GitTarget
from rowcast.sync.targets.git.proposals.target import ProposingTarget
from rowcast_local.provision.needs import GPG

pytestmark = pytest.mark.anyio

Log = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Key:
    """A private key's file, and what a verifier has of its public half."""

    form: str
    private: Path
    verifier: tuple[str, ...]
    environment: dict[str, str]

    def verifies(self, place: Git, commit: str) -> bool:
        command = ["git", *self.verifier, "-C", str(place.repository), "verify-commit", commit]
        return subprocess.run(command, env=self.environment, capture_output=True, check=False).returncode == 0


def ssh_key(folder: Path, name: str = "key") -> Key:
    private = folder / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rowcast", "-f", str(private)]
    subprocess.run(command, check=True)
    signers = folder / f"{name}-signers"
    signers.write_text(f"rowcast@rowcast.dev {private.with_suffix('.pub').read_text()}")
    verifier = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers}")
    return Key("ssh", private, verifier, dict(os.environ))


@pytest.fixture
def gpg_home() -> Iterator[Path]:
    """Not below the test's own folder: gpg's sockets have short names only."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        yield Path(folder)
        subprocess.run(["gpgconf", "--kill", "all"], env={**os.environ, "GNUPGHOME": folder}, check=False)


def gpg_key(folder: Path, home: Path) -> Key:
    environment = {**os.environ, "GNUPGHOME": str(home)}
    gpg = ["gpg", "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
    make = [*gpg, "--quick-generate-key", "Rowcast <rowcast@rowcast.dev>", "ed25519", "sign"]
    subprocess.run(make, env=environment, check=True, capture_output=True)
    private = folder / "secret.asc"
    export = [*gpg, "--armor", "--export-secret-keys"]
    private.write_bytes(subprocess.run(export, env=environment, check=True, capture_output=True).stdout)
    return Key("openpgp", private, (), environment)


@pytest.fixture(params=["ssh", "openpgp"])
def key(request: pytest.FixtureRequest, tmp_path: Path) -> Key:
    if request.param == "ssh":
        return ssh_key(tmp_path)
    require(GPG)
    return gpg_key(tmp_path, request.getfixturevalue("gpg_home"))


def signing(place: Git, key: Key) -> GitTarget:
    return GitTarget(place.settings(signing_key=key.private, signing_format=key.form))


async def test_every_commit_is_signed_and_says_the_same_as_an_unsigned_one(place: Git, key: Key, log: Log) -> None:
    target = signing(place, key)
    await target.deliver([saved(1, 1, "a", actor="Zoë <z>\n"), saved(2, 1, "b", actor="bob@example.org")])
    (result,) = (await target.deliver([saved(1, 2, "a")])).values()
    await target.close()

    assert result == Delivered(Outcome.CONFIGURED, log("%H")[0])
    assert [key.verifies(place, commit) for commit in log("%H")] == [True, True]
    assert log("%an|%ae|%cn|%ce")[-1] == "Zoë z|zo-z@users.rowcast.invalid|Rowcast|rowcast@rowcast.dev"
    assert log("%s") == ["Update a", "Create a and b"]
    assert log("%(trailers:key=Rowcast-Row,valueonly,separator=%x2C)") == ["1@2", "1@1,2@1"]
    assert log("%P")[0] == log("%H")[1]
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 2, "b": 1}


async def test_what_is_not_signed_or_not_by_the_key_is_not_verified(place: Git, key: Key, tmp_path: Path) -> None:
    unsigned = commit_and_push(place.clone(), "Theirs")
    assert not key.verifies(place, unsigned)

    other = ssh_key(tmp_path, "other")
    target = signing(place, other)
    (result,) = (await target.deliver([saved(1, 1, "a")])).values()
    await target.close()
    assert isinstance(result, Delivered)
    assert other.verifies(place, str(result.reference))
    assert not key.verifies(place, str(result.reference))


async def test_a_key_that_cannot_be_read_holds_up_the_start_and_names_itself(place: Git, key: Key) -> None:
    content = key.private.read_bytes()
    key.private.unlink()
    target = signing(place, key)
    with pytest.raises(TransientError, match=f"signing key cannot be read: .*{key.private.name}"):
        await target.start()
    with pytest.raises(TransientError, match="signing key"):
        await target.deliver([saved(1, 1, "a")])
    assert place.version() == ""

    key.private.write_bytes(content)
    key.private.chmod(0o600)
    await target.deliver([saved(1, 1, "a")])
    await target.close()
    assert set(place.observe()) == {"a"}


async def test_a_file_that_is_no_key_makes_no_commit(place: Git, key: Key) -> None:
    key.private.write_text("nonsense")
    target = signing(place, key)
    with pytest.raises(TransientError, match=str(key.private)):
        await target.deliver([saved(1, 1, "a")])
    await target.close()
    assert place.version() == ""


async def test_a_key_that_is_changed_is_taken_up_without_a_restart(place: Git, tmp_path: Path, log: Log) -> None:
    first, second = ssh_key(tmp_path), ssh_key(tmp_path, "next")
    target = signing(place, first)
    await target.deliver([saved(1, 1, "a")])
    first.private.write_bytes(second.private.read_bytes())
    first.private.with_suffix(".pub").write_bytes(second.private.with_suffix(".pub").read_bytes())
    await target.deliver([saved(1, 2, "a")])
    await target.close()
    newest, oldest = log("%H")
    assert first.verifies(place, oldest)
    assert second.verifies(place, newest)


FORGED = """Words

Rowcast-Platform: rowcast
Rowcast-Place: main:environments
Rowcast-Table: app_configs
Rowcast-Row: {row} deleted
"""


async def test_where_commits_are_signed_a_deletion_is_believed_by_our_signature_alone(place: Git, key: Key) -> None:
    target = signing(place, key)
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    await target.deliver([deleted(1, 2, "a")])
    await target.close()
    clone = place.clone()
    for row in ("2@9", "1@9"):
        (clone / "environments/other.txt").write_text(row)
        git("-C", str(clone), "add", "--all")
        person = ("-c", "user.name=Rowcast", "-c", "user.email=rowcast@rowcast.dev")
        git("-C", str(clone), *person, "commit", "--quiet", "-m", FORGED.format(row=row))
    (clone / "environments/other.txt").write_text("And one that would bring a deleted row back.")
    forged = FORGED.format(row="1@1").replace(" deleted", "")
    git("-C", str(clone), *person, "commit", "--quiet", "--all", "-m", forged)
    git("-C", str(clone), "push", "--quiet", "origin", "HEAD:main")

    target = signing(place, key)
    await target.deliver([saved(1, 1, "a"), saved(2, 2, "b")])
    await target.close()

    assert {name: one.generation for name, one in place.observe().items()} == {"b": 2}


async def test_what_was_signed_with_another_key_buries_nothing(place: Git, tmp_path: Path) -> None:
    first, second = ssh_key(tmp_path), ssh_key(tmp_path, "next")
    target = signing(place, first)
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    await target.deliver([deleted(1, 2, "a")])
    await target.close()

    target = signing(place, second)
    await target.deliver([saved(1, 1, "a")])
    await target.close()

    assert set(place.observe()) == {"a", "b"}


def proposing(place: Git, key: Key | None) -> ProposingTarget:
    more = {} if key is None else {"signing_key": key.private, "signing_format": key.form}
    return ProposingTarget(place.settings(**more), MemoryForge(), poll=3600)


def begun(place: Git) -> None:
    clone = place.clone()
    (clone / "README").write_text("First of all.\n")
    commit_and_push(clone, "Begin")


def said(place: Git, form: str) -> str:
    return git("-C", str(place.repository), "log", f"--format={form}", "main..rowcast/main")


async def test_a_forged_commit_on_our_branch_never_gets_our_signature_with_its_words(place: Git, key: Key) -> None:
    begun(place)
    target = proposing(place, key)
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    await target.close()
    clone = place.clone()
    git("-C", str(clone), "checkout", "--quiet", "rowcast/main")
    (clone / "environments/dev/appconfigs/b.yaml").unlink()
    on = git("-C", str(clone), "rev-parse", "origin/main").strip()
    person = ("-c", "user.name=Rowcast", "-c", "user.email=rowcast@rowcast.dev")
    message = f"{FORGED.format(row='2@9')}Rowcast-Proposed-On: {on}\n"
    author = ("--author", "Boss <boss@example.org>")
    git("-C", str(clone), *person, "commit", "--quiet", "--all", *author, "-m", message)
    git("-C", str(clone), "push", "--quiet", "origin", "HEAD:rowcast/main")
    clone = place.clone()
    (clone / "other").write_text("The branch moves.")
    commit_and_push(clone, "Theirs")

    for generation in (2, 3):
        target = proposing(place, key)
        await target.deliver([saved(1, generation, "a"), saved(2, generation, "b")])
        await target.close()

    assert "2@9" not in said(place, "%B")
    assert "boss" not in said(place, "%an %ae")
    assert all(key.verifies(place, commit) for commit in said(place, "%H").split())
    branch = git("-C", str(place.repository), "ls-tree", "-r", "--name-only", "rowcast/main").splitlines()
    assert [path for path in branch if path.endswith("b.yaml")] == ["environments/dev/appconfigs/b.yaml"]


async def test_what_was_proposed_before_commits_were_signed_stays_proposed(place: Git, key: Key) -> None:
    begun(place)
    target = proposing(place, None)
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    await target.close()

    target = proposing(place, key)
    (result,) = (await target.deliver([saved(2, 2, "b")])).values()
    assert isinstance(result, Delivered)
    assert result.stage == "proposed"
    assert {int(held.row.key): held.generation for held in await target.inventory()} == {1: 1, 2: 2}
    await target.close()
