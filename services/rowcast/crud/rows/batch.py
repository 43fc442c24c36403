"""Many changes in one transaction: all or nothing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, RowMapping

from rowcast.crud.database.connections import changing
from rowcast.crud.errors import BatchError, ItemError, NameTakenError
from rowcast.crud.rows import repository
from rowcast.crud.rows.usecases import differs, merged

Permit = Callable[["Item", RowMapping | None], str | None]
"""Why an item is refused to who asks, by the row that there is: empty for one that is not there for them."""


def _everything(_item: "Item", _row: RowMapping | None) -> str | None:
    return None


@dataclass(frozen=True)
class Item:
    """One change. `row_id` is None for a create; `generation`, if given, is what the row must be at."""

    action: Literal["create", "update", "delete"]
    row_id: int | None = None
    generation: int | None = None
    config: Mapping[str, str | None] | None = None


def apply_batch(
    engine: Engine, actor: str, items: Sequence[Item], permit: Permit = _everything
) -> list[RowMapping | None]:
    """The rows as they are afterwards, in the order of `items`, None for a deleted one.

    Only the names that rows have at the end count, so they may swap theirs, whatever the order of the items.
    Raises BatchError with every row that is missing, stale, there twice or not permitted, or else with every name that
    is taken.
    """
    with changing(engine, actor) as connection:
        return apply_within(connection, items, permit)


def apply_within(
    connection: Connection, items: Sequence[Item], permit: Permit = _everything
) -> list[RowMapping | None]:
    """The same, in the caller's transaction."""
    _refuse_repeated(items)
    rows = repository.lock_many(connection, [item.row_id for item in items if item.row_id is not None])
    _refuse(_outdated(items, rows, permit))
    deleted = [item.row_id for item in items if item.action == "delete" and item.row_id is not None]
    if deleted:
        repository.delete_many(connection, deleted)
    _refuse(_taken(connection, items))
    try:
        return _write(connection, items, rows)
    except NameTakenError as error:  # by a transaction that ended after the look above
        raise BatchError(_named(items, {error.name})) from error


def _write(connection: Connection, items: Sequence[Item], rows: dict[int, RowMapping]) -> list[RowMapping | None]:
    wanted = {i.row_id: merged(rows[i.row_id], i.config or {}) for i in items if i.action == "update" and i.row_id}
    changed = {row_id: config for row_id, config in wanted.items() if differs(rows[row_id], config)}
    names = {config["name"]: row_id for row_id, config in changed.items()}
    in_the_way = [row_id for row_id in changed if names.get(rows[row_id]["name"], row_id) != row_id]
    if in_the_way:
        repository.make_way(connection, in_the_way)
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


def _outdated(items: Sequence[Item], rows: dict[int, RowMapping], permit: Permit) -> list[ItemError]:
    errors = []
    for index, item in enumerate(items):
        row = None if item.row_id is None else rows.get(item.row_id)
        why = permit(item, row) if row is not None or item.row_id is None else ""
        if why == "":
            errors.append(ItemError(index, "id", "not-found", f"there is no configuration {item.row_id}"))
        elif why is not None:
            errors.append(ItemError(index, "environment", "policy", why))
        elif row is not None and item.generation not in (None, row["generation"]):
            message = f"is {row['generation']} now, not {item.generation}"
            errors.append(ItemError(index, "generation", "generation", message))
    return errors


def _taken(connection: Connection, items: Sequence[Item]) -> list[ItemError]:
    """Every name that would be there twice: two items give it, or a row has it that none of them renames."""
    names = Counter(name for item in items if item.config and (name := item.config.get("name")))
    if not names:
        return []
    renamed = [item.row_id for item in items if item.row_id is not None and item.config and "name" in item.config]
    twice = {name for name, count in names.items() if count > 1}
    return _named(items, twice | repository.names_in_use(connection, list(names), renamed))


def _named(items: Sequence[Item], taken: set[str]) -> list[ItemError]:
    named = {index: item.config["name"] for index, item in enumerate(items) if item.config and "name" in item.config}
    return [ItemError(i, "name", "unique", f"the name {name!r} is taken") for i, name in named.items() if name in taken]


def _refuse(errors: Sequence[ItemError]) -> None:
    if errors:
        raise BatchError(errors)
