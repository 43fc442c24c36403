"""The table of the brokers: the rounds' spread, and the ratio to the first platform of the same run."""

from __future__ import annotations

from bench.by_broker import Figures, table


def test_each_cell_has_the_rounds_spread_and_all_but_the_first_their_ratio_to_it() -> None:
    found = {"kafka": Figures({"p50": [10.0, 30.0, 20.0]}), "redis": Figures({"p50": [5.0, 5.0, 5.0]})}

    assert table(found) == [
        "| | Kafka, Connect | Redis Streams |",
        "|---|---:|---:|",
        "| p50 | 20 (10 to 30) | 5.0 (5.0 to 5.0), 0.25 x |",
    ]


def test_what_was_not_measured_is_no_figure() -> None:
    found = {"kafka": Figures({"p50": [10.0]}), "redis": Figures()}

    assert table(found)[-1] == "| p50 | 10.0 | — |"
