"""What the core asks of the world. The in-memory fake of a target ships beside the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rowcast.core.errors import ClaimedError, RowcastError
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held
from rowcast.core.preview import Preview, Shown
from rowcast.core.reconcile import Inventory
from rowcast.core.render import Desired
from rowcast.core.row import RowKey

DriftListener = Callable[[RowKey], None]
"""Is told of a row whose objects somebody else has changed; must return at once."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A row's state arrived. `reference` names it at the target: a resourceVersion, a commit.

    `new`: it was put where the target had nothing of the row, so that nothing there could tell whether it is news.
    `fence`: why it was stale, the generation that the target has, or had.
    `stage`: how far it is, where it takes more than one step: `proposed` while a pull request holds it; `link` is that
    request's URL. Of objects in a cluster `synced`, `healthy` or `failed`: then `stage_error` says what is missing or
    wrong, and `staged_at` (RFC 3339) when that was judged. `trouble`: what keeps it from going on, and what a person
    has to do.
    `instead`: what arrived where that is not what was given: the table knew better.
    """

    outcome: Outcome
    reference: str | None = None
    new: bool = field(default=False, compare=False)
    fence: int = field(default=0, compare=False)
    stage: str | None = field(default=None, compare=False)
    stage_error: str | None = field(default=None, compare=False)
    staged_at: str | None = field(default=None, compare=False)
    link: str | None = field(default=None, compare=False)
    trouble: str | None = field(default=None, compare=False)
    instead: Desired | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """A row's state did not arrive, and why; the error's class says whether to try again."""

    error: RowcastError


Result = Delivered | Failed


def made_of(given: Desired, result: Result) -> Desired:
    """What was delivered for a state: itself, or what was delivered instead."""
    return (result.instead if isinstance(result, Delivered) else None) or given


def is_claimed(result: Result) -> bool:
    """Whether the row waits for what another one has."""
    return bool(holders_of(result))


def holders_of(result: Result) -> Set[RowKey]:
    """The rows that have what a row waits for."""
    if isinstance(result, Failed) and isinstance(result.error, ClaimedError):
        return result.error.holders
    return frozenset()


@dataclass(frozen=True, slots=True)
class News:
    """What became of a row after its delivery: a pull request with it was merged, say, or its objects are ready.

    `result` is as of its delivery, brought forward; where it has `staged_at`, it is news of the stage alone. `once`:
    of later generations, too, since its objects are made once.
    """

    row: RowKey
    name: str
    generation: int
    deleted: bool
    result: Delivered
    saved_at: str | None = None
    once: bool = False


NewsListener = Callable[[Sequence[News]], None]
"""Is told what became of rows after their delivery; must return at once."""


@runtime_checkable
class Telling(Protocol):
    """A target with news of rows that it has delivered."""

    def tell(self, listener: NewsListener) -> None:
        """Whom to tell."""
        ...


class Target(Protocol):
    """One place that rows are delivered to."""

    @property
    def name(self) -> str:
        """The target's name in statuses and metrics."""
        ...

    def expect(self, desired: Desired) -> Sequence[Held]:
        """What `inventory` has of a row once this state of it is delivered.

        Raises PermanentError for a state that can't be delivered here.
        """
        ...

    def known(self, row: RowKey) -> Sequence[Held]:
        """What the target is known to hold of a row, without asking it. Nothing before it is started."""
        ...

    def listen(self, listener: DriftListener) -> None:
        """Whom to tell of drift as it is noticed; a target that notices none by itself leaves it to the inventory."""
        ...

    async def start(self) -> None:
        """Connect and read the inventory. Raises TransientError while that can't be done; may be called again."""
        ...

    async def close(self) -> None:
        """Let go of connections and tasks."""
        ...

    async def check(self) -> None:
        """Ask the target itself whether it can be delivered to. Raises RowcastError with the cause when not."""
        ...

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """Deliver the states of different rows: at most one `Desired` a row, one `Result` for each.

        When the whole batch failed for one cause it may raise TransientError instead.
        """
        ...

    async def inventory(self) -> Inventory:
        """Everything at the target that carries our labels, read from the target itself."""
        ...

    async def preview(self, desired: Desired) -> Preview:
        """What delivering a state (not a deletion) would make, by the target's own word. Nothing is written.

        What the target would refuse is in the preview. Raises TransientError when it can't be asked.
        """
        ...

    async def live(self, row: RowKey) -> Shown | None:
        """What the target has of a row now, read from the target itself. Raises TransientError."""
        ...
