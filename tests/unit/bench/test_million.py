"""How a count has risen, in ten equal parts, though it is looked at now and then."""

from __future__ import annotations

import pytest

from bench.million import Counted


def test_a_drain_that_slows_down_shows_it_in_its_last_parts() -> None:
    counted = Counted()
    for seconds, count in ((0.5, 0), (5.0, 50), (5.5, 50), (15.0, 100)):
        counted.note(seconds, count)

    assert counted.rates(100) == pytest.approx([10] * 5 + [5] * 5)


def test_a_part_that_never_came_has_no_rate_and_a_fallen_count_is_left_out() -> None:
    counted = Counted()
    for seconds, count in ((1.0, 50), (2.0, 10), (4.0, 95)):
        counted.note(seconds, count)

    rates = counted.rates(100)

    assert rates[:5] == pytest.approx([50] * 5)
    assert rates[-1] is None
    assert counted.last == (4.0, 95)


@pytest.mark.parametrize(
    ("looks", "rate"), [([(2.0, 20), (4.0, 60)], 20), ([(2.0, 20)], 10), ([], 0)], ids=["several", "one", "none"]
)
def test_a_rate_is_from_the_first_look_that_found_any(looks: list[tuple[float, int]], rate: float) -> None:
    counted = Counted()
    for seconds, count in looks:
        counted.note(seconds, count)
    assert counted.rate == pytest.approx(rate)
