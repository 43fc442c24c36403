"""What a person may do with a configuration: one that they may not see is not there for them."""

from collections.abc import Callable, Mapping

from sqlalchemy import Engine, RowMapping

from rowcast.core.row import APP_CONFIGS
from rowcast.crud.access.callers import Caller
from rowcast.crud.database.connections import reading
from rowcast.crud.errors import NotFoundError
from rowcast.crud.rows import queries

Expect = Callable[[RowMapping], None]


def seen(asking: Caller, row: RowMapping) -> None:
    """Raises NotFoundError for a row that is not there for them."""
    if not asking.sees(row["environment"]):
        raise NotFoundError(row["id"])


def guarded(asking: Caller, verb: str, expect: Expect) -> Expect:
    """What is expected of a locked row: that it is there for them, that they may, and then what the caller saw."""

    def judge(row: RowMapping) -> None:
        seen(asking, row)
        asking.require("rows", verb, APP_CONFIGS, row["environment"])
        expect(row)

    return judge


def must_enter(asking: Caller, config: Mapping[str, str | None]) -> None:
    """Raises DeniedError where a row may not be made in the environment, or be moved to it, that a change names."""
    environment = config.get("environment")
    if environment is not None:
        asking.require("rows", "edit", APP_CONFIGS, environment)


def must_see(asking: Caller, database: Engine, row_id: int) -> None:
    """Raises NotFoundError unless the row is there for them, or was, if it is gone."""
    if asking.rights.unlimited:
        return
    with reading(database) as connection:
        environment = queries.last_environment(connection, row_id)
    if environment is None or not asking.sees(environment):
        raise NotFoundError(row_id)
