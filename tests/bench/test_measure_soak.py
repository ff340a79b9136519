import pytest

from bench.measure_soak import growth_mb


def test_the_first_calls_fill_pools_and_do_not_count() -> None:
    points = [(float(number), 100.0 + 10 * min(number, 20)) for number in range(1, 101)]
    assert growth_mb(points) == pytest.approx(0.0)


def test_a_leak_is_seen() -> None:
    assert growth_mb([(float(number), 100 + 0.02 * number) for number in range(1, 1001)]) == pytest.approx(0.02)


@pytest.mark.parametrize("points", [[], [(float(number), 100.0) for number in range(99)]])
def test_too_few_calls_have_no_slope(points: list[tuple[float, float]]) -> None:
    assert growth_mb(points) is None
