import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.store.knowledge.ranking import fuse, nearest, to_blob


def test_what_both_searches_found_comes_first() -> None:
    order = [key for key, _ in fuse([["a", "b", "c"], ["d", "b"]])]
    assert order == ["b", "a", "d", "c"]


@given(st.lists(st.lists(st.integers(0, 9), unique=True), max_size=4))
def test_fusing_loses_and_repeats_nothing(rankings: list[list[int]]) -> None:
    fused = fuse(rankings)
    assert {key for key, _ in fused} == {key for ranking in rankings for key in ranking}
    assert len({key for key, _ in fused}) == len(fused)
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


def test_the_nearest_direction_wins_whatever_its_length() -> None:
    stored = [("far", to_blob([0, 1])), ("near", to_blob([100, 1])), ("other model", to_blob([1, 0, 0]))]
    assert nearest(to_blob([1, 0]), stored, 5) == ["near", "far"]
    assert nearest(to_blob([1, 0]), stored, 1) == ["near"]
    assert nearest(to_blob([1, 0]), [], 1) == []


@pytest.mark.parametrize("vector", [[0.0, 0.0], [float("nan")], [float("inf")]])
def test_a_vector_without_direction_is_refused(vector: list[float]) -> None:
    with pytest.raises(ValueError, match="direction"):
        to_blob(vector)
