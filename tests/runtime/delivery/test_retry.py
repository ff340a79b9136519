from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.delivery.retry import RetryPolicy

POLICY = RetryPolicy(first_s=2.0, longest_s=60.0, longest_rest_s=100.0, max_attempts=5, max_age_s=300.0)


def test_waits_double_up_to_a_limit() -> None:
    assert [POLICY.wait_s(attempts, lambda: 1.0) for attempts in range(1, 9)] == [2, 4, 8, 16, 32, 60, 60, 60]
    assert POLICY.wait_s(10_000, lambda: 1.0) == 60


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_takes_away_half_at_most(attempts: int, drawn: float) -> None:
    most_s = POLICY.wait_s(attempts, lambda: 1.0)
    assert most_s / 2 <= POLICY.wait_s(attempts, lambda: drawn) <= most_s


@pytest.mark.parametrize(("rest_s", "wait_s"), [(None, 2.0), (0.0, 2.0), (1.0, 2.0), (50.0, 50.0), (1e9, 100.0)])
def test_a_rest_that_is_asked_for_is_granted_up_to_a_limit(rest_s: float | None, wait_s: float) -> None:
    assert POLICY.wait_s(1, lambda: 1.0, rest_s) == wait_s


@pytest.mark.parametrize(
    ("attempts", "age_s", "given_up"), [(1, 0.0, False), (4, 299.0, False), (5, 0.0, True), (1, 300.0, True)]
)
def test_when_it_gives_up(attempts: int, age_s: float, given_up: bool) -> None:
    assert POLICY.gives_up(attempts, age_s) is given_up
    assert not RetryPolicy().gives_up(attempts, age_s)
