"""When the log can be read on from a position, and when the table has to be read again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rowcast.capture.offsets import Saved, Server, Slot, unusable

SAVED = Saved({"lsn": 1000}, "7", 1)
SLOT = Slot(active=False, pid=None, confirmed=900, wal_status="reserved")
SERVER = Server("7", 1, 2000, SLOT)


def test_a_position_between_what_is_confirmed_and_the_end_of_the_log_is_good() -> None:
    assert unusable(SAVED, SERVER) is None
    assert unusable(SAVED, replace(SERVER, lsn=1000, slot=replace(SLOT, confirmed=1000))) is None
    assert unusable(SAVED, replace(SERVER, slot=replace(SLOT, confirmed=None))) is None


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (replace(SERVER, slot=None), "the replication slot is gone"),
        (replace(SERVER, slot=replace(SLOT, wal_status="lost")), "PostgreSQL has given up the replication slot"),
        (replace(SERVER, system_identifier="8"), "the position is in the log of another server"),
        (replace(SERVER, lsn=999), "the log ends before the position: the database is an older copy"),
        (replace(SERVER, timeline=2), "the log took another way: the database was restored, or another server"),
        (replace(SERVER, slot=replace(SLOT, confirmed=1001)), "the slot was moved on past the position"),
    ],
)
def test_what_would_pass_over_changes_reads_the_table_again(server: Server, reason: str) -> None:
    assert (unusable(SAVED, server) or "").startswith(reason)


def test_what_another_broker_has_is_read_again_for_this_one() -> None:
    assert unusable(replace(SAVED, elsewhere="kafka"), SERVER) == "what was read so far is in another broker (kafka)"


def test_a_snapshot_that_was_not_finished_is_the_engines_to_begin_again() -> None:
    assert unusable(Saved({"snapshot": "INITIAL"}, "7", 1), SERVER) is None
