"""Whatever is killed in mid-stream: nothing is lost, and the events of a row keep their order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from rowcast_local.probes import listens
from world import wait_until

from .place import CHANGES, Place, Process, in_order, newest


@contextmanager
def changing(place: Place, rows: int = 30) -> Iterator[None]:
    """Rows that change all the time, one transaction each, until the context ends."""
    over = threading.Event()

    def change() -> None:
        with place.sql() as cursor:
            number = 0
            while not over.is_set():
                number += 1
                cursor.execute(
                    "UPDATE app_configs SET branch = %s WHERE id = (SELECT id FROM app_configs ORDER BY id"
                    " OFFSET %s LIMIT 1)",
                    (f"b{number}", number % rows),
                )
                over.wait(0.003)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def some_more(place: Place, count: int = 150) -> None:
    before = len(place.arrived())
    wait_until(lambda: len(place.arrived()) >= before + count, place.capture.text)


def whole_and_in_order(place: Place) -> None:
    wait_until(lambda: place.newest() == place.table(), lambda: place.capture.text() + place.daprd.text())
    arrived = place.arrived()
    assert newest(arrived) == place.table()
    for row, generations in in_order(arrived).items():
        first = list(dict.fromkeys(generations))
        assert first == sorted(first), f"row {row}: {generations}"
        # Every change has its event, whatever came twice.
        assert first == list(range(first[0], first[-1] + 1)), f"row {row}: {generations}"


@pytest.fixture
def rows(place: Place) -> None:
    if not place.table():
        place.insert("row-", 30)
    whole_and_in_order(place)


@pytest.mark.usefixtures("rows")
def test_capture_killed(place: Place) -> None:
    with changing(place):
        for _ in range(2):
            some_more(place)
            place.capture.kill()
            place.start()
        some_more(place)
    whole_and_in_order(place)


@pytest.mark.usefixtures("rows")
def test_the_sidecar_killed(place: Place) -> None:
    with changing(place):
        some_more(place)
        place.daprd.kill()
        place.wait_told(lambda told: told["waiting_since"] is not None and told["state"] == "RUNNING")
        assert "an event waits since" in place.ready()["failures"]["broker"]
        place.start_daprd()
        some_more(place)
    whole_and_in_order(place)
    assert place.told()["waiting_since"] is None


@pytest.mark.usefixtures("rows")
def test_the_broker_killed(place: Place) -> None:
    with changing(place):
        some_more(place)
        place.broker.kill()
        # What a broker said is believed for two seconds, so its error may come after the news that an event waits.
        place.wait_told(lambda told: told["waiting_since"] is not None and told["broker"]["error"])
        place.broker.start()
        wait_until(lambda: listens(place.redis_port), place.broker.text)
        some_more(place)
    whole_and_in_order(place)


@pytest.mark.usefixtures("rows")
def test_a_broker_that_has_lost_all_is_made_ready_again_and_takes_what_comes(place: Place) -> None:
    place.broker.kill()
    (place.folder / "redis" / "appendonly.aof").unlink()
    place.insert("into-nothing-", 2)
    place.wait_told(lambda told: told["waiting_since"] is not None)

    place.broker.start()

    wait_until(lambda: len(place.arrived()) == 2, place.capture.text)
    groups = place.redis.xinfo_groups(CHANGES)
    assert {group["name"] for group in groups} == {b"sync-k8s", b"sync-git"}
    assert httpx.post(place.facts.replace("/facts", "/resnapshot")).status_code == httpx.codes.ACCEPTED
    whole_and_in_order(place)


@pytest.mark.usefixtures("rows")
def test_the_database_away_in_mid_stream_and_at_the_start(place: Place) -> None:
    place.postgres.end(signal.SIGINT)
    place.wait_told(lambda told: told["state"] == "RETRYING" and told["error"])
    place.capture.end()

    place.capture.start()

    place.wait_told(lambda told: told["state"] == "RETRYING" and "Connection refused" in (told["error"] or ""))
    place.postgres.start()
    wait_until(place.server.ready, place.postgres.text)
    place.wait_running()
    place.insert("after-the-outage-", 2)
    whole_and_in_order(place)


@pytest.mark.usefixtures("rows")
def test_a_second_capture_waits_says_so_and_takes_over(place: Place) -> None:
    port = place.second_port
    second = Process(place.capture_program("second", port), place.folder / "second.log")
    first_facts = place.facts
    second.start()
    try:
        place.facts = first_facts.replace(str(place.http_port), str(port))
        another = "another capture works on the slot rowcast"
        place.wait_told(lambda told: told["state"] == "RETRYING" and another in (told["error"] or ""), second)

        with changing(place):
            some_more(place)
            place.capture.kill()
            place.wait_running()
            some_more(place)
        whole_and_in_order(place)
    finally:
        place.facts = first_facts
        second.end()
    place.start()


@pytest.mark.usefixtures("rows")
def test_a_slot_that_connect_still_reads_is_waited_for(place: Place) -> None:
    """Anybody's: who reads it without our lock, as Kafka Connect does."""
    place.capture.end()
    reader = place.reading_the_slot()
    reader.start()
    try:
        place.capture.start()
        place.wait_told(lambda told: "the replication slot is in use" in (told["error"] or ""))
    finally:
        reader.kill()
    place.wait_running()
    whole_and_in_order(place)


@pytest.mark.usefixtures("rows")
def test_ended_with_the_broker_away_it_ends_in_time_and_loses_nothing(place: Place) -> None:
    place.broker.kill()
    place.insert("kept-", 3)
    place.wait_told(lambda told: told["waiting_since"] is not None)

    assert place.capture.end() == 0

    place.broker.start()
    wait_until(lambda: listens(place.redis_port), place.broker.text)
    place.start()
    whole_and_in_order(place)
