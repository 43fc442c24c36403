"""Parts that can't start: seen from how their processes end, and said with the last lines of their logs."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from rowcast_local.part import Part
from rowcast_local.supervise import ProcessState
from rowcast_local.tether import CANNOT_RUN, NOT_THERE

ENOUGH_ENDS = 3
"""So often a part may end while all that it needs is ready: one that lost a race with a neighbour gets up again."""
TAIL_LINES, TAIL_BYTES = 8, 8_192
HOPELESS = tuple(f"exit status {code}" for code in (CANNOT_RUN, NOT_THERE))


class Ends:
    """Counts how often each part has ended since this was made. To be shown the parts' processes again and again.

    `how` says how a part ended last, in the supervisor's words: "exit status 1".
    """

    def __init__(self, before: Mapping[str, ProcessState], how: Callable[[str], str]) -> None:
        self._how = how
        self._last = {name: process.ended for name, process in before.items() if process.ended}
        self._count: dict[str, int] = defaultdict(int)

    def saw(self, part: Part, process: ProcessState | None, unready: Collection[str]) -> str:
        """Why the part will not start, in a few words; empty while it still may.

        `unready` has the parts that are not ready yet: an end for want of one of them counts for nothing.
        """
        if process is None or (part.program.once and process.state == "EXITED" and process.exit_code == 0):
            return ""
        if process.state == "FATAL":
            return f"its supervisor has given up ({self._how(part.name)})"
        if process.ended == self._last.get(part.name, 0.0):
            return ""
        self._last[part.name] = process.ended
        how = self._how(part.name)
        if how in HOPELESS:
            return how
        if not any(name in unready for name in part.needs):
            self._count[part.name] += 1
        if self._count[part.name] < ENOUGH_ENDS:
            return ""
        return f"it ended {self._count[part.name]} times ({how})"


def account(name: str, why: str, log: Path) -> str:
    """What there is to say of a part that isn't ready, its last lines below."""
    return f"{name} does not start: {why}\n{tail(log)}  (its whole log: {log})"


def tail(log: Path) -> str:
    """The last lines of a log, indented, with an end of line each; empty if it has said nothing."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "".join(f"  {line}\n" for line in [line for line in lines if line.strip()][-TAIL_LINES:])
