"""The policy as a file has it now: looked at when it is asked, used whole or not at all."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rowcast.core.policy import EVERYWHERE, Approvals, Policy, PolicyError, Rights, read_policy
from rowcast.runtime.logging import get_logger

LOOK_SECONDS = 1.0
"""How often the file is looked at."""
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class PolicyState:
    """How the policy is: how many lines allow or deny, and why the file as it is now is not the one in use."""

    rules: int
    fault: str | None


class PolicyFile:
    """A file's policy. One that can't be read leaves the one before in place; before the first there is none, and
    nothing is allowed. A ConfigMap's files change by a link that leads elsewhere, so the content is compared.
    """

    def __init__(self, path: Path, default: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._default: Sequence[str] = (default,) if default else ()
        # Who is asked nothing, such as who has crud's own token, changes nothing alone before the file could be read.
        self._policy = Policy(approvals=EVERYWHERE)
        self._content: bytes | None = None
        self._fault: str | None = None
        self._looked = float("-inf")
        self._look()

    def rights(self, names: Sequence[str], *, known: bool) -> Rights:
        """Those of somebody by these names, with the default role's if somebody vouches for them."""
        self._look()
        return self._policy.rights([*names, *(self._default if known else ())])

    @property
    def approvals(self) -> Approvals:
        """Where changes want one."""
        self._look()
        return self._policy.approvals

    @property
    def state(self) -> PolicyState:
        """As of now."""
        self._look()
        return PolicyState(len(self._policy.rules), self._fault)

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        log = get_logger("rowcast.access")
        try:
            with self._path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            if self._fault is None or self._content is not None:
                log.error("the policy can't be read; the one before stays", path=str(self._path), reason=str(error))
            self._fault, self._content = f"{self._path} can't be read: {error.strerror}", None
            return
        if content == self._content:
            return
        self._content = content
        try:
            if len(content) > MOST_BYTES:
                raise PolicyError([f"has more than {MOST_BYTES} bytes"])
            self._policy = read_policy(content.decode())
        except (PolicyError, UnicodeDecodeError) as error:
            self._fault = f"{self._path} is refused: {error}"
            log.error("the policy is refused as a whole; the one before stays", path=str(self._path), reason=str(error))
            return
        self._fault = None
        log.info("policy read", path=str(self._path), rules=len(self._policy.rules))
