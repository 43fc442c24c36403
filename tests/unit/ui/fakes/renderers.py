"""Renderers and rows of their tables in memory, as the API's contract has them: for tests, and to design against."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import yaml

from bulk.models import ImportLine
from client.errors import ConflictError, FieldError, MissingError, RefusedError
from configurations.models import TargetStatus
from configurations.view_model import state_at
from impact.models import Answer
from renderers.models import Manifest, Problem, Rendered, Renderer, Revision, UnderWay
from rollouts.models import (
    Rollout,
    RolloutAction,
    RolloutDraft,
    RolloutPage,
    RolloutRowPage,
    RolloutRowState,
)
from rows.models import (
    Choice,
    Choices,
    Column,
    Columns,
    LiveRow,
    Reference,
    Row,
    RowsFormat,
    RowsPage,
    RowsQuery,
    RowVersion,
    RowVersions,
)
from unit.ui.fakes.impacts import FakeImpacts
from unit.ui.fakes.rollouts import FakeRollouts

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DECLARATION = """apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: tenants}
spec:
  source: {table: public.tenants, key: [id], edit: true}
  name: ${row.slug}
  manifests:
    - id: namespace
      template:
        apiVersion: v1
        kind: Namespace
        metadata: {name: "${row.slug}", labels: {plan: "${row.plan}"}}
"""
COLUMNS = (
    Column("id", "bigint", nullable=False, has_default=True, key=True),
    Column("slug", "text", nullable=False),
    Column("plan", "plan", nullable=False, has_default=True, values=("free", "team", "enterprise")),
    Column("region", "text", references=Reference("public.regions", "name")),
    Column("active", "boolean", nullable=False),
    Column("trial", "boolean"),
    Column("cpu", "integer"),
    Column("price", "numeric(10,2)"),
    Column("since", "date"),
    Column("settings", "jsonb"),
    Column("label", "text", generated=True),
)
SHOP = {
    "id": 1,
    "slug": "shop",
    "plan": "team",
    "region": "eu",
    "active": True,
    "trial": None,
    "cpu": 8,
    "price": "12.50",
    "since": "2026-01-02",
    "settings": {"theme": "dark"},
    "label": "shop (team)",
}


@dataclass
class FakeSource:
    """One renderer: its revisions, oldest first, its table's columns, and what its rows say and said.

    `choices` are those of every foreign key, in order; `unreadable` is the GRANT that crud lacks for them. `older` are
    the calls that this crud has not; `refusal` is what the database says to each change.
    """

    texts: list[str] = field(default_factory=lambda: [DECLARATION])
    columns: tuple[Column, ...] = COLUMNS
    why: str = ""
    fault: str | None = None
    failed: int | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    past: dict[str, list[RowVersion]] = field(default_factory=dict)
    live: dict[str, tuple[LiveRow, ...]] = field(default_factory=dict)
    choices: tuple[Choice, ...] = (Choice("asia", "Asia"), Choice("eu", "Europe"), Choice("us"))
    unreadable: str = ""
    older: frozenset[str] = frozenset()
    refusal: RefusedError | None = None
    impacts: FakeImpacts = field(default_factory=FakeImpacts)
    rollouts: FakeRollouts = field(default_factory=FakeRollouts)


@dataclass
class Tables:
    """All renderers by name."""

    sources: dict[str, FakeSource] = field(default_factory=dict)
    imports: list[tuple[bool, tuple[Mapping[str, Any], ...]]] = field(default_factory=list)

    def save(self, renderer: str, values: Mapping[str, Any], who: str = "ada", **more: Any) -> Row:
        """Keep a row as somebody saved it; its key is that of the column `id`."""
        source = self.sources[renderer]
        key = str(values["id"])
        before = source.rows.get(key)
        row = Row(
            renderer, key, (before.generation if before else 0) + 1, len(source.texts), False, dict(values), who, NOW
        )
        row = replace(row, **more)
        source.rows[key] = row
        version = RowVersion(row.generation, row.revision, row.deleted, row.values, who, NOW)
        source.past.setdefault(key, []).insert(0, version)
        return row

    def deliver(self, renderer: str, key: str, *statuses: TargetStatus) -> None:
        """Record what became of a row."""
        rows = self.sources[renderer].rows
        rows[key] = replace(rows[key], sync=statuses)


def tenants() -> Tables:
    """One renderer, of the table tenants, with a row."""
    tables = Tables({"tenants": FakeSource()})
    tables.save("tenants", SHOP)
    return tables


class FakeRenderers:
    """What CrudClient does for these pages."""

    @property
    def _person(self) -> str:
        raise NotImplementedError

    def _tables(self) -> Tables:
        raise NotImplementedError

    def _reach(self) -> None:
        raise NotImplementedError

    def _source(self, renderer: str, call: str = "") -> FakeSource:
        self._reach()
        source = self._tables().sources.get(renderer)
        if source is None:
            raise MissingError(404, "Not Found", f"there is no renderer {renderer}")
        if call in source.older:
            raise MissingError(404, "Not Found", "there is nothing at this path")
        return source

    def renderers(self) -> tuple[Renderer, ...]:
        """Return all of them, by name, without their texts."""
        self._reach()
        return tuple(replace(self.renderer(name), text="") for name in sorted(self._tables().sources))

    def renderer(self, name: str) -> Renderer:
        """Return one, or raise MissingError."""
        source = self._source(name)
        revision, rows = len(source.texts), len(source.rows)
        its = next((each for each in source.rollouts.items.values() if each.under_way), None)
        place = 0 if its is None else [step.state != "done" for step in its.steps].index(True)
        rollout = None if its is None else UnderWay(its.id, its.state, place, len(its.steps))
        return Renderer(
            name, revision, "postgres", NOW, rows, source.fault, None, source.failed, None, rollout, source.texts[-1]
        )

    def revisions(self, name: str) -> tuple[Revision, ...]:
        """Return its revisions, newest first."""
        numbers = range(len(self._source(name).texts), 0, -1)
        return tuple(Revision(name, number, "postgres", NOW) for number in numbers)

    def revision_text(self, name: str, revision: int) -> str:
        """Return the declaration of one revision."""
        return self._source(name).texts[revision - 1]

    def render(
        self, name: str, key: str | None, *, values: Mapping[str, Any] | None = None, text: str | None = None
    ) -> Rendered:
        """Return what a row becomes: each `${row.COLUMN}` is its value, and nothing else is known of expressions."""
        source = self._source(name, "preview")
        had = self.row(name, key).values if key is not None else {}
        row = {**had, **(values or {})}
        text = source.texts[-1] if text is None else text
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError:
            return Rendered((), problems=(Problem("spec", "", "is not YAML", 3, 14),))
        for column, value in row.items():
            text = text.replace(f"${{row.{column}}}", str(value))
        if "${" in text:
            expression = text.partition("${")[2].partition("}")[0]
            return Rendered((), problems=(Problem("spec.name", expression, "undefined field", 6, 9),))
        content = yaml.safe_load(text)
        made = tuple(Manifest(item["id"], item["template"]) for item in content["spec"]["manifests"])
        return Rendered(made, content["spec"]["name"], "default")

    def impact(
        self, name: str, *, text: str | None = None, revision: int | None = None, dry_run: bool = False
    ) -> Answer:
        """Return what it would do to all rows."""
        source = self._source(name, "impact")
        source.impacts.dry_runs += dry_run
        return source.impacts.answer(text, revision, source.texts[(revision or len(source.texts)) - 1])

    def rollouts(self, name: str, cursor: str | None = None, limit: int = 20) -> RolloutPage:
        """Return a part of a renderer's, newest first."""
        return self._source(name, "rollouts").rollouts.page(cursor, limit)

    def rollout(self, name: str, number: int) -> Rollout:
        """Return one, or raise MissingError."""
        return self._source(name).rollouts.get(number)

    def rollout_rows(
        self, name: str, number: int, state: RolloutRowState, cursor: str | None = None, limit: int = 20
    ) -> RolloutRowPage:
        """Return a part of its rows that are so."""
        self.rollout(name, number)
        return self._source(name).rollouts.rows_page(state, cursor, limit)

    def start_rollout(self, name: str, draft: RolloutDraft) -> Rollout:
        """Start one and return it."""
        return self._source(name).rollouts.start(name, draft, self._person)

    def tell_rollout(self, name: str, number: int, action: RolloutAction, failure_limit: int | None = None) -> Rollout:
        """Say what becomes of it and return it."""
        return self._source(name).rollouts.tell(number, action, failure_limit)

    def columns(self, renderer: str) -> Columns:
        """Return the columns of its table."""
        source = self._source(renderer, "columns")
        return Columns(not source.why, source.why, source.columns)

    def choices(self, renderer: str, column: str, search: str = "", limit: int = 50) -> Choices:
        """Return what a foreign key of one column may be."""
        source = self._source(renderer, "choices")
        assert any(each.name == column and each.references for each in source.columns)
        if source.unreadable:
            return Choices((), why=source.unreadable)
        found = [each for each in source.choices if search.lower() in f"{each.value}\n{each.label or ''}".lower()]
        return Choices(tuple(found[:limit]), more=len(found) > limit)

    def rows(self, query: RowsQuery) -> RowsPage:
        """Return one page of the rows that match."""
        found = self._found(query)
        start = int(query.cursor or 0)
        end = start + query.limit
        return RowsPage(tuple(found[start:end]), str(end) if end < len(found) else None, len(found))

    def _found(self, query: RowsQuery) -> list[Row]:
        rows = self._source(query.renderer).rows.values()
        found = [row for row in rows if _matches(row, query)]
        own = {"key", "changed_at", "generation"}

        def by(row: Row) -> Any:
            return getattr(row, query.sort) if query.sort in own else row.values.get(query.sort)

        return sorted(found, key=lambda row: (by(row) is None, by(row) or 0, row.key), reverse=query.descending)

    def row(self, renderer: str, key: str) -> Row:
        """Return one row, also a deleted one, or raise MissingError."""
        row = self._source(renderer).rows.get(key)
        if row is None:
            raise MissingError(404, "Not Found", f"renderer {renderer} has no row {key}")
        return row

    def row_history(self, renderer: str, key: str, cursor: str | None = None, limit: int = 20) -> RowVersions:
        """Return a part of a row's past, newest first."""
        found = self._source(renderer, "history").past.get(key, [])
        start = int(cursor or 0)
        end = start + limit
        return RowVersions(tuple(found[start:end]), str(end) if end < len(found) else None)

    def row_live(self, renderer: str, key: str) -> tuple[LiveRow, ...]:
        """Return what each target has of a row now."""
        return self._source(renderer, "live").live.get(key, (LiveRow("k8s"), LiveRow("git")))

    def create_row(self, renderer: str, values: Mapping[str, Any]) -> Row:
        """Save a new row; the defaults are those of the table tenants."""
        self._writable(renderer)
        whole = {"plan": "free", "id": 100 + len(self._source(renderer).rows), **values}
        columns = {column.name: None for column in self._source(renderer).columns}
        return self._tables().save(renderer, {**columns, **whole}, self._person)

    def change_row(self, renderer: str, key: str, values: Mapping[str, Any], generation: int) -> Row:
        """Give a row new `values` if it still has `generation`."""
        row = self._current_row(renderer, key, generation)
        return self._tables().save(renderer, {**row.values, **values}, self._person)

    def delete_row(self, renderer: str, key: str, generation: int) -> None:
        """Delete a row if it still has `generation`."""
        row = self._current_row(renderer, key, generation)
        self._tables().save(renderer, row.values, self._person, deleted=True)

    def export_rows(self, query: RowsQuery, kind: RowsFormat) -> bytes:
        """Return the file of all rows that match."""
        assert kind == "ndjson"
        return "".join(f"{json.dumps(row.values)}\n" for row in self._found(query)).encode()

    def import_table(
        self, renderer: str, rows: Sequence[Mapping[str, Any]], *, dry_run: bool, partial: bool = False
    ) -> tuple[ImportLine, ...]:
        """Create or change rows by their keys."""
        source = self._source(renderer, "import")
        self._tables().imports.append((dry_run, tuple(rows)))
        lines = []
        for index, values in enumerate(rows):
            row = source.rows.get(str(values["id"]))
            before = row.values if row else {}
            fields = {name: (before.get(name), value) for name, value in values.items() if before.get(name) != value}
            if not dry_run:
                self._tables().save(renderer, {**before, **values}, self._person)
            action = "create" if row is None else "change" if fields else "none"
            lines.append(ImportLine(index, str(values["id"]), action, fields=fields))  # type: ignore[arg-type]
        return tuple(lines)

    def _writable(self, renderer: str) -> None:
        source = self._source(renderer)
        if source.refusal:
            raise source.refusal

    def _current_row(self, renderer: str, key: str, generation: int) -> Row:
        self._writable(renderer)
        row = self.row(renderer, key)
        if row.generation != generation:
            raise ConflictError(412, "Precondition Failed", f"the row has generation {row.generation} now")
        return row


def not_null(column: str) -> RefusedError:
    """Return what crud says when the database misses a value."""
    error = FieldError(f"values.{column}", "required", "must not be NULL")
    return RefusedError(422, "Unprocessable Content", "the row is not valid", (error,))


def _matches(row: Row, query: RowsQuery) -> bool:
    if row.deleted != (query.state == "deleted"):
        return False
    if query.state in ("synced", "pending", "failed"):
        states = {state_at(row, target) for target in ("k8s", "git")}
        overall = "failed" if "failed" in states else "pending" if "pending" in states else "synced"
        if overall != query.state:
            return False
    if query.environment not in ("", row.environment):
        return False
    text = row.key + json.dumps(row.values)
    return query.search in text and all(str(row.values.get(name)) == value for name, value in query.filters)
