"""The policy as a file has it now."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rowcast.core.policy import EVERYWHERE, Approvals, Policy, Rights, read_policy
from rowcast.crud.access.watched_file import WatchedFile


@dataclass(frozen=True)
class PolicyState:
    """How the policy is: how many lines allow or deny, and why the file as it is now is not the one in use."""

    rules: int
    fault: str | None


class PolicyFile:
    """A file's policy; before the first good one nothing is allowed. `default` is a role of all who are known."""

    def __init__(self, path: Path, default: str | None = None) -> None:
        # Who is asked nothing, such as who has crud's own token, changes nothing alone before the file could be read.
        self._file = WatchedFile("the policy", path, read_policy, Policy(approvals=EVERYWHERE))
        self._default: Sequence[str] = (default,) if default else ()

    def rights(self, names: Sequence[str], *, known: bool) -> Rights:
        """Those of somebody by these names, with the default role's if somebody vouches for them."""
        return self._file.content.rights([*names, *(self._default if known else ())])

    @property
    def approvals(self) -> Approvals:
        """Where changes want one."""
        return self._file.content.approvals

    @property
    def state(self) -> PolicyState:
        """As of now."""
        return PolicyState(len(self._file.content.rules), self._file.fault)
