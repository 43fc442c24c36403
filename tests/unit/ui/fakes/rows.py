"""Previews, history and changes of many rows in memory, with crud's rules: for tests, and to design against."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from typing import Protocol

from bulk.models import Format, ImportLine
from client.errors import FieldError, MissingError, RefusedError
from configurations import rules
from configurations.models import AppConfig, Draft, Query
from history.models import HistoryPage, Kind, Version
from preview.models import Live, Preview, TargetPreview

PLACES: Mapping[str, str] = {"k8s": "appconfigs/{name}", "git": "environments/{environment}/appconfigs/{name}.yaml"}


@dataclass
class TargetAnswers:
    """What the targets would say. `refusals` and `unavailable` are by target; `live` by row and target."""

    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    live: dict[tuple[int, str], tuple[AppConfig, str]] = field(default_factory=dict)
    history: dict[int, list[Version]] = field(default_factory=dict)


class Table(Protocol):
    """The part of FakeTable that this needs."""

    @property
    def rows(self) -> dict[int, AppConfig]:
        """The rows by id."""
        ...

    @property
    def answers(self) -> TargetAnswers:
        """What the targets would say."""
        ...


def manifest(row_id: int, draft: Draft, generation: int, person: str) -> str:
    """Return the custom resource of a row, as the targets have it."""
    return (
        "apiVersion: rowcast.dev/v1alpha1\nkind: AppConfig\nmetadata:\n"
        f"  annotations:\n    rowcast.dev/generation: '{generation}'\n    rowcast.dev/updated-by: {person}\n"
        "  labels:\n    app.kubernetes.io/managed-by: rowcast\n    rowcast.dev/row-id: "
        f"'{row_id}'\n    rowcast.dev/table: app_configs\n  name: {draft.name}\n  namespace: rowcast\nspec:\n"
        f"  branch: {draft.branch}\n  environment: {draft.environment}\n  id: {row_id}\n  name: {draft.name}\n"
        f"  repository_url: {draft.repository_url}\n"
    )


class FakeRows:
    """What CrudClient does for these pages."""

    @property
    def _person(self) -> str:
        raise NotImplementedError

    def _rows_and_targets(self) -> Table:
        raise NotImplementedError

    def _reach(self) -> None:
        raise NotImplementedError

    def _refuse_taken_name(self, draft: Draft, row_id: int | None) -> None:
        raise NotImplementedError

    def get(self, row_id: int) -> AppConfig:
        """Return one row."""
        raise NotImplementedError

    def create(self, draft: Draft) -> AppConfig:
        """Save a new row."""
        raise NotImplementedError

    def update(self, row_id: int, draft: Draft, generation: int) -> AppConfig:
        """Save a row."""
        raise NotImplementedError

    def delete(self, row_id: int, generation: int) -> None:
        """Delete a row."""
        raise NotImplementedError

    def _matching(self, query: Query) -> tuple[AppConfig, ...]:
        raise NotImplementedError

    def _note(self, kind: Kind, row: AppConfig, before: Draft | None, after: Draft | None) -> None:
        version = Version(kind, row.generation, row.updated_at, self._person, before, after)
        self._rows_and_targets().answers.history.setdefault(row.id, []).insert(0, version)

    def preview(self, row_id: int | None, draft: Draft, person: str | None = None) -> Preview:
        """Return what saving `draft` would do."""
        self._reach()
        if errors := rules.field_errors(draft):
            raise RefusedError(422, "Unprocessable Content", "the request is not valid", errors)
        self._refuse_taken_name(draft, row_id)
        row = self.get(row_id) if row_id else None
        generation = row.generation + (row.draft != draft) if row else 1
        return Preview(generation, tuple(self._preview(target, row, draft, generation, person) for target in PLACES))

    def _preview(
        self, target: str, row: AppConfig | None, draft: Draft, generation: int, person: str | None
    ) -> TargetPreview:
        answers = self._rows_and_targets().answers
        if target in answers.unavailable:
            return TargetPreview(target, unavailable=answers.unavailable[target])
        delivered = answers.live.get((row.id, target)) if row else None
        there = manifest(row.id, delivered[0].draft, delivered[0].generation, "ada") if row and delivered else None
        wanted = manifest(row.id if row else 0, draft, generation, person or self._person)
        difference = unified_diff((there or "").splitlines(), wanted.splitlines(), "live", "new", lineterm="")
        reason, said = answers.refusals.get(target, ("", ""))
        return TargetPreview(
            target=target,
            manifest=wanted,
            live=there,
            diff="\n".join(difference),
            change="create" if there is None else "none" if there == wanted else "update",
            place=PLACES[target].format(**vars(draft)),
            reason=reason,
            refusal=said,
        )

    def live(self, row_id: int) -> tuple[Live, ...]:
        """Return what each target has of a row now."""
        row = self.get(row_id)
        return tuple(self._live(target, row) for target in PLACES)

    def _live(self, target: str, row: AppConfig) -> Live:
        answers = self._rows_and_targets().answers
        if target in answers.unavailable:
            return Live(target, unavailable=answers.unavailable[target])
        there = answers.live.get((row.id, target))
        place = PLACES[target].format(**vars(row.draft))
        if there is None:
            return Live(target, place)
        return Live(target, place, manifest(row.id, there[0].draft, there[0].generation, "ada"), there[1])

    def history(self, row_id: int, cursor: str | None = None, limit: int = 20) -> HistoryPage:
        """Return a part of a row's past, newest first."""
        self._reach()
        found = self._rows_and_targets().answers.history.get(row_id)
        if not found:
            raise MissingError(404, "Not found", f"There is no configuration {row_id}.")
        start = int(cursor or 0)
        end = start + limit
        return HistoryPage(tuple(found[start:end]), str(end) if end < len(found) else None)

    def delete_all(self, rows: Sequence[AppConfig]) -> None:
        """Delete the rows, all or none."""
        self._refuse_outdated(rows)
        for row in rows:
            self.delete(row.id, row.generation)

    def change_all(self, rows: Sequence[AppConfig], values: Mapping[str, str]) -> None:
        """Give the rows new values, all or none."""
        self._refuse_outdated(rows)
        for row in rows:
            self.update(row.id, replace(row.draft, **values), row.generation)

    def _refuse_outdated(self, rows: Sequence[AppConfig]) -> None:
        self._reach()
        errors = []
        for index, row in enumerate(rows):
            now = self._rows_and_targets().rows.get(row.id)
            if now is None:
                errors.append(FieldError("id", "not-found", f"there is no configuration {row.id}", index))
            elif now.generation != row.generation:
                said = f"is {now.generation} now, not {row.generation}"
                errors.append(FieldError("generation", "generation", said, index))
        if errors:
            raise RefusedError(412, "Precondition Failed", "nothing of the batch was done", tuple(errors))

    def import_rows(
        self, rows: Sequence[Mapping[str, str]], *, dry_run: bool, partial: bool = False
    ) -> tuple[ImportLine, ...]:
        """Create or change rows by their names."""
        self._reach()
        drafts = [self._draft(row) for row in rows]
        lines = tuple(self._line(index, draft) for index, draft in enumerate(drafts))
        refused = [error for line in lines for error in line.errors]
        if dry_run:
            return lines
        if refused and not partial:
            raise RefusedError(422, "Unprocessable Content", "some rows are refused", tuple(refused))
        for line, draft in zip(lines, drafts, strict=True):
            if line.action == "create":
                self.create(draft)
            elif line.action == "change" and line.row_id:
                self.update(line.row_id, draft, self._rows_and_targets().rows[line.row_id].generation)
        return lines

    def _draft(self, given: Mapping[str, str]) -> Draft:
        named = [row for row in self._rows_and_targets().rows.values() if row.name == given.get("name")]
        branch = named[0].branch if named else "main"
        return Draft(**{"name": "", "repository_url": "", "environment": "", "branch": branch, **given})

    def _line(self, index: int, draft: Draft) -> ImportLine:
        errors = rules.field_errors(draft)
        if errors:
            return ImportLine(index, draft.name, "refuse", errors=errors)
        row = next((row for row in self._rows_and_targets().rows.values() if row.name == draft.name), None)
        before: Mapping[str, str] = vars(row.draft) if row else {}
        differing = {
            name: (before.get(name), value) for name, value in vars(draft).items() if before.get(name) != value
        }
        action = "create" if row is None else "change" if differing else "none"
        return ImportLine(index, draft.name, action, row.id if row else None, differing)  # type: ignore[arg-type]

    def export(self, query: Query, kind: Format) -> bytes:
        """Return the file of all rows that match."""
        self._reach()
        rows = [{**vars(row.draft), "id": row.id} for row in self._matching(query)]
        if kind == "csv":
            lines = [",".join(map(str, row.values())) for row in rows]
            return "\r\n".join(["name,repository_url,branch,environment,id", *lines, ""]).encode()
        return json.dumps(rows).encode()
