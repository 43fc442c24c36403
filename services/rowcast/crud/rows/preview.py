"""The row that saving a configuration would make, without saving it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, select, text

from rowcast.crud.database.connections import reading
from rowcast.crud.database.tables import app_configs
from rowcast.crud.errors import NameTakenError, NotFoundError
from rowcast.crud.rows import repository
from rowcast.crud.rows.usecases import differs, merged

_NEXT_ID = text("""
SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence('public.app_configs', 'id') AS regclass)), 0) + 1
""")


def row_if_saved(engine: Engine, actor: str, row_id: int | None, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """All columns; the row as it is where nothing differs. A new row's id is the one that it gets if nobody is faster.

    Raises NotFoundError, NameTakenError.
    """
    with reading(engine) as connection:
        row = None if row_id is None else repository.get(connection, row_id)
        if row_id is not None and row is None:
            raise NotFoundError(row_id)
        _refuse_taken(connection, config["name"], row_id)
        now = datetime.now(UTC)
        if row is None:
            new_id = connection.execute(_NEXT_ID).scalar_one()
            made = {"id": new_id, "generation": 1, "created_at": now}
        elif differs(row, config := merged(row, config)):
            made = {"id": row["id"], "generation": row["generation"] + 1, "created_at": row["created_at"]}
        else:
            return dict(row)
    return {**config, **made, "updated_at": now, "updated_by": actor}


def _refuse_taken(connection: Connection, name: str, row_id: int | None) -> None:
    holder = connection.execute(select(app_configs.c.id).where(app_configs.c.name == name)).scalar_one_or_none()
    if holder is not None and holder != row_id:
        raise NameTakenError(name)
