"""A steady load of every kind of change, by the API and by SQL, from a seed; what a fault refuses is not repeated."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import psycopg2
import psycopg2.extensions

from chaos import orders

NAMES = 120
ENVIRONMENTS = ("dev", "staging", "prod")
URL = "https://git.example.com/shop/chaos.git"
Row = tuple[int, str]
ROWS = "SELECT id, name FROM app_configs WHERE name LIKE 'chaos-%' ORDER BY id"
INSERT = "INSERT INTO app_configs (name, repository_url, environment) VALUES (%s, %s, %s)"


class Refused(Exception):  # noqa: N818 - no error of ours: under a fault it is expected
    """A change was not made, or nobody can say whether it was."""


class Load:
    """Changes rows in a thread while it is `running`. `done` and `refused` count by kind of change."""

    def __init__(self, database_url: str, dapr_url: str, seed: int, per_second: float) -> None:
        self._url = database_url
        self._api = httpx.Client(
            base_url=dapr_url, headers={"dapr-app-id": "crud", "x-rowcast-user": "chaos"}, timeout=10, trust_env=False
        )
        self._chance = random.Random(f"load {seed}")
        self._pause = 1 / per_second
        self._number = 0
        self._connection: psycopg2.extensions.connection | None = None
        self._turn = threading.Lock()  # faults change rows over the same connection
        self._go, self._idle, self._end = threading.Event(), threading.Event(), threading.Event()
        self._idle.set()
        self._orders = orders.Orders(self._chance)
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def begin(self, rows: int) -> None:
        """Have something to change. Raises psycopg2.Error."""
        self._sql(*((INSERT, (f"chaos-{n:03}", URL, self._environment())) for n in range(rows)))
        for _ in range(rows // 2):
            self._sql(*self._orders.new(self._read_orders()))

    def resume(self) -> None:
        """Go on."""
        self._idle.clear()
        self._go.set()

    def pause(self) -> None:
        """Return when the change under way is over."""
        self._go.clear()
        self._idle.wait()

    def stop(self) -> None:
        """For good."""
        self._end.set()
        self._go.set()
        self._thread.join(30)
        self._api.close()

    def _run(self) -> None:
        while not self._end.is_set():
            if not self._go.is_set():
                self._idle.set()
                self._go.wait()
                continue
            started = time.monotonic()
            self._change()
            self._end.wait(max(0.0, self._pause - (time.monotonic() - started)))

    def _change(self) -> None:
        kind, weight = list(KINDS), list(KINDS.values())
        (change,) = self._chance.choices(kind, weight)
        try:
            with self._turn, self._database() as connection, connection.cursor() as cursor:
                cursor.execute(ROWS)
                rows: list[Row] = [(row_id, name) for row_id, name in cursor.fetchall()]
            self.done[change.__name__] += change(self, rows)
        except (Refused, psycopg2.Error, httpx.HTTPError):
            self.refused[change.__name__] += 1
            self._end.wait(0.2)

    def _database(self) -> psycopg2.extensions.connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg2.connect(self._url, connect_timeout=5)
        return self._connection

    def _read_orders(self) -> list[orders.Order]:
        with self._turn, self._database() as connection, connection.cursor() as cursor:
            cursor.execute(orders.ROWS)
            return list(cursor.fetchall())

    def _free(self, rows: Sequence[Row]) -> str:
        taken = {name for _, name in rows}
        free = [name for n in range(NAMES) if (name := f"chaos-{n:03}") not in taken]
        if not free:
            raise Refused
        return self._chance.choice(free)

    def _some(self, rows: Sequence[Row], count: int = 1) -> list[Row]:
        if len(rows) < count:
            raise Refused
        return self._chance.sample(list(rows), count)

    def _new(self, name: str) -> dict[str, str]:
        return {"name": name, "repository_url": URL, "branch": self._branch(), "environment": self._environment()}

    def _branch(self) -> str:
        self._number += 1
        return f"change-{self._number}"

    def _environment(self) -> str:
        return self._chance.choice(ENVIRONMENTS)

    def _ask(self, method: str, path: str, body: object = None) -> None:
        answer = self._api.request(method, path, json=body)
        if not answer.is_success:
            raise Refused

    def _batch(self, *items: dict[str, Any]) -> int:
        self._ask("POST", "/appconfigs:batch", {"items": items})
        return len(items)

    def _sql(self, *statements: tuple[str, tuple[object, ...]]) -> int:
        with self._turn, self._database() as connection, connection.cursor() as cursor:
            for statement, values in statements:
                cursor.execute(statement, values)
        return len(statements)


def create(load: Load, rows: Sequence[Row]) -> int:
    load._ask("POST", "/appconfigs", load._new(load._free(rows)))
    return 1


def update(load: Load, rows: Sequence[Row]) -> int:
    ((row_id, _),) = load._some(rows)
    load._ask("PATCH", f"/appconfigs/{row_id}", {"branch": load._branch()})
    return 1


def rename(load: Load, rows: Sequence[Row]) -> int:
    ((row_id, _),) = load._some(rows)
    load._ask("PATCH", f"/appconfigs/{row_id}", {"name": load._free(rows)})
    return 1


def move(load: Load, rows: Sequence[Row]) -> int:
    ((row_id, _),) = load._some(rows)
    load._ask("PATCH", f"/appconfigs/{row_id}", {"environment": load._environment()})
    return 1


def delete(load: Load, rows: Sequence[Row]) -> int:
    ((row_id, _),) = load._some(rows)
    load._ask("DELETE", f"/appconfigs/{row_id}")
    return 1


def swap(load: Load, rows: Sequence[Row]) -> int:
    (one, its), (other, others) = load._some(rows, 2)
    return load._batch(
        {"action": "update", "id": one, "config": {"name": others}},
        {"action": "update", "id": other, "config": {"name": its}},
    )


def recreate(load: Load, rows: Sequence[Row]) -> int:
    """Delete and create the same name in two requests."""
    ((row_id, name),) = load._some(rows)
    load._ask("DELETE", f"/appconfigs/{row_id}")
    load._ask("POST", "/appconfigs", load._new(name))
    return 2


def recreate_in_one(load: Load, rows: Sequence[Row]) -> int:
    ((row_id, name),) = load._some(rows)
    return load._batch({"action": "delete", "id": row_id}, {"action": "create", "config": load._new(name)})


def sql_update_many(load: Load, rows: Sequence[Row]) -> int:
    change = "UPDATE app_configs SET branch = %s WHERE id = %s"
    return load._sql(*((change, (load._branch(), row_id)) for row_id, _ in load._some(rows, 5)))


def sql_swap(load: Load, rows: Sequence[Row]) -> int:
    (one, its), (other, others) = load._some(rows, 2)
    change = "UPDATE app_configs SET name = %s WHERE id = %s"
    load._sql(
        ("SET LOCAL rowcast.renaming = 'on'", ()),
        (change, (f"swapping-{one}", one)),
        ("SET LOCAL rowcast.renaming = 'off'", ()),
        (change, (its, other)),
        (change, (others, one)),
    )
    return 2


def sql_recreate(load: Load, rows: Sequence[Row]) -> int:
    """Delete and create the same name in one transaction."""
    ((row_id, name),) = load._some(rows)
    return load._sql(("DELETE FROM app_configs WHERE id = %s", (row_id,)), (INSERT, (name, URL, load._environment())))


def of_any_table(load: Load, rows: Sequence[Row]) -> int:
    return load._sql(*load._orders.change(load._read_orders()))


def roll_out(load: Load, rows: Sequence[Row]) -> int:
    """Begins a roll-out of the other table's rows, or tells the one that is under way what becomes of it."""
    path = "/renderers/orders/rollouts"
    answer = load._api.get(path, params={"limit": 1})
    if not answer.is_success:
        raise Refused
    newest = next(iter(answer.json()["items"]), None)
    below, body = load._orders.rollout(newest)
    load._ask("POST", f"{path}{below}", body)
    return 1


def sql_rename_there_and_back(load: Load, rows: Sequence[Row]) -> int:
    ((row_id, name),) = load._some(rows)
    change = "UPDATE app_configs SET name = %s WHERE id = %s"
    return load._sql((change, (load._free(rows), row_id)), (change, (name, row_id)))


KINDS: dict[Callable[[Load, Sequence[Row]], int], int] = {
    create: 8,
    update: 6,
    rename: 3,
    move: 2,
    delete: 7,
    swap: 2,
    recreate: 2,
    recreate_in_one: 1,
    sql_update_many: 2,
    sql_swap: 2,
    sql_recreate: 1,
    sql_rename_there_and_back: 1,
    of_any_table: 20,
    roll_out: 1,
}
