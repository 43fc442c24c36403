"""What crud's use cases can refuse. The routes turn each into an answer; nothing here knows HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rowcast.core.errors import RowcastError, TransientError


class MissingError(RowcastError):
    """There is no such thing; the text says which."""


class NotFoundError(MissingError):
    """There is no such configuration."""

    def __init__(self, row_id: int) -> None:
        super().__init__(f"there is no configuration {row_id}")
        self.row_id = row_id


class StaleGenerationError(RowcastError):
    """The caller saw another generation than the row has now; `what` is the row in words."""

    def __init__(self, what: str, generation: int) -> None:
        super().__init__(f"{what} has changed; it is at generation {generation} now")
        self.generation = generation


class NameTakenError(RowcastError):
    """Another row has the name, or one of the names."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is taken")
        self.name = name


class FieldError(RowcastError):
    """A value breaks a rule that only the database noticed."""

    def __init__(self, field: str, rule: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.rule = rule


class ConflictError(FieldError):
    """A value, or a deletion, doesn't go with other rows that are there."""


class ForbiddenError(RowcastError):
    """crud may not do it, whoever asks; the text says what it takes. `rule` is not-editable or grant."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class DeniedError(ForbiddenError):
    """The policy doesn't allow it; the text says to whom, what, and which line decides."""

    def __init__(self, message: str) -> None:
        super().__init__("policy", message)


class ApprovalWantedError(RowcastError):
    """Nothing was changed: somebody else has to approve it. `operations` are what was asked for, as a batch of the
    renderer has them, each with the generation that was seen; `changes` what they do, by row.
    """

    def __init__(
        self, renderer: str, why: str, operations: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]
    ) -> None:
        super().__init__(why)
        self.renderer = renderer
        self.operations = operations
        self.changes = changes


class LockedError(TransientError):
    """Another transaction holds what this one needs, and didn't let go of it in time."""

    def __init__(self) -> None:
        super().__init__("locked by another transaction; try again when that has ended")


class BusyError(TransientError):
    """As many of a kind are running as there may be."""


class LetterNotFoundError(MissingError):
    """There is no such dead letter."""

    def __init__(self, letter_id: int) -> None:
        super().__init__(f"there is no dead letter {letter_id}")


class LetterResolvedError(RowcastError):
    """The dead letter was replayed or discarded before."""


class BrokerError(TransientError):
    """The sidecar or the broker did not take a message."""


@dataclass(frozen=True)
class ItemError:
    """What is wrong with the element at `index` of a batch.

    `rule` is not-found, generation, unique, duplicate or resolved, or what a table's own rules are broken by.
    """

    index: int
    field: str
    rule: str
    message: str


class BatchError(RowcastError):
    """Nothing of a batch was done; `errors` says why, in the order of the elements."""

    def __init__(self, errors: Sequence[ItemError]) -> None:
        super().__init__("nothing of the batch was done")
        self.errors = sorted(errors, key=lambda error: error.index)
