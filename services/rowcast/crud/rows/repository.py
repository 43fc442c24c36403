"""Writes to the table. Every function works in the caller's transaction."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from rowcast.crud.database.tables import app_configs
from rowcast.crud.errors import FieldError, NameTakenError

CONTENT = ("name", "repository_url", "branch", "environment", "application")
"""The columns that a person sets; the triggers set the others."""

# The rows as one parameter: a statement with a thousand times five of them takes longer to build than to run.
_UPDATE = text("""
UPDATE public.app_configs AS row
SET (name, repository_url, branch, environment, application)
    = (given.name, given.repository_url, given.branch, given.environment, given.application)
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given
    (id bigint, name text, repository_url text, branch text, environment text, application text)
WHERE row.id = given.id
RETURNING row.*
""")

_CHECKS = {
    "app_configs_name_dns_1123_label": ("name", "dns-1123-label"),
    "app_configs_application_dns_1123_label": ("application", "dns-1123-label"),
    "app_configs_environment_dns_1123_label": ("environment", "dns-1123-label"),
    "app_configs_repository_url_url": ("repository_url", "url"),
    "app_configs_branch_git_branch": ("branch", "git-branch"),
    "app_configs_updated_by_user": ("x-rowcast-user", "max-length"),
}


def get(connection: Connection, row_id: int, lock: bool = False) -> RowMapping | None:
    """One row; with `lock`, nobody else changes it until the transaction ends."""
    query = select(app_configs).where(app_configs.c.id == row_id)
    return connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()


def lock_many(connection: Connection, row_ids: Sequence[int]) -> dict[int, RowMapping]:
    """These rows by id, locked in the order of ids so that two batches can't wait for each other."""
    query = select(app_configs).where(app_configs.c.id.in_(row_ids)).order_by(app_configs.c.id).with_for_update()
    return {row["id"]: row for row in connection.execute(query).mappings()}


def create_many(connection: Connection, configs: Sequence[Mapping[str, str | None]]) -> Sequence[RowMapping]:
    """The new rows, in the order of `configs`. Raises NameTakenError."""
    statement = insert(app_configs).returning(*app_configs.c, sort_by_parameter_order=True)
    with _integrity():
        return connection.execute(statement, [dict(config) for config in configs]).mappings().all()


def update_many(connection: Connection, configs: Mapping[int, Mapping[str, str | None]]) -> dict[int, RowMapping]:
    """The changed rows by id; `configs` holds every column of CONTENT for each id. Raises NameTakenError."""
    rows = [{"id": row_id, **config} for row_id, config in configs.items()]
    with _integrity():
        return {row["id"]: row for row in connection.execute(_UPDATE, {"rows": json.dumps(rows)}).mappings()}


def delete_many(connection: Connection, row_ids: Sequence[int]) -> None:
    """Deletes these rows in the name of the transaction's actor.

    The update before it raises the generation and names the person: so both get into the deletion's change event.
    """
    chosen = app_configs.c.id.in_(row_ids)
    connection.execute(text("SELECT set_config('rowcast.deleting', 'on', true)"))
    connection.execute(update(app_configs).where(chosen).values(updated_by=app_configs.c.updated_by))
    connection.execute(delete(app_configs).where(chosen))
    connection.execute(text("SELECT set_config('rowcast.deleting', '', true)"))


def make_way(connection: Connection, row_ids: Sequence[int]) -> None:
    """Gives these rows temporary names, so that `update_many` may give theirs to others in the same transaction.

    Nobody sees them: they raise no generation and are in no history, their change events tell the names that the rows
    had, and the database refuses to commit one (migration 0007).
    """
    connection.execute(text("SELECT set_config('rowcast.renaming', 'on', true)"))
    temporary = func.concat("renaming-", func.gen_random_uuid())
    connection.execute(update(app_configs).where(app_configs.c.id.in_(row_ids)).values(name=temporary))
    connection.execute(text("SELECT set_config('rowcast.renaming', '', true)"))


def names_in_use(connection: Connection, names: Sequence[str], by_others_than: Sequence[int]) -> set[str]:
    """Which of the names rows other than these have."""
    row = app_configs.c
    query = select(row.name).where(row.name.in_(names), row.id.not_in(by_others_than))
    return set(connection.execute(query).scalars())


@contextmanager
def _integrity() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise _translated(error) from error


def _translated(error: IntegrityError) -> Exception:
    cause: Any = error.orig
    constraint = cause.diag.constraint_name
    if constraint == "app_configs_name_unique":
        # "Key (name)=(checkout) already exists."
        return NameTakenError(str(cause.diag.message_detail or "").partition("=(")[2].partition(")")[0])
    if constraint in _CHECKS:
        field, rule = _CHECKS[constraint]
        return FieldError(field, rule, "is refused by the database")
    return error
