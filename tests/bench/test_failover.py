import pytest

from bench.failover import SEATS, Figures, measure, p95
from pipelines.failover.failover import Switch
from pipelines.failover.failures import Seat


def test_words_are_compared_with_their_number() -> None:
    figures = Figures()
    figures.compare(["a", "b", "b", "c"], ["a", "b", "c", "c", "d"])
    figures.compare(["a"], ["a"])
    assert (figures.words, figures.lost, figures.twice) == (5, 1, 2)


def test_every_switch_counts() -> None:
    figures = Figures()
    figures.switched(Switch(Seat.LLM, "a", "b", "server", 12.0))
    assert figures.switch_ms == [12.0]


def test_the_95th_percentile() -> None:
    assert p95([float(number) for number in range(101)]) == pytest.approx(95)


async def test_each_seat_is_measured() -> None:
    found = await measure(1, seed=2)
    assert found.keys() == SEATS.keys()
    for figures in found.values():
        assert len(figures.switch_ms) == len(figures.sign_ms) == 1
        assert figures.words > 0
        assert (figures.lost, figures.twice) == (0, 0)
