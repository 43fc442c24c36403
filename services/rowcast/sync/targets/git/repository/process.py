"""Runs the `git` program: never in the event loop's way, never for ever, never with somebody's configuration."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress

from rowcast.core.errors import TransientError
from rowcast.sync.targets.git.repository.advice import told

_PASSED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|SSH_AUTH_SOCK|SSL_CERT_(FILE|DIR)|(?i:(https?|no|all)_proxy)"
    r"|GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|SSL_CAINFO|SSL_CAPATH|SSL_CERT|SSL_KEY|CONFIG_GLOBAL|EXEC_PATH)"
)
_FIXED = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
}


class GitError(TransientError):
    """A git command failed, or took too long. The message is git's own line, without credentials, and what to do."""


def environment_for(given: Mapping[str, str], configuration: str) -> dict[str, str]:
    """The variables that git sees. `configuration` is the file that stands for the user's, unless one was given."""
    passed_on = {name: value for name, value in given.items() if _PASSED_ON.fullmatch(name)}
    return {"PATH": os.defpath, "GIT_CONFIG_GLOBAL": configuration, **passed_on, **_FIXED}


class Git:
    """The git program with one environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    async def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        timeout: float,  # noqa: ASYNC109 - it ends a process group
        variables: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run git to its end and return its standard output.

        Raises GitError when it fails or is not done after `timeout` seconds; the whole process group is gone then.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *arguments,
                stdin=DEVNULL if stdin is None else PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env={**self._environment, **(variables or {})},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise GitError(f"git cannot be started: {error}") from error
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin), timeout)
        except TimeoutError:
            raise GitError(f"git {_verb(arguments)} took longer than {timeout:g} s") from None
        finally:
            await _end(process)
        if process.returncode != 0:
            raise GitError(f"git {_verb(arguments)}: {_told(err) or _told(out) or process.returncode}")
        return out


async def _end(process: Process) -> None:
    """Kill what is left of the process and its children, and reap it."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())


def _verb(arguments: tuple[str, ...]) -> str:
    """The command's name: what is neither an option nor the `name=value` of `-c`."""
    return next((argument for argument in arguments if not argument.startswith("-") and "=" not in argument), "")


def _told(output: bytes) -> str:
    return told(output.decode(errors="replace"))
