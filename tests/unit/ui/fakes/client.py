"""The rows in memory, with crud's rules: for tests of the page, and a stand-in to design against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

from client.errors import ConflictError, FieldError, MissingError, RefusedError, UnavailableError
from client.sending import COMMENT
from configurations.models import AppConfig, Configurations, Draft, Page, Query, RowStatus, State, TargetStatus
from configurations.view_model import state_at
from dead_letters.models import DeadLetters, Letter, LetterPage, LetterQuery, LetterState
from login.identity import Who
from shared.formatting import TARGETS
from unit.ui.fakes.access import FakeAccess, Policies
from unit.ui.fakes.operations import FakeOperations, Operations
from unit.ui.fakes.promotions import Boards, FakePromotions
from unit.ui.fakes.proposals import FakeProposals, Kept
from unit.ui.fakes.renderers import FakeRenderers, Tables
from unit.ui.fakes.rows import FakeRows, TargetAnswers


@dataclass
class FakeTable:
    """The table that clients share. Set `down` to a sentence to make every call fail with it.

    `comments` are those of all calls, a comment once for each.
    """

    rows: dict[int, AppConfig] = field(default_factory=dict)
    ids: count[int] = field(default_factory=lambda: count(1))
    now: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    down: str | None = None
    letters: dict[int, Letter] = field(default_factory=dict)
    events: dict[int, Any] = field(default_factory=dict)
    operations: Operations = field(default_factory=Operations)
    answers: TargetAnswers = field(default_factory=TargetAnswers)
    tables: Tables = field(default_factory=Tables)
    promotions: Boards = field(default_factory=Boards)
    kept: Kept = field(default_factory=Kept)
    policies: Policies = field(default_factory=Policies)
    comments: list[str] = field(default_factory=list)

    def refuse(self, letter: Letter, event: Any) -> None:
        """Keep a dead letter, as crud would."""
        self.letters[letter.id] = letter
        self.events[letter.id] = event

    def deliver(self, row_id: int, target: str, status: TargetStatus) -> None:
        """Record what became of a row at a target, as the sync service would."""
        row = self.rows[row_id]
        others = tuple(known for known in row.sync if known.target != target)
        self.rows[row_id] = replace(row, sync=(*others, status))


class FakeClient(
    FakeAccess, FakeRows, FakeOperations, FakeRenderers, FakePromotions, FakeProposals, Configurations, DeadLetters
):
    """What CrudClient does, on a FakeTable; `who` is one person, or says at each request who it is."""

    def __init__(self, rows: FakeTable, who: str | Callable[[], Who] = "anonymous") -> None:
        self._table = rows
        self._who: Callable[[], Who] = partial(Who, who) if isinstance(who, str) else who

    @property
    def _policies(self) -> Policies:
        self._reach()
        return self._table.policies

    @property
    def _boards(self) -> Boards:
        self._reach()
        return self._table.promotions

    @property
    def _kept(self) -> Kept:
        self._reach()
        return self._table.kept

    @property
    def _person_now(self) -> Who:
        return self._who()

    @property
    def _person(self) -> str:
        return self._who().person

    def list(self, query: Query) -> Page:
        """Return one page of the rows that match."""
        self._reach()
        found = self._matching(query)
        start = int(query.cursor or 0)
        end = start + query.limit
        return Page(found[start:end], str(end) if end < len(found) else None, len(found))

    def get(self, row_id: int) -> AppConfig:
        """Return one row, or raise MissingError."""
        self._reach()
        if row_id not in self._table.rows:
            raise MissingError(404, "Not found", f"There is no configuration {row_id}.")
        return self._table.rows[row_id]

    def status(self, row_id: int) -> RowStatus:
        """Return what became of a row at each target."""
        row = self.get(row_id)
        return RowStatus(row.generation, row.sync)

    def create(self, draft: Draft) -> AppConfig:
        """Save a new row and return it as saved."""
        self._reach()
        self._refuse_taken_name(draft, None)
        now = self._table.now
        row = AppConfig(
            id=next(self._table.ids),
            generation=1,
            created_at=now,
            updated_at=now,
            updated_by=self._person,
            **vars(draft),
        )
        self._table.rows[row.id] = row
        self._note("created", row, None, draft)
        return row

    def update(self, row_id: int, draft: Draft, generation: int) -> AppConfig:
        """Save `draft` if the row still has `generation`, else raise ConflictError."""
        row = self._current(row_id, generation)
        self._refuse_taken_name(draft, row_id)
        before = row.draft
        row = replace(
            row,
            generation=row.generation + 1,
            updated_at=self._table.now,
            updated_by=self._person,
            sync=tuple(replace(status, state="pending") for status in row.sync),
            **vars(draft),
        )
        self._table.rows[row_id] = row
        self._note("updated", row, before, draft)
        return row

    def delete(self, row_id: int, generation: int) -> None:
        """Delete the row if it still has `generation`, else raise ConflictError."""
        row = self._current(row_id, generation)
        del self._table.rows[row_id]
        self._note("deleted", row, row.draft, None)

    def letters(self, query: LetterQuery) -> LetterPage:
        """Return one page of the dead letters that match."""
        self._reach()
        found = [
            letter
            for letter in sorted(self._table.letters.values(), key=lambda letter: -letter.id)
            if letter.state == query.state
            and query.target in ("", letter.target)
            and (not query.key or (letter.renderer, letter.key) == (query.renderer, query.key))
        ]
        start = int(query.cursor or 0)
        end = start + query.limit
        return LetterPage(tuple(found[start:end]), str(end) if end < len(found) else None, len(found))

    def letter_event(self, letter_id: int) -> Any:
        """Return what was in one dead letter: any JSON."""
        self._reach()
        return self._table.events[letter_id]

    def replay(self, ids: tuple[int, ...], reason: str) -> None:
        """Deliver the events of open letters once more; a `reason` may be empty."""
        self._resolve(ids, "replayed", reason or None)

    def discard(self, ids: tuple[int, ...], reason: str) -> None:
        """Take open letters off the list, for a reason."""
        if not reason.strip():
            raise RefusedError(422, "Unprocessable Content", "the request is not valid")
        self._resolve(ids, "discarded", reason)

    def _resolve(self, ids: tuple[int, ...], state: LetterState, reason: str | None) -> None:
        self._reach()
        for letter_id in ids:
            letter = self._table.letters.get(letter_id)
            if letter is None:
                raise MissingError(404, "Not Found", f"there is no dead letter {letter_id}")
            if letter.state != "open":
                said = f"dead letter {letter_id} was {letter.state} by {letter.resolved_by}"
                error = FieldError("ids", "resolved", said)
                raise RefusedError(409, "Conflict", "nothing of the batch was done", (error,))
        for letter_id in ids:
            self._table.letters[letter_id] = replace(
                self._table.letters[letter_id],
                state=state,
                resolved_at=self._table.now,
                resolved_by=self._person,
                resolution_reason=reason,
                answered_at=self._table.now if state == "replayed" else None,
            )

    def _operations(self) -> Operations:
        return self._table.operations

    def _tables(self) -> Tables:
        return self._table.tables

    def _rows_and_targets(self) -> FakeTable:
        return self._table

    def _matching(self, query: Query) -> tuple[AppConfig, ...]:
        found = [row for row in self._table.rows.values() if _matches(row, query)]
        key = query.sort.removeprefix("-")
        found.sort(key=lambda row: (getattr(row, key), row.id), reverse=query.sort.startswith("-"))
        return tuple(found)

    def _reach(self) -> None:
        self._table.operations.vouched = self._who().verified
        if COMMENT.get():
            self._table.comments.append(COMMENT.get())
        if self._table.down:
            raise UnavailableError(self._table.down)

    def _current(self, row_id: int, generation: int) -> AppConfig:
        row = self.get(row_id)
        if row.generation != generation:
            raise ConflictError(412, "Precondition failed", f"The row has generation {row.generation} now.")
        return row

    def _refuse_taken_name(self, draft: Draft, row_id: int | None) -> None:
        if any(row.name == draft.name and row.id != row_id for row in self._table.rows.values()):
            error = FieldError("name", "unique", f"The name {draft.name} is taken.")
            raise RefusedError(409, "Conflict", "The name is taken.", (error,))


def _matches(row: AppConfig, query: Query) -> bool:
    searched = (row.name, row.repository_url, row.branch, row.environment)
    if query.state == "overdue":
        return any(status.overdue for status in row.sync)
    if query.state is not None and query.state != overall(row):
        return False
    return query.environment in ("", row.environment) and any(query.search in text for text in searched)


def overall(row: AppConfig) -> State:
    """Return the state over all targets, as crud's list filters by it."""
    states: set[State] = {state_at(row, target) for target in {*TARGETS, *(status.target for status in row.sync)}}
    return "failed" if "failed" in states else "pending" if "pending" in states else "synced"
