import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.knee import Broken, Climb, Knee
from bench.steps import Noise, Step

LADDER = (1, 4, 8, 12)
NOISY = Noise(foreign_pct=90.0)


def step(calls: int, p95_ms: float = 300.0, *, failed: int = 0, late_pct: float = 0.0, noisy: bool = False) -> Step:
    return Step(calls, 10, failed, v2v_p95_ms=p95_ms, late_pct=late_pct, noise=NOISY if noisy else Noise())


def climbed(*steps: Step, repeated: frozenset[int] = frozenset(), again: bool = True) -> Climb:
    climb = Climb(LADDER, repeated, again)
    for taken in steps:
        assert climb.next_calls == taken.calls
        climb.add(taken)
    return climb


def test_the_ladder_is_climbed_to_its_end() -> None:
    climb = climbed(*(step(calls) for calls in LADDER))
    assert climb.next_calls is None
    assert climb.knee == Knee(12)
    assert "no more were tried" in str(climb.knee)
    assert [it.calls for it in climb.merged()] == list(LADDER)


@pytest.mark.parametrize(
    ("over", "why"),
    [
        (step(8, 451.0), Broken.SLOW),
        (step(8, failed=1), Broken.FAILED),
        (step(8, late_pct=1.5), Broken.LATE),
        (Step(8, failed=8), Broken.FAILED),
    ],
)
def test_a_step_is_over_the_knee_when_it_is_broken_twice(over: Step, why: Broken) -> None:
    climb = climbed(step(1), step(4), over, over)
    assert climb.next_calls is None
    assert climb.knee == Knee(4, 8, why)
    assert "4 calls carried, 8 not" in str(climb.knee)


def test_what_is_just_within_the_limits_is_carried() -> None:
    climb = climbed(step(1), step(4), step(8, 450.0, late_pct=1.0))
    assert climb.next_calls == 12
    assert climb.knee == Knee(8)


def test_a_step_that_holds_once_is_carried() -> None:
    climb = climbed(step(1), step(4), step(8, 900.0), step(8, 310.0))
    assert climb.next_calls == 12


def test_a_disturbed_step_is_measured_once_more_and_no_more() -> None:
    climb = climbed(step(1), step(4, noisy=True), step(4, noisy=True))
    assert climb.next_calls == 8
    assert climbed(step(1, noisy=True), again=False).next_calls == 4


def test_some_steps_are_measured_twice_in_any_case() -> None:
    climbed(step(1), step(1), step(4), step(8), repeated=frozenset({1}))


def test_the_single_call_itself_is_not_compared_but_may_fail() -> None:
    assert climbed(step(1, 5_000.0)).next_calls == 4
    assert climbed(step(1, failed=1), step(1, failed=1)).knee == Knee(0, 1, Broken.FAILED)


@given(st.lists(st.tuples(st.floats(200, 800), st.booleans(), st.integers(0, 1)), min_size=40, max_size=40))
def test_a_climb_always_ends_and_its_knee_was_measured(outcomes: list[tuple[float, bool, int]]) -> None:
    climb = Climb(LADDER, frozenset({1, 8}))
    taken = 0
    while (calls := climb.next_calls) is not None:
        p95_ms, noisy, failed = outcomes[taken]
        climb.add(step(calls, p95_ms, noisy=noisy, failed=failed))
        taken += 1
    assert taken <= 2 * len(LADDER)
    knee = climb.knee
    assert knee.calls in (0, *LADDER)
    assert (knee.broke_at is None) == (knee.calls == LADDER[-1])
    assert knee.broke_at is None or knee.broke_at > knee.calls
