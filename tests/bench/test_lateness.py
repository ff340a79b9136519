import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lateness import playout_lateness_ms
from tests.bench.records import record


def test_speech_without_a_gap_is_in_time() -> None:
    assert playout_lateness_ms(record(speech=[(100, 300)])) == [0.0] * 10


def test_what_follows_a_gap_is_late_until_the_utterance_is_over() -> None:
    late_ms = playout_lateness_ms(record(speech=[(0, 340)], gaps=[(100, 40)]))
    assert late_ms == [0.0] * 5 + [40.0] * 10


def test_gaps_add_up_within_an_utterance() -> None:
    late_ms = playout_lateness_ms(record(speech=[(0, 200), (400, 600)], gaps=[(200, 30), (500, 10)]))
    assert sorted(set(late_ms)) == [0.0, 30.0, 40.0]


@pytest.mark.parametrize("second_ms", [1_300, 2_500])
def test_a_long_silence_begins_a_new_utterance(second_ms: float) -> None:
    spans = [(0.0, 200.0), (second_ms, second_ms + 40)]
    assert playout_lateness_ms(record(speech=spans, gaps=[(100, 40)]))[-1] == 0.0


def test_the_callers_turn_begins_a_new_utterance() -> None:
    spans = [(0.0, 200.0), (900.0, 940.0)]
    gap = [(100.0, 40.0)]
    assert playout_lateness_ms(record(speech=spans, gaps=gap))[-1] == 40.0
    assert playout_lateness_ms(record(speech=spans, gaps=gap, turns=[(400, 600)]))[-1] == 0.0


def test_a_gap_just_before_the_first_audible_sample_counts() -> None:
    assert playout_lateness_ms(record(speech=[(1_000, 1_040)], gaps=[(900, 50)])) == [50.0, 50.0]
    assert playout_lateness_ms(record(speech=[(1_000, 1_040)], gaps=[(500, 50)])) == [0.0, 0.0]


def test_a_gap_of_the_utterance_before_does_not() -> None:
    spans = [(0.0, 200.0), (400.0, 440.0)]
    assert playout_lateness_ms(record(speech=spans, gaps=[(180, 15)], turns=[(300, 350)]))[-2:] == [0.0, 0.0]


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 60)), max_size=8, unique_by=lambda gap: gap[0]))
def test_lateness_never_shrinks_and_ends_at_the_sum(gaps: list[tuple[int, int]]) -> None:
    placed = [(at * 200.0, float(length)) for at, length in gaps]
    late_ms = playout_lateness_ms(record(speech=[(0, 30_000)], gaps=placed))
    assert late_ms == sorted(late_ms)
    assert late_ms[-1] == sum(length for _, length in placed)
