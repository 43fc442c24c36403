"""Connections to PostgreSQL, and the translation of its driver's errors."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from rowcast.core.errors import TransientError
from rowcast.crud.database import audit
from rowcast.crud.errors import LockedError
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.tracing import child_span, sampled

_NOT_READY = frozenset({"42P01", "42703", "42883", "25006"})
"""SQLSTATE of an undefined table, column or function (not migrated yet) and of a standby (a failover): these pass."""


_LOCKED = frozenset({"55P03", "40P01"})
"""SQLSTATE of a lock that wasn't free in time, and of a deadlock: another transaction has what this one needs."""


def make_engine(settings: CrudSettings) -> Engine:
    """An engine that connects when first used, and notices a connection that died meanwhile."""
    statement_ms = math.ceil(settings.database_statement_seconds * 1000)
    lock_ms = math.ceil(settings.database_lock_seconds * 1000)
    engine = create_engine(
        settings.sqlalchemy_url,
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_pool_overflow,
        pool_timeout=settings.database_pool_wait_seconds,
        pool_pre_ping=True,
        pool_use_lifo=True,
        hide_parameters=True,  # an error's text is logged
        json_deserializer=parsed_json,
        connect_args={
            "connect_timeout": settings.database_connect_seconds,
            "application_name": "rowcast-crud",
            # No just-in-time compilation: it would take longer than any statement here.
            "options": f"-c jit=off -c timezone=UTC -c statement_timeout={statement_ms} -c lock_timeout={lock_ms}",
            "tcp_user_timeout": 10_000,
        },
    )
    log_in_with(engine, settings.database_password_file)
    return engine


def parsed_json(text: str) -> Any:
    """JSON as events are read when they arrive: a number of 300 digits is a float again. jsonb has numbers that are
    none; one of these in one row is no reason to refuse all that are read with it.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 19 else float(digits))


def log_in_with(engine: Engine, path: Path | None) -> None:
    """Lets every login read the password from a file, if there is one."""
    if path is None:
        return

    @event.listens_for(engine, "do_connect")
    def read_password(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        try:
            parameters["password"] = path.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            # Files are mounted and replaced while we run.
            raise TransientError(f"no password for the database: {error}") from error


_SET_CONFIG = text(
    "SELECT set_config('rowcast.actor', :who, true), set_config('rowcast.actor_verified', :verified, true), "
    "set_config('rowcast.traceparent', :trace, true), set_config('rowcast.review', :review, true), "
    "set_config('rowcast.approved_by', :approved_by, true)"
)


_NAME_APPROVER = text("SELECT set_config('rowcast.approved_by', :approved_by, true)")


class VouchedFor(str):
    """The name of a person for whom a login vouches; any other text is a name that somebody typed."""

    __slots__ = ()


def name_approver(connection: Connection, person: str | None) -> None:
    """Rows that the transaction writes from now on name who has approved them, as those of a proposal do."""
    connection.execute(_NAME_APPROVER, {"approved_by": _as_approver(person)})


def _as_approver(person: str | None) -> str:
    """What rows name: somebody for whom anybody vouches, or nobody."""
    return str(person) if isinstance(person, VouchedFor) else ""


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction whose statements all see one snapshot. Raises TransientError if the database is in trouble."""
    with translated(), engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        yield connection


@contextmanager
def changing(engine: Engine, actor: str | None = None) -> Iterator[Connection]:
    """A transaction that commits at the end, in the name of `actor`. Raises TransientError if the database fails.

    What a request changes is kept with who has asked, in this transaction: one is there if the other is. And it is
    reviewed before it commits: where others have to approve it, nothing of it is made.
    """
    noted = audit.NOTED.get() if actor is not None else None
    kept = None
    with child_span("transaction") as span, translated(), engine.begin() as connection:
        if actor is not None:
            # Whoever reads the change's event goes on with this trace.
            trace = sampled(span.traceparent) if span else None
            verified = "on" if isinstance(actor, VouchedFor) else "off"
            review = "on" if noted is not None and noted.review is not None else ""
            values = {"who": str(actor), "verified": verified, "trace": trace or "", "review": review}
            values["approved_by"] = _as_approver(noted.approved_by if noted is not None else None)
            connection.execute(_SET_CONFIG, values)
        yield connection
        if noted is not None:
            if noted.review is not None:
                noted.review(connection)
            kept = audit.entry(noted, audit.DONE)
            audit.keep(connection, kept)
    if kept is not None:
        audit.log(kept)


@contextmanager
def translated() -> Iterator[None]:
    """Turns what passes by itself into TransientError (a lock: LockedError); anything else stays as it is."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        if isinstance(error, OperationalError) and sqlstate(error) in _LOCKED:
            raise LockedError from error
        raise TransientError(f"the database doesn't answer: {_first_line(error)}") from error
    except DBAPIError as error:
        if error.connection_invalidated or sqlstate(error) in _NOT_READY:
            raise TransientError(f"the database isn't ready: {_first_line(error)}") from error
        raise


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's error code (appendix A of its manual); None if the server didn't give one."""
    return getattr(error.orig, "pgcode", None)


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
