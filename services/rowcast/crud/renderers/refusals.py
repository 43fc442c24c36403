"""Why the database refuses a change of somebody's table, as a field and a rule.

SQLSTATEs are those of the manual's appendix A. Messages are the database's own: nobody branches on them.
"""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from rowcast.core.errors import RowcastError
from rowcast.crud.database.connections import sqlstate
from rowcast.crud.errors import ConflictError, FieldError, ForbiddenError
from rowcast.crud.sources.catalogue import Column, Constraint

Texts = Mapping[str, str | None]
_LENGTH = re.compile(r"(?:character|bit)(?: varying)?\((\d+)\)")
_RULES = {"22001": "max-length", "22003": "range"}
_CONFLICTS = {"23505": "unique", "23P01": "exclusion"}
_VALUES = "values"


def refusal(
    error: DBAPIError,
    connection: Connection,
    columns: Mapping[str, Column],
    constraints: Mapping[str, Constraint],
    texts: Texts,
) -> RowcastError | None:
    """What a person is told; None for what is no fault of the change. The transaction must be able to go on."""
    cause: Any = error.orig
    state, said = sqlstate(error) or "", cause.diag.message_primary or str(cause)
    broken = constraints.get(cause.diag.constraint_name or "")
    field = ", ".join(broken.columns) if broken else cause.diag.column_name or cause.diag.constraint_name or _VALUES
    match state:
        case "23502":
            return FieldError(_culprit(connection, columns, texts) or field, "not-null", "must have a value")
        case "23505" | "23P01":
            return ConflictError(field, _CONFLICTS[state], "another row has it" if state == "23505" else said)
        case "23503" if broken is not None:
            return FieldError(field, "foreign-key", f"there is none: {broken.definition}")
        case "23503":
            return ConflictError("key", "referenced", said)
        case "23514" if broken is not None:
            return FieldError(field, "check", f"breaks {cause.diag.constraint_name}: {broken.definition}")
        case "23514":
            return FieldError(_culprit(connection, columns, texts) or field, "check", said)
        case "428C9":
            return FieldError(field, "generated", said)
        case "42501":
            return ForbiddenError("grant", said)
    if state[:2] == "22":
        culprit = _culprit(connection, columns, texts) or (_too_long(columns, texts) if state == "22001" else None)
        return FieldError(culprit or field, _RULES.get(state, "type"), said)
    if state[:2] in ("23", "44", "P0"):  # what else the table's owner has made to refuse it
        return FieldError(field, "refused", said)
    return None


def _culprit(connection: Connection, columns: Mapping[str, Column], texts: Texts) -> str | None:
    """The first value that isn't of its column's type: of these the database doesn't say which column it is."""
    for name, text in texts.items():
        statement = f"SELECT CAST(%s AS {columns[name].declared.replace('%', '%%')})"
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement, (text,))
        except DBAPIError as error:
            if (sqlstate(error) or "")[:2] not in ("22", "23"):
                raise
            return name
    return None


def _too_long(columns: Mapping[str, Column], texts: Texts) -> str | None:
    """A cast cuts a text off where an assignment refuses it."""
    for name, text in texts.items():
        length = _LENGTH.fullmatch(columns[name].base)
        if length and text is not None and len(text) > int(length[1]):
            return name
    return None
