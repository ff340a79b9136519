from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.chunk_order import RESTART, ChunkOrder

WINDOW = 3


def _all(numbers: list[int | None], window: int = WINDOW) -> list[list[int | None]]:
    order: ChunkOrder[int | None] = ChunkOrder(window)
    return [order.take(number, number) for number in numbers]


@pytest.mark.parametrize(
    ("numbers", "taken"),
    [
        ([1, 2, 3], [[1], [2], [3]]),
        ([7, 8], [[7], [8]]),
        ([1, 3, 2, 4], [[1], [], [2, 3], [4]]),
        ([1, 4, 3, 2, 5], [[1], [], [], [2, 3, 4], [5]]),
        ([1, 2, 2, 1, 3], [[1], [2], [], [], [3]]),
        ([1, 3, 3, 2], [[1], [], [], [2, 3]]),
        ([2, 1, 3], [[2], [], [3]]),
        ([None, 1, None, 2], [[None], [1], [None], [2]]),
    ],
    ids=[
        "in order",
        "not from one",
        "swapped",
        "turned round",
        "repeats",
        "repeat of a held one",
        "late",
        "unnumbered",
    ],
)
def test_order(numbers: list[int | None], taken: list[list[int | None]]) -> None:
    assert _all(numbers) == taken


def test_a_gap_is_given_up_when_more_than_the_window_waits() -> None:
    assert _all([1, 3, 4, 5, 6, 2, 7]) == [[1], [], [], [], [3, 4, 5, 6], [], [7]]
    assert _all([1, 3, 5, 6, 8, 7]) == [[1], [], [], [], [3], [5, 6, 7, 8]]


def test_a_number_far_ahead_does_not_hold_the_others_up() -> None:
    assert _all([1, 10**15, 2, 3]) == [[1], [], [2], [3]]


def test_counting_anew_is_followed() -> None:
    assert _all([RESTART + 5, 4, 5, 6]) == [[RESTART + 5], [4], [5], [6]]
    assert _all([RESTART + 5, RESTART + 7, 4, 5]) == [[RESTART + 5], [], [4], [5]]
    assert _all([RESTART + 5, 6]) == [[RESTART + 5], []]


def test_the_rest_comes_in_order_and_once() -> None:
    order: ChunkOrder[str] = ChunkOrder(WINDOW)
    assert order.rest() == []
    assert order.take(1, "a") == ["a"]
    assert order.take(4, "d") == order.take(3, "c") == []
    assert order.rest() == ["c", "d"]
    assert order.rest() == []


@given(st.lists(st.integers(0, 30)))
def test_what_comes_out_is_rising_and_was_put_in(numbers: list[int]) -> None:
    order: ChunkOrder[int] = ChunkOrder(WINDOW)
    out = [number for taken in numbers for number in order.take(taken, taken)] + order.rest()
    assert all(before < after for before, after in pairwise(out))
    assert set(out) <= set(numbers)


@given(st.permutations(range(WINDOW + 1)), st.integers(1, 5))
def test_disorder_within_the_window_costs_nothing(places: list[int], groups: int) -> None:
    order: ChunkOrder[int] = ChunkOrder(WINDOW)
    size = len(places)
    out = order.take(0, 0)
    for group in range(groups):
        for place in places:
            number = 1 + group * size + place
            out += order.take(number, number)
    assert out == list(range(1 + groups * size))
