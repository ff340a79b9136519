from datetime import timedelta

import pytest

from bench.measure_starts import AFTER_START_MS, others_late_ms
from tests.bench.records import BEGAN, record, run


def late(*gaps: tuple[float, float], offset_ms: float = 0.0, starts_ms: tuple[float, ...] = (10_000.0,)) -> object:
    moments = [BEGAN + timedelta(milliseconds=start_ms) for start_ms in starts_ms]
    return others_late_ms(run(record(gaps=gaps, offset_ms=offset_ms)), moments, from_ms=5_000.0)


def test_a_message_counts_when_it_came() -> None:
    # It was due before the start and came after it.
    assert late((9_990, 30)) == (30.0, 0.0)
    assert late((9_960, 30)) == (0.0, 30.0)


@pytest.mark.parametrize(("came_ms", "after"), [(10_000.0, True), (10_000 + AFTER_START_MS, True), (10_501.0, False)])
def test_the_window_after_a_start(came_ms: float, after: bool) -> None:
    assert late((came_ms - 20, 20)) == ((20.0, 0.0) if after else (0.0, 20.0))


def test_the_calls_own_beginning_is_on_the_runs_clock() -> None:
    assert late((7_100, 20), offset_ms=3_000) == (20.0, 0.0)


def test_the_worst_counts_and_what_was_before_does_not() -> None:
    assert late((10_100, 20), (10_200, 40), (12_000, 15), (12_500, 5), (1_000, 900)) == (40.0, 15.0)


def test_a_call_that_never_began_is_left_out() -> None:
    never = record(gaps=[(10_000, 50)])
    never.started_at = None
    assert others_late_ms(run(never), [BEGAN], from_ms=0.0) == (0.0, 0.0)
