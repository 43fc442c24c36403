"""Signs commits with a key from a file: of SSH by `ssh-keygen`, or of OpenPGP by `gpg` with a keyring of our own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rowcast.core.errors import TransientError
from rowcast.sync.targets.git.repository.credentials import require
from rowcast.sync.targets.git.repository.stream import Commit
from rowcast.sync.targets.git.settings import GitSettings

_SECONDS = 60
_GPG = ("gpg", "--batch", "--quiet")


class SigningError(TransientError):
    """A commit can't be signed; it is not made then."""


class Signer:
    """One key, read anew whenever its file has changed."""

    def __init__(self, settings: GitSettings, key: Path) -> None:
        self._format = settings.signing_format
        self._key = key
        self._path = settings.environment.get("PATH", os.defpath)
        self._ring: Path | None = None
        self._signers = settings.cache.absolute() / "signers"
        self._digest = b""
        self._identity = ""

    @property
    def good(self) -> str:
        """What `%G?` (git-log(1)) says of our key's signatures: nobody has told gpg how far to trust it."""
        return "G" if self._format == "ssh" else "GU"

    async def open(self) -> None:
        """Have the key. Raises SigningError, or TransientError for a file that can't be read."""
        require(self._key, "signing key")
        if self._format == "openpgp":
            await asyncio.to_thread(self._import)

    def close(self) -> None:
        """Forget the key."""
        if self._ring is not None:
            # gpg leaves its agent behind.
            subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=self._gpg(), check=False, capture_output=True)
            shutil.rmtree(self._ring, ignore_errors=True)
        self._ring, self._digest = None, b""

    def arguments(self) -> tuple[str, ...]:
        """What `git` is told of the key."""
        name = str(self._key) if self._format == "ssh" else self._identity
        return ("-c", f"gpg.format={self._format}", "-c", f"user.signingKey={name}")

    def verifying(self) -> tuple[str, ...]:
        """What `git` is told to verify with: our key alone is known. Raises SigningError. Once it is open."""
        if self._format == "openpgp":
            return ("-c", "gpg.format=openpgp")
        # The public half is made of the private one, which is read anew: it may have been changed.
        public = self._run("ssh-keygen", "-y", "-P", "", "-f", str(self._key)).strip()
        self._signers.write_text(f'rowcast namespaces="git" {public}\n')
        return ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={self._signers}")

    def keyring(self) -> Mapping[str, str]:
        """What `gpg` is told of the keyring."""
        return self._gpg() if self._ring else {}

    def variables(self, commit: Commit) -> dict[str, str]:
        """What `git commit-tree` is told of the commit, and `gpg` of the keyring."""
        author, committer = _person("AUTHOR", commit.author), _person("COMMITTER", commit.committer)
        dates = {
            "GIT_AUTHOR_DATE": f"@{commit.authored_at} +0000",
            "GIT_COMMITTER_DATE": f"@{commit.committed_at} +0000",
        }
        return {**author, **committer, **dates, **self.keyring()}

    def _gpg(self) -> dict[str, str]:
        return {"PATH": self._path, "GNUPGHOME": str(self._ring)}

    def _import(self) -> None:
        digest = hashlib.sha256(self._key.read_bytes()).digest()
        if digest == self._digest:
            return
        self.close()
        # The agent's socket would not fit into a longer path.
        self._ring = Path(tempfile.mkdtemp(prefix="rowcast-gpg-"))
        self._run(*_GPG, "--import", str(self._key))
        listed = self._run(*_GPG, "--list-secret-keys", "--with-colons").splitlines()
        found = [line.split(":")[9] for line in listed if line.startswith("fpr:")]
        if not found:
            raise SigningError(f"no secret key of OpenPGP is in {self._key}")
        self._identity, self._digest = found[0], digest

    def _run(self, *command: str) -> str:
        try:
            done = subprocess.run(
                command,
                env=self._gpg(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SigningError(f"{command[0]} cannot be used: {error}") from error
        if done.returncode != 0:
            raise SigningError(f"the signing key {self._key} is refused: {done.stderr.strip().splitlines()[-1:]}")
        return done.stdout


def _person(role: str, ident: str) -> Mapping[str, str]:
    name, _, address = ident.rpartition(" <")
    encoded = (part.encode(errors="replace").decode() for part in (name, address.removesuffix(">")))
    return dict(zip((f"GIT_{role}_NAME", f"GIT_{role}_EMAIL"), encoded, strict=True))
