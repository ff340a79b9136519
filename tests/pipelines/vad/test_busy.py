import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.vad import busy
from pipelines.vad.busy import BusyTime


def worked(stretches: list[tuple[float, float]], began_s: float) -> tuple[BusyTime, float]:
    """Work and rest in turns, seconds each."""
    time, now_s = BusyTime(), began_s
    for work_s, rest_s in stretches:
        time.add(now_s, now_s + work_s)
        now_s += work_s + rest_s
    return time, now_s


def now_s() -> float:
    return busy.perf_counter()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_the_share_of_steady_work(share: float) -> None:
    time, end_s = worked([(share * 0.1, (1 - share) * 0.1)] * 200, now_s())
    assert time.share(end_s) == pytest.approx(share, abs=0.03)
    assert time.total_s == pytest.approx(20 * share)


def test_old_work_is_forgotten() -> None:
    time, end_s = worked([(0.1, 0.0)] * 100, now_s())
    assert time.share(end_s) == pytest.approx(1.0)
    assert time.share(end_s + 3) < 1.0
    time.share(end_s + 6)
    assert time.share(end_s + 9) == 0.0


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), max_size=40))
def test_a_share_is_a_share(stretches: list[tuple[float, float]]) -> None:
    time, end_s = worked(stretches, now_s())
    assert 0.0 <= time.share(end_s) <= 1.0
