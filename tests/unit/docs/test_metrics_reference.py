from __future__ import annotations

import metrics_reference


def test_the_metrics_page_says_what_the_code_exposes() -> None:
    assert metrics_reference.PAGE.read_text() == metrics_reference.page(), "run ./task docs"


def test_every_metric_is_named_by_convention_and_said_in_words() -> None:
    for name, kind, _, text in [one for found in metrics_reference.families().values() for one in found]:
        assert text.endswith(".")
        assert name.endswith("_total") == (kind == "counter")
        assert not name.endswith(("_ms", "_milliseconds", "_kib", "_mib"))
        assert kind != "histogram" or name.endswith(("_seconds", "_events"))
