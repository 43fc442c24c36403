"""The local bare mirror: a cache of the remote's branch in which commits are made. Nothing in it is the truth."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from rowcast.core.errors import TransientError
from rowcast.sync.targets.git.repository.credentials import readable, variables
from rowcast.sync.targets.git.repository.process import Git, GitError, environment_for
from rowcast.sync.targets.git.repository.signing import Signer, SigningError
from rowcast.sync.targets.git.repository.stream import Commit, commit_stream
from rowcast.sync.targets.git.settings import GitSettings

_REF = "refs/rowcast/tip"
_MANY = 100
_OTHER = "refs/rowcast/other"
_CONFIGURATION = "[safe]\n\tdirectory = *\n"
"""Git refuses a local remote that belongs to another user; whoever named it in the settings has decided that."""
_MIRROR_CONFIGURATION = {
    "gc.auto": "0",
    "maintenance.auto": "false",
    "core.fsync": "none",
    "core.compression": "1",
    "core.logAllRefUpdates": "false",
    "fastimport.unpackLimit": "1",
    "push.negotiate": "false",
}


class Mirror:
    """One remote branch and its cache folder, which no second instance may use at the same time."""

    def __init__(self, settings: GitSettings) -> None:
        self._settings = settings
        self._folder = settings.cache.absolute()
        self._path = self._folder / "mirror.git"
        self._mark = self._path / "rowcast-remote"
        self._lock: int | None = None
        seen = environment_for(settings.environment, str(self._folder / "gitconfig"))
        self._git = Git({**seen, **variables(settings)})
        self._signer = Signer(settings, settings.signing_key) if settings.signing_key else None

    async def open(self) -> None:
        """Lock the cache folder and have a repository in it. Raises TransientError while another instance has it."""
        self._prepare()
        if self._lock is None:
            self._lock = _locked(self._folder / "lock")
        if self._signer is not None:
            await self._signer.open()
        if not await self._is_ours():
            await self.rebuild()

    def close(self) -> None:
        """Let another instance have the cache folder."""
        if self._signer is not None:
            self._signer.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def rebuild(self) -> None:
        """Throw the mirror away and begin an empty one."""
        await asyncio.to_thread(shutil.rmtree, self._path, ignore_errors=True)
        await self._local("init", "--quiet", "--bare", "--template=")
        settings = ((*name.partition("."), value) for name, value in _MIRROR_CONFIGURATION.items())
        try:
            with (self._path / "config").open("a") as config:
                config.writelines(f"[{section}]\n\t{name} = {value}\n" for section, _, name, value in settings)
            self._mark.write_text(self._remote_mark())
        except OSError as error:
            raise TransientError(f"cache folder: {error}") from error

    async def remote_tip(self, ref: str | None = None) -> str | None:
        """The branch's commit, or another ref's, asked of the remote itself; None while there is no such ref.

        Raises GitError.
        """
        self._prepare()
        readable(self._settings)
        ref = ref or self._settings.ref
        out = await self._git.run("ls-remote", "--", self._settings.url, ref, timeout=self._remote)
        # Other branches may end with the same name, and be called in any bytes.
        found = (line.partition("\t")[::2] for line in out.decode(errors="replace").split("\n"))
        return next((commit for commit, name in found if name == ref), None)

    async def fetch(self, ref: str | None = None) -> str:
        """Get the branch, or another ref; returns its commit. Raises GitError, also when there is no such ref."""
        into = _OTHER if ref else _REF
        spec = f"+{ref or self._settings.ref}:{into}"
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
        await self._local("fetch", *quiet, "--", self._settings.url, spec, timeout=self._remote)
        return (await self.read("rev-parse", "--verify", into)).decode().strip()

    async def write(self, commit: Commit) -> str:
        """Make a commit in the mirror, signed where there is a key; returns its hash.

        Raises GitError, which means that the mirror is damaged, and TransientError when it can't be signed.
        """
        if self._signer is not None:
            await self._signer.open()
        stream = commit_stream(_REF, commit)
        out = await self._local("fast-import", "--quiet", "--force", "--done", "--date-format=raw", stdin=stream)
        name = out.decode().strip()
        return name if self._signer is None else await self._signed(self._signer, name, commit)

    async def _signed(self, signer: Signer, name: str, commit: Commit) -> str:
        """The same commit with a signature, which fast-import can't make."""
        parent = () if commit.parent is None else ("-p", commit.parent)
        arguments = (*signer.arguments(), f"--git-dir={self._path}", "commit-tree", "-S", f"{name}^{{tree}}", *parent)
        message = commit.message.encode(errors="replace")
        seen, limit = signer.variables(commit), self._settings.local_timeout
        try:
            out = await self._git.run(*arguments, stdin=message, timeout=limit, variables=seen)
        except GitError as error:
            raise SigningError(f"the commit cannot be signed with {self._settings.signing_key}: {error}") from error
        return out.decode().strip()

    async def push(self, commit: str | None, expected: str | None, ref: str | None = None, files: int = 0) -> None:
        """Let the branch go from `expected` (None: from not being there) to a child of it. Raises GitError.

        Another `ref` may go anywhere, or with a `commit` of None away.

        A plain push would also pass when the branch was reset to an ancestor of `expected`, and so bring back what
        somebody has taken out; the lease lets nothing but `expected` itself be replaced.
        """
        readable(self._settings)
        ref = ref or self._settings.ref
        lease = f"--force-with-lease={ref}:{expected or ''}"
        refs = f"{commit or ''}:{ref}"
        # In search of likenesses among many files a push takes twice as long, and spares a few kilobytes.
        quick = ("-c", "pack.window=0") if files > _MANY else ()
        push = (*quick, "push", "--quiet", "--no-verify", lease, "--", self._settings.url, refs)
        await self._local(*push, timeout=self._remote)

    async def read(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Run a command that reads the mirror. Raises GitError."""
        return await self._local(*arguments, stdin=stdin)

    async def verified(self, commits: Collection[str]) -> frozenset[str]:
        """Those of these commits that our key has signed; all of them where there is none. Raises TransientError."""
        if self._signer is None or not commits:
            return frozenset(commits)
        await self._signer.open()
        command = ("log", "--no-walk", "--stdin", "--format=%H %G?")
        arguments = (*self._signer.verifying(), f"--git-dir={self._path}", *command)
        names, limit = "".join(f"{commit}\n" for commit in commits).encode(), self._settings.local_timeout
        try:
            out = await self._git.run(*arguments, stdin=names, timeout=limit, variables=self._signer.keyring())
        except GitError as error:
            raise SigningError(f"signatures cannot be verified with {self._settings.signing_key}: {error}") from error
        states = (line.split(" ") for line in out.decode().splitlines())
        return frozenset(name for name, state in states if state in self._signer.good)

    async def maintain(self) -> None:
        """Join the small packs that commits leave behind, beside other commands. Raises GitError.

        Neither way drops an object that no ref reaches: it may be a commit that is just being made.
        """
        try:
            await self._local("repack", "--geometric=2", "-d", "-l", "-q")
        except GitError:  # before Git 2.32
            await self._local("repack", "-a", "-d", "-k", "-l", "-q")

    @property
    def _remote(self) -> float:
        return self._settings.remote_timeout

    async def _local(self, *arguments: str, stdin: bytes | None = None, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - passed on
        limit = self._settings.local_timeout if timeout is None else timeout
        return await self._git.run(f"--git-dir={self._path}", *arguments, stdin=stdin, timeout=limit)

    async def _is_ours(self) -> bool:
        try:
            if self._mark.read_text() != self._remote_mark():
                return False
            await self.read("rev-parse", "--git-dir")
        except (OSError, ValueError, GitError):
            return False
        return True

    def _remote_mark(self) -> str:
        """Which remote the mirror is of, without its credentials."""
        return hashlib.sha256(f"{self._settings.url}\n{self._settings.ref}".encode()).hexdigest()

    def _prepare(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "gitconfig").write_text(_CONFIGURATION)
        except OSError as error:
            raise TransientError(f"cache folder: {error}") from error


def _locked(path: Path) -> int:
    """The lock goes with the process, however that ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise TransientError(f"another instance uses the cache folder {path.parent}") from None
    return descriptor
