"""Many changes in one transaction: all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, RowMapping

from rowcast.crud import repository
from rowcast.crud.database import changing
from rowcast.crud.errors import BatchError, ItemError, NameTakenError
from rowcast.crud.usecases import differs, merged


@dataclass(frozen=True)
class Item:
    """One change. `row_id` is None for a create; `generation`, if given, is what the row must be at."""

    action: Literal["create", "update", "delete"]
    row_id: int | None = None
    generation: int | None = None
    config: dict[str, str] | None = None


def apply_batch(engine: Engine, actor: str, items: Sequence[Item]) -> list[RowMapping | None]:
    """The rows as they are afterwards, in the order of `items`, None for a deleted one.

    Names are compared only at the end, so rows may swap theirs, whatever the order of the items.
    Raises BatchError with every row that is missing, stale or there twice, or else with every name that is taken.
    """
    _refuse_repeated(items)
    with changing(engine, actor) as connection:
        rows = repository.lock_many(connection, [item.row_id for item in items if item.row_id is not None])
        _refuse(_outdated(items, rows))
        repository.defer_unique_names(connection)
        deleted = [item.row_id for item in items if item.action == "delete" and item.row_id is not None]
        if deleted:
            repository.delete_many(connection, deleted)
        result = _write(connection, items, rows)
        _check_names(connection, items)
        return result


def _write(connection: Connection, items: Sequence[Item], rows: dict[int, RowMapping]) -> list[RowMapping | None]:
    wanted = {i.row_id: merged(rows[i.row_id], i.config or {}) for i in items if i.action == "update" and i.row_id}
    changed = {row_id: config for row_id, config in wanted.items() if differs(rows[row_id], config)}
    updated = repository.update_many(connection, changed) if changed else {}
    new = [item.config for item in items if item.action == "create" and item.config is not None]
    created = iter(repository.create_many(connection, new) if new else ())
    result: list[RowMapping | None] = []
    for item in items:
        if item.action == "create":
            result.append(next(created))
        elif item.action == "update" and item.row_id is not None:
            result.append(updated.get(item.row_id, rows[item.row_id]))
        else:
            result.append(None)
    return result


def _refuse_repeated(items: Sequence[Item]) -> None:
    seen: dict[int, int] = {}
    errors = []
    for index, item in enumerate(items):
        if item.row_id is None:
            continue
        first = seen.setdefault(item.row_id, index)
        if first != index:
            errors.append(ItemError(index, "id", "duplicate", f"is the same row as in item {first}"))
    _refuse(errors)


def _outdated(items: Sequence[Item], rows: dict[int, RowMapping]) -> list[ItemError]:
    errors = []
    for index, item in enumerate(items):
        if item.row_id is None:
            continue
        row = rows.get(item.row_id)
        if row is None:
            errors.append(ItemError(index, "id", "not-found", f"there is no configuration {item.row_id}"))
        elif item.generation not in (None, row["generation"]):
            message = f"is {row['generation']} now, not {item.generation}"
            errors.append(ItemError(index, "generation", "generation", message))
    return errors


def _check_names(connection: Connection, items: Sequence[Item]) -> None:
    named = {index: item.config["name"] for index, item in enumerate(items) if item.config and "name" in item.config}
    if not named:
        return
    _refuse(_taken(named, repository.names_used_twice(connection, list(named.values()))))
    try:
        repository.check_unique_names(connection)
    except NameTakenError as error:  # by a transaction that ended after the look above
        raise BatchError(_taken(named, {error.name})) from error


def _taken(named: dict[int, str], taken: set[str]) -> list[ItemError]:
    return [ItemError(i, "name", "unique", f"the name {name!r} is taken") for i, name in named.items() if name in taken]


def _refuse(errors: Sequence[ItemError]) -> None:
    if errors:
        raise BatchError(errors)
