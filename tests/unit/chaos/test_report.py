"""The page of what faults do: a section for each broker, of whichever run was the last on it."""

from __future__ import annotations

from chaos.report import HEAD, TITLES, page

KAFKA, ENGINE, REDIS, *_ = TITLES.values()


def test_a_run_on_one_broker_leaves_the_sections_of_the_others_as_they_are() -> None:
    first = page("", REDIS, "redis, then")
    both = page(first, KAFKA, "kafka\n\n| a table |")

    again = page(both, REDIS, "redis, now")

    assert again == f"{HEAD}\n\n## {KAFKA}\n\nkafka\n\n| a table |\n\n## {REDIS}\n\nredis, now\n"


def test_sections_stand_in_the_order_of_the_brokers_whichever_ran_first() -> None:
    text = ""
    for title in reversed(TITLES.values()):
        text = page(text, title, "a run")

    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")] == [*TITLES.values()]
