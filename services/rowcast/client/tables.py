"""A table's rows as the commands see them, whether they are configurations or rows of a renderer, over crud's API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from rowcast.check.access import Crud, RefusedError
from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.runtime.exits import UsageError

Row = Mapping[str, Any]
MOST = 1000
"""Rows in one request of the API, and changes in one transaction."""
_WORST_FIRST = ("failed", "pending", "synced")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: `column=value` each, at a state, with a text; at most `limit`."""

    selector: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None
    search: str | None = None
    limit: int | None = None

    def params(self) -> dict[str, Any]:
        """What both lists of the API take."""
        size = min(self.limit or MOST, MOST)
        given = {"state": self.state, "search": self.search, "limit": size}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Version:
    """What a row was from a change on; `values` is what a person can set, None of a deletion."""

    generation: int
    changed_at: str
    changed_by: str
    change: str
    values: Row | None
    raw: Row


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one row; `fields` has before and after of what differs, `errors` why it is refused."""

    name: str
    action: str
    fields: Mapping[str, Sequence[Any]]
    errors: Sequence[Row] = ()
    row: Row | None = None
    """As the file gives it, or for a deletion as crud has it."""
    id: Any = None
    """The key by which crud knows the row, null of one that is to be made."""
    generation: int | None = None
    """What the row has to be at still; null: whatever it is."""

    @property
    def at(self) -> Row:
        """The generation as a batch names it."""
        return {} if self.generation is None else {"generation": self.generation}


class Table(ABC):
    """One renderer's rows. Every method raises RefusedError and TransientError."""

    renderer: str

    def __init__(self, crud: Crud) -> None:
        self.crud = crud

    @abstractmethod
    def find(self, name: str) -> Row:
        """One row by what people call it. Raises UsageError where there is none."""

    @abstractmethod
    def name_of(self, row: Row) -> str:
        """What people call a row; `find` finds it by that."""

    @abstractmethod
    def key_of(self, row: Row) -> str:
        """The key, as `rowcast wait` and messages have it."""

    @abstractmethod
    def values_of(self, row: Row) -> Row:
        """What a person can set."""

    @abstractmethod
    def targets_of(self, row: Row) -> Mapping[str, Row]:
        """What became of a row, by target."""

    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """What rows have, in the table's order."""

    @abstractmethod
    def versions(self, row: Row) -> Iterator[Version]:
        """What a row was, newest first."""

    @abstractmethod
    def past_row(self, name: str) -> Row:
        """A row that is there, or was: what `versions` takes. Raises UsageError."""

    def deletion(self, row: Row, fields: Mapping[str, Sequence[Any]]) -> Change:
        """Of a row as it was seen, at its generation."""
        return Change(self.name_of(row), "delete", fields, (), row, self.id_of(row), row["generation"])

    @abstractmethod
    def id_of(self, row: Row) -> Any:
        """What a batch names a row by."""

    @abstractmethod
    def batch(self, changes: Sequence[Change]) -> None:
        """Make changes in one transaction, all or nothing; a deletion only of what was seen."""

    @abstractmethod
    def _rows_path(self) -> str: ...

    @abstractmethod
    def _line(self, line: Row, given: Sequence[Row]) -> Change: ...

    def _params(self, wanted: Wanted) -> dict[str, Any]:
        return wanted.params()

    def listed(self, wanted: Wanted) -> Iterator[Row]:
        """Rows in the order of their keys, page by page."""
        params, left = self._params(wanted), wanted.limit
        while True:
            page = self.crud.send("GET", self._rows_path(), params=params)
            for row in page["items"]:
                if self.matches(self.values_of(row), wanted.selector):
                    if left is not None:
                        if left == 0:
                            return
                        left -= 1
                    yield row
            if not page["next_cursor"] or left == 0:
                return
            params = {**params, "cursor": page["next_cursor"]}

    @staticmethod
    def matches(values: Row, selector: Mapping[str, str]) -> bool:
        """Whether these values have the selector's, each as text."""
        return all(as_text(values.get(name)) == value for name, value in selector.items())

    def judge(self, given: Sequence[Row]) -> list[Change]:
        """What crud would make of rows, by a dry run of the import; of those that stand there twice, too."""
        changes = []
        for begin in range(0, len(given), MOST):
            part = given[begin : begin + MOST]
            report = self._import({"rows": list(part), "dry_run": True})
            changes += [self._line(line, part) for line in report["lines"]]
        return _without_repeated(changes)

    def bring(self, changes: Sequence[Change]) -> None:
        """Create and change what a dry run has said, in one transaction. Raises RefusedError."""
        self._import({"rows": [change.row for change in changes]})

    def _import(self, body: Row) -> Row:
        try:
            return self.crud.send("POST", f"{self._rows_path()}:import", json=body, timeout=120)
        except RefusedError as error:
            if error.status == 413:
                raise RefusedError(error.status, f"{error}: apply fewer files at a time") from error
            raise


def _without_repeated(changes: Sequence[Change]) -> list[Change]:
    """What is there twice over several requests crud can't see."""
    seen: set[str] = set()
    found = []
    for change in changes:
        if change.name and change.name in seen and change.action != "refuse":
            error = {"field": "name", "rule": "duplicate", "message": "is there twice"}
            change = Change(change.name, "refuse", {}, [error], change.row)
        seen.add(change.name)
        found.append(change)
    return found


class Configurations(Table):
    """Rows of `appconfigs`, by their names; ids name them, too."""

    renderer = APP_CONFIGS
    _FIELDS = ("name", "repository_url", "branch", "environment", "application")

    def _rows_path(self) -> str:
        return "/appconfigs"

    def _params(self, wanted: Wanted) -> dict[str, Any]:
        unknown = [name for name in wanted.selector if name not in self._FIELDS]
        if unknown:
            raise UsageError(f"--selector: configurations have no {unknown[0]}, only {', '.join(self._FIELDS)}")
        environment = wanted.selector.get("environment")
        searched = wanted.search or next(
            (wanted.selector[name] for name in ("name", "repository_url", "branch") if name in wanted.selector), None
        )
        others = {name: value for name, value in wanted.selector.items() if name != "environment"}
        # What the list can't filter by is filtered here, of whole pages.
        size = min(wanted.limit or MOST, MOST) if not others else MOST
        params = {**wanted.params(), "environment": environment, "search": searched, "sort": "name", "limit": size}
        return {name: value for name, value in params.items() if value is not None}

    def find(self, name: str) -> Row:
        found = [row for row in self._searched(name) if row["name"] == name]
        if found:
            return found[0]
        if name.isdecimal():
            try:
                row = self.crud.send("GET", f"/appconfigs/{name}")
            except RefusedError as error:
                if error.status != 404:
                    raise
            else:
                return row | {"sync": self.crud.status(RowKey(APP_CONFIGS, name))["targets"]}
        raise UsageError(f"there is no configuration {name} (`rowcast get` lists them)")

    def _searched(self, name: str) -> Iterator[Row]:
        return self.listed(Wanted({"name": name}))

    def past_row(self, name: str) -> Row:
        try:
            return self.find(name)
        except UsageError:
            if not name.isdecimal():
                raise UsageError(
                    f"there is no configuration {name}; one that is deleted is named by its id (`rowcast history`"
                    " and the dashboard's activity have it)"
                ) from None
            return {"id": int(name)}

    def name_of(self, row: Row) -> str:
        return str(row.get("name", row["id"]))

    def key_of(self, row: Row) -> str:
        return str(row["id"])

    def id_of(self, row: Row) -> Any:
        return row["id"]

    def values_of(self, row: Row) -> Row:
        return {name: row.get(name) for name in self._FIELDS}

    def targets_of(self, row: Row) -> Mapping[str, Row]:
        found: Mapping[str, Row] = row.get("sync", {})
        return found

    def columns(self) -> tuple[str, ...]:
        return self._FIELDS

    def versions(self, row: Row) -> Iterator[Version]:
        params: dict[str, Any] = {"limit": 100}
        while True:
            page = self.crud.send("GET", f"/appconfigs/{row['id']}/history", params=params)
            for one in page["items"]:
                values = None if one["after"] is None else self.values_of(one["after"])
                yield Version(one["generation"], one["changed_at"], one["changed_by"], one["change"], values, one)
            if not page["next_cursor"]:
                return
            params["cursor"] = page["next_cursor"]

    def batch(self, changes: Sequence[Change]) -> None:
        items: list[Row] = []
        for change in changes:
            row = change.row or {}
            if change.action == "create":
                items.append({"action": "create", "config": {name: row[name] for name in self._FIELDS if name in row}})
            elif change.action == "change":
                new = {name: after for name, (_, after) in change.fields.items()}
                items.append({"action": "update", "id": change.id, "config": new, **change.at})
            elif change.action == "delete":
                items.append({"action": "delete", "id": change.id, **change.at})
        self.crud.send("POST", "/appconfigs:batch", json={"items": items}, timeout=120)

    def _line(self, line: Row, given: Sequence[Row]) -> Change:
        row = given[line["index"]]
        name = line["name"] or str(row.get("name", f"row {line['index'] + 1}"))
        return Change(name, line["action"], line["fields"], line["errors"], row, line["row_id"])


class Rows(Table):
    """Rows of a renderer, by their keys; changed where its declaration says `edit: true`."""

    def __init__(self, crud: Crud, renderer: str) -> None:
        super().__init__(crud)
        self.renderer = renderer
        self._columns: list[Row] | None = None

    def _rows_path(self) -> str:
        return f"/renderers/{quote(self.renderer, safe='')}/rows"

    def _params(self, wanted: Wanted) -> dict[str, Any]:
        selector = dict(wanted.selector)
        params = wanted.params()
        # A table may have a column of that name; else it is where its declaration says that rows go.
        if "environment" in selector and "environment" not in self.columns():
            params["environment"] = selector.pop("environment")
        return params | {"filter": [f"{name}={value}" for name, value in selector.items()]}

    @staticmethod
    def matches(values: Row, selector: Mapping[str, str]) -> bool:
        """crud has filtered them."""
        return True

    def find(self, name: str) -> Row:
        found = self.past_row(name)
        if found["deleted"]:
            raise UsageError(f"the row {self.renderer}/{name} is deleted (`rowcast history` has what it was)")
        return found

    def past_row(self, name: str) -> Row:
        try:
            return self.crud.send("GET", f"{self._rows_path()}/{self.crud.in_path(name)}")
        except RefusedError as error:
            if error.status != 404:
                raise
            raise UsageError(f"{error} (`rowcast get {self.renderer}` lists the keys)") from error

    def name_of(self, row: Row) -> str:
        return str(row["key"])

    def key_of(self, row: Row) -> str:
        return str(row["key"])

    def id_of(self, row: Row) -> Any:
        return row["key"]

    def values_of(self, row: Row) -> Row:
        found: Row = row["row"]
        return found

    def targets_of(self, row: Row) -> Mapping[str, Row]:
        found: Mapping[str, Row] = row["targets"]
        return found

    def columns(self) -> tuple[str, ...]:
        return tuple(column["name"] for column in self.of_catalogue())

    def of_catalogue(self) -> list[Row]:
        """The table's columns as crud tells them: `name`, `type`, `generated`, `key`."""
        if self._columns is None:
            path = f"/renderers/{quote(self.renderer, safe='')}/columns"
            self._columns = self.crud.send("GET", path)["columns"]
        return self._columns

    def versions(self, row: Row) -> Iterator[Version]:
        params: dict[str, Any] = {"key": row["key"], "limit": 100}
        while True:
            page = self.crud.send("GET", f"/renderers/{quote(self.renderer, safe='')}/history", params=params)
            for one in page["items"]:
                change = "deleted" if one["deleted"] else "changed" if one["generation"] > 1 else "created"
                values = None if one["deleted"] else one["row"]
                by = one["actor"] or "unknown"
                yield Version(one["generation"], one["changed_at"], by, change, values, one)
            if not page["next_cursor"]:
                return
            params["cursor"] = page["next_cursor"]

    def batch(self, changes: Sequence[Change]) -> None:
        written = {column["name"] for column in self.of_catalogue() if not column["generated"]}
        operations: list[Row] = []
        for change in changes:
            row = change.row or {}
            if change.action == "create":
                values = {name: value for name, value in row.items() if name in written and value is not None}
                operations.append({"op": "create", "values": values})
            elif change.action == "change":
                new = {name: after for name, (_, after) in change.fields.items() if name in written}
                operations.append({"op": "update", "key": change.id, "values": new, **change.at})
            elif change.action == "delete":
                operations.append({"op": "delete", "key": change.id, **change.at})
        self.crud.send("POST", f"{self._rows_path()}:batch", json={"operations": operations}, timeout=120)

    def _line(self, line: Row, given: Sequence[Row]) -> Change:
        row = given[line["index"]]
        keys = [column["name"] for column in self.of_catalogue() if column["key"]]
        named = ",".join(as_text(row[name]) for name in keys if row.get(name) is not None)
        # A dry run of a new row takes its key back again; the next one is another.
        made = line["action"] == "create" and any(row.get(name) is None for name in keys)
        name = f"(new row {line['index'] + 1})" if made else line["key"] or named or f"row {line['index'] + 1}"
        return Change(name, line["action"], line["fields"], line["errors"], row, line["key"])


def table(crud: Crud, renderer: str) -> Table:
    """The rows of a renderer, or the configurations."""
    return Configurations(crud) if renderer == APP_CONFIGS else Rows(crud, renderer)


def state_of(targets: Mapping[str, Row]) -> str:
    """The state over all targets, the worst one."""
    states = {target["state"] for target in targets.values()}
    return next((state for state in _WORST_FIRST if state in states), "unknown")


def as_text(value: Any) -> str:
    """A value as people write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
