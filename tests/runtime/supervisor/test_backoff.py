from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.supervisor.backoff import LONGEST_S, STABLE_S, BackOff


def test_the_first_death_costs_no_time_and_young_ones_ever_more() -> None:
    back_off = BackOff()
    assert [back_off.died(1.0) for _ in range(8)] == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_S, LONGEST_S]


def test_a_long_life_is_no_bad_start() -> None:
    back_off = BackOff()
    for _ in range(5):
        back_off.died(0.0)
    assert back_off.died(STABLE_S) == 0.0
    assert back_off.died(STABLE_S - 1) == 1.0


@given(st.lists(st.floats(0, 1000), max_size=3000))
def test_no_wait_is_too_long(lives: list[float]) -> None:
    back_off = BackOff()
    assert all(0.0 <= back_off.died(life_s) <= LONGEST_S for life_s in lives)
