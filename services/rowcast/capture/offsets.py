"""How far capture has read, kept in the database that it reads: so that a restore of it carries its own position.

The session that keeps it also holds a lock: one capture alone works on a slot, and only that one moves the position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg2
import psycopg2.errors

from rowcast.core.errors import TransientError

_LOCK = 776_967_183
"""Any number, the same for all captures; the slot's name is the other half of the key."""
_OPTIONS = (
    # A pod that is gone without a word must not hold the lock for hours.
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
    " -c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"
)
_SERVER = """
SELECT system_identifier::text, timeline_id, pg_current_wal_flush_lsn() - '0/0'::pg_lsn AS lsn
FROM pg_control_system(), pg_control_checkpoint()
"""
_SLOT = """
SELECT active, active_pid, confirmed_flush_lsn - '0/0'::pg_lsn AS confirmed, wal_status
FROM pg_replication_slots WHERE slot_name = %s
"""
_HOLDER = """
SELECT pid, coalesce(client_addr::text, 'the same machine') FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND classid = %s AND objid = hashtext(%s)::int8::bit(32)::int8 AND granted
"""
_READ = 'SELECT "position", system_identifier, timeline FROM public.rowcast_capture_offsets WHERE slot_name = %s'
_SAVE = """
INSERT INTO public.rowcast_capture_offsets AS known (slot_name, "position", system_identifier, timeline)
VALUES (%s, %s, %s, %s)
ON CONFLICT (slot_name) DO UPDATE SET "position" = excluded."position", saved_at = now(),
    system_identifier = excluded.system_identifier, timeline = excluded.timeline
"""
_BROKER = "rowcast_broker"
"""Kept in one object with what the engine says of a position."""
_DROP_SLOT = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
_FORGET = "DELETE FROM public.rowcast_capture_offsets WHERE slot_name = %s"


@dataclass(frozen=True, slots=True)
class Saved:
    """A position as the engine gives it, and the server whose log it is in.

    `elsewhere`: the kind of broker that has what is before it, if that is another one than ours.
    """

    position: Mapping[str, Any]
    system_identifier: str
    timeline: int
    elsewhere: str | None = None

    @property
    def lsn(self) -> int | None:
        """The place in the log up to which everything has been published; None while the table is read first."""
        lsn = self.position.get("lsn")
        return lsn if isinstance(lsn, int) else None


@dataclass(frozen=True, slots=True)
class Slot:
    """The replication slot. `confirmed` is the place up to which the server need not keep its log for us."""

    active: bool
    pid: int | None
    confirmed: int | None
    wal_status: str | None


@dataclass(frozen=True, slots=True)
class Server:
    """The database's server, the end of its log and its slot, if it has one."""

    system_identifier: str
    timeline: int
    lsn: int
    slot: Slot | None


def unusable(saved: Saved, server: Server) -> str | None:
    """Why the log can't be read on from a position, so that the table has to be read again; None if it can. Pure."""
    if server.slot is None:
        return "the replication slot is gone"
    if server.slot.wal_status == "lost":
        return "PostgreSQL has given up the replication slot"
    if saved.system_identifier != server.system_identifier:
        return "the position is in the log of another server"
    if saved.elsewhere is not None:
        return f"what was read so far is in another broker ({saved.elsewhere})"
    if saved.lsn is None:
        return None
    if saved.lsn > server.lsn:
        return "the log ends before the position: the database is an older copy"
    if saved.timeline != server.timeline:
        return "the log took another way: the database was restored, or another server took over"
    if server.slot.confirmed is not None and saved.lsn < server.slot.confirmed:
        return "the slot was moved on past the position"
    return None


class Offsets:
    """One slot's position. For one thread; raises TransientError whenever the database doesn't do it."""

    def __init__(self, slot: str, broker: str, connect: Callable[[str], Any]) -> None:
        """`broker` is the kind of broker that everything goes to; `connect` takes options for the session."""
        self._slot = slot
        self._broker = broker
        self._connect = connect
        self._connection: Any = None
        self._server: Server | None = None

    def open(self) -> None:
        """Log in, and be the only one."""
        self.close()
        with _translated():
            self._connection = self._connect(_OPTIONS)
            self._connection.autocommit = True
        try:
            if not self._ask("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_LOCK, self._slot))[0]:
                raise TransientError(self._taken())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the lock."""
        if self._connection is not None:
            with suppress(psycopg2.Error):
                self._connection.close()
        self._connection = None

    def server(self) -> Server:
        """How the server is now."""
        identifier, timeline, lsn = self._ask(_SERVER, ())
        self._server = Server(identifier, timeline, int(lsn), self.slot())
        return self._server

    def slot(self) -> Slot | None:
        """The slot now."""
        row = self._ask(_SLOT, (self._slot,))
        return None if row is None else Slot(row[0], row[1], None if row[2] is None else int(row[2]), row[3])

    def read(self) -> Saved | None:
        """The position that was saved last."""
        try:
            row = self._ask(_READ, (self._slot,))
        except _NotMigratedError:
            raise TransientError("the database has no table for capture's position: rowcast crud migrate") from None
        if row is None:
            return None
        position = dict(row[0])
        # A version before this one kept none.
        broker = position.pop(_BROKER, self._broker)
        return Saved(position, row[1], row[2], None if broker == self._broker else broker)

    def save(self, position: Mapping[str, Any]) -> None:
        """Keep a position; from now on the slot may be moved on to it."""
        server = self._server or self.server()
        kept = orjson.dumps({**position, _BROKER: self._broker}).decode()
        values = (self._slot, kept, server.system_identifier, server.timeline)
        self._do(_SAVE, values)

    def begin_anew(self) -> None:
        """The next start reads the whole table, and makes the slot, which nobody may be reading.

        A slot that was there before would keep its age: another reader of it, Kafka Connect, whose offset we move it on
        past, would go on behind us one day, and Debezium says nothing then. An offset older than the slot it notices.
        """
        self._do(_FORGET, (self._slot,))
        self._do(_DROP_SLOT, (self._slot,))

    def _taken(self) -> str:
        row = self._ask(_HOLDER, (_LOCK, self._slot))
        who = "" if row is None else f" (process {row[0]} of the database, from {row[1]})"
        return f"another capture works on the slot {self._slot}{who}: waiting until it ends"

    def _ask(self, statement: str, values: tuple[Any, ...]) -> Any:
        with _translated(), self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchone()

    def _do(self, statement: str, values: tuple[Any, ...]) -> None:
        with _translated(), self._connection.cursor() as cursor:
            cursor.execute(statement, values)


class _NotMigratedError(TransientError):
    """There is no such table."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg2.errors.UndefinedTable as error:
        raise _NotMigratedError(_line(error)) from error
    except psycopg2.Error as error:
        raise TransientError(f"the database: {_line(error)}") from error


def _line(error: psycopg2.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
