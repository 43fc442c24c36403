"""What a call of crud may raise, and which fields it blames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One refused field: `rule` is a stable word such as `dns-1123-label`, `message` is for people.

    Among many, `index` says whose field it is.
    """

    field: str
    rule: str
    message: str
    index: int | None = None


class UnavailableError(Exception):
    """A part that the dashboard needs does not answer. Its text is one sentence for people."""


class RefusedError(Exception):
    """crud answered that it will not do it; `errors` names the fields, if any are to blame."""

    def __init__(self, status: int, title: str, detail: str = "", errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors


class ProposedError(Exception):
    """Nothing has changed yet: somebody else has to approve it. `number` is the proposal's."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"Proposed, and not changed yet: somebody else has to approve it (room Proposals, number {number})."
        )
        self.number = number


class MissingError(RefusedError):
    """There is no such row or dead letter (404)."""


class ConflictError(RefusedError):
    """The row has a newer generation than the one the change was made from (412)."""
