"""How many requests one caller may make."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.crud.access.rates import Rates, TooManyRequestsError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused_for(rates: Rates, caller: str) -> float:
    with pytest.raises(TooManyRequestsError) as refused:
        rates.take(caller)
    return refused.value.seconds


def test_a_full_bucket_has_the_burst_and_is_filled_evenly() -> None:
    clock = Clock()
    rates = Rates(10, 3, clock)
    for _ in range(3):
        rates.take("ada")
    assert refused_for(rates, "ada") == pytest.approx(0.1)
    clock.now += 0.05
    assert refused_for(rates, "ada") == pytest.approx(0.05), "what is refused takes nothing"
    clock.now += 0.05
    rates.take("ada")
    assert refused_for(rates, "ada") == pytest.approx(0.1)


def test_callers_have_nothing_to_do_with_each_other() -> None:
    rates = Rates(1, 1, Clock())
    rates.take("ada")
    refused_for(rates, "ada")
    rates.take("bob")


def test_without_a_rate_all_pass_and_nothing_is_kept() -> None:
    rates = Rates(0, 1, Clock())
    for _ in range(1000):
        rates.take("ada")
    assert len(rates) == 0


def test_callers_who_are_long_gone_are_forgotten() -> None:
    clock = Clock()
    rates = Rates(1, 5, clock)
    for number in range(10_000):
        clock.now += 1
        rates.take(f"caller {number}")
    assert len(rates) <= 1025


@given(st.floats(0.1, 100), st.integers(1, 50), st.lists(st.floats(0, 3), min_size=1, max_size=200))
def test_in_no_span_of_time_are_there_more_than_burst_and_rate_allow(
    rate: float, burst: int, pauses: list[float]
) -> None:
    clock = Clock()
    rates, passed = Rates(rate, burst, clock), []
    for pause in pauses:
        clock.now += pause
        with suppress(TooManyRequestsError):
            rates.take("ada")
            passed.append(clock.now)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - passed[first]) * rate + 1e-3
