"""SQL past the triggers, as a restore with `--disable-triggers` or a replication worker does it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.arena import Arena
from chaos.faults import repairs
from chaos.faults.fault import Doing, Fault
from chaos.verdict import differences, wait
from superuser import superuser

ROWS = 5
FOLLOWED_SECONDS = 20
UPDATE = "UPDATE app_configs SET branch = %s WHERE id = ANY(%s)"
STATES = "SELECT tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = 'app_configs'::regclass AND NOT tgisinternal"
ENABLE = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}
SYNCED = """
    SELECT count(*) FROM sync_statuses s JOIN app_configs c ON c.id = s.row_id
    WHERE c.name = '{name}' AND s.target = '{target}' AND s.observed_generation = c.generation AND s.error IS NULL
"""


def untriggered(way: str) -> Doing:
    """Some rows are updated while the triggers don't fire: for a session that replicates, or for everybody."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        ids = [row[0] for row in arena.table.read().values()]
        chosen = chance.sample(ids, min(ROWS, len(ids)))
        branch = f"untriggered-{chance.randrange(10**6)}"
        with superuser(arena.platform) as cursor:
            cursor.execute("BEGIN")
            if way == "session":
                cursor.execute("SET LOCAL session_replication_role = replica")
                cursor.execute(UPDATE, (branch, chosen))
            else:
                cursor.execute(STATES)
                before = {name: state for name, state in cursor.fetchall() if state in ENABLE}
                cursor.execute("ALTER TABLE app_configs DISABLE TRIGGER USER")
                cursor.execute(UPDATE, (branch, chosen))
                for name, how in before.items():
                    cursor.execute(f"ALTER TABLE app_configs {ENABLE[how]} TRIGGER {name}")
            cursor.execute("COMMIT")
        yield
        arena.notes.append(f"{len(chosen)} rows past the triggers")
        arena.repairs.append(followed_or_not_synced)

    return during


def followed_or_not_synced(arena: Arena) -> None:
    """What is `synced` must be what the table says, soon; a reconcile delivers what isn't."""
    places = {"k8s": arena.cluster.read, "git": arena.repository.read}

    def behind() -> list[str]:
        table = arena.table.read()
        return [line for target, read in places.items() for line in differences(table, read(), target)]

    if not wait(behind, FOLLOWED_SECONDS):
        return
    for target, read in places.items():
        table = arena.table.read()
        for line in differences(table, read(), target):
            name = line.partition(":")[0]
            if name in table and arena.table.ask(SYNCED.format(name=name, target=target)) != [(0,)]:
                arena.damage.append(f"called synced at {target}: {line}")
    repairs.reconcile(arena)


FAULTS = (
    Fault("an update by a replication session", "triggers disabled", untriggered("session"), (0.5, 2), "triggers"),
    Fault("an update with the triggers disabled", "triggers disabled", untriggered("table"), (0.5, 2), "triggers"),
)
