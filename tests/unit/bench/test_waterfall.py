"""The waterfall of a change: medians, and bars that begin where the stretches before them end."""

from __future__ import annotations

from bench.waterfall import STRETCHES, waterfall


def test_each_stretch_has_its_median_and_its_bar_where_those_before_it_end() -> None:
    slow = [0.0, 0.010, 0.020, 0.020, 0.020, 0.020, 0.020, 0.040]
    quick = [0.0, 0.010, 0.020, 0.020, 0.020, 0.020, 0.020, 0.030]

    title, *lines, whole = waterfall("k8s", [slow, quick, slow])

    assert title.split() == ["k8s", "p50", "p99"]
    assert [line.startswith(name) for name, line in zip(STRETCHES, lines, strict=True)] == [True] * 7
    assert lines[-1].split()[-3:-1] == ["20.0", "20.0"]
    assert [line.count("█") for line in lines] == [10, 10, 0, 0, 0, 0, 20]
    assert [line.index("█") for line in lines if "█" in line] == [lines[0].index("█") + at for at in (0, 10, 20)]
    assert whole.split() == ["all", "of", "it", "40.0", "40.0"]


def test_a_single_change_is_no_waterfall() -> None:
    assert list(waterfall("git, 1 of 200", [[0.0] * 8])) == ["git, 1 of 200: too few to tell"]
