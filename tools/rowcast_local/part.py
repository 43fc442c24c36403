"""One part of the platform: its process, and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass

from rowcast_local.program import Program


def nothing() -> None:
    """The preparation of a part that needs none."""


@dataclass(frozen=True)
class Part:
    """A process with what goes before and how to tell that it works.

    `prepare` may be repeated, and runs before the program starts; `ready` answers within a second or two and never
    raises; `needs` names the parts without which it can't be ready; `port` is where it is found.
    """

    program: Program
    ready: Callable[[], bool]
    prepare: Callable[[], None] = nothing
    port: int | None = None
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that every command knows it by."""
        return self.program.name
