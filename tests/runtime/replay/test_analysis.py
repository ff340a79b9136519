from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.playout import Gap
from runtime.replay.activity import Span
from runtime.replay.analysis import Distribution, measure_call, measure_run
from runtime.replay.record import CallerTurn, CallRecord, TurnKind


def said(start_ms: float, end_ms: float, kind: TurnKind = TurnKind.SPEECH) -> CallerTurn:
    return CallerTurn("hello", kind, start_ms, end_ms)


def call(**fields: object) -> CallRecord:
    return CallRecord(**{"ended_ms": 60_000.0, "setup_ms": 30.0, **fields})  # type: ignore[arg-type]


def test_setup_and_greeting_count_from_the_first_packet() -> None:
    metrics = measure_call(call(first_audio_ms=12, bot_speech=[Span(40, 900)], turns=[said(2000, 3000)]))
    assert (metrics.setup_ms, metrics.first_audio_ms, metrics.greeting_ms) == (30, 42, 70)


def test_what_the_bot_says_after_the_caller_is_no_greeting() -> None:
    metrics = measure_call(call(bot_speech=[Span(4000, 5000)], turns=[said(2000, 3000)]))
    assert metrics.greeting_ms is None
    assert metrics.first_audio_ms is None


def test_voice_to_voice_runs_from_the_last_voiced_sample_to_the_first_audible_one() -> None:
    record = call(
        bot_speech=[Span(0, 900), Span(3350, 5000), Span(7800, 9000)], turns=[said(2000, 3000), said(6000, 7000)]
    )
    assert [turn.reply_ms for turn in measure_call(record).turns] == [350, 800]
    assert [turn.turn for turn in measure_call(record).turns] == [1, 2]


def test_an_answer_to_the_next_turn_is_none_to_this_one() -> None:
    record = call(bot_speech=[Span(7800, 9000)], turns=[said(2000, 3000), said(6000, 7000)])
    assert [turn.reply_ms for turn in measure_call(record).turns] == [None, 800]


def test_a_turn_that_the_end_cut_off_is_not_measured() -> None:
    record = call(turns=[said(2000, 3000), said(6000, 7000)], ended_ms=6500)
    assert len(measure_call(record).turns) == 1


def test_a_barge_in_is_measured_from_the_callers_first_voiced_sample() -> None:
    record = call(bot_speech=[Span(0, 5240), Span(6300, 7000)], turns=[said(5000, 6000)], clears_ms=[5230, 6100])
    turn = measure_call(record).turns[0]
    assert (turn.barge_in, turn.clear_ms, turn.stop_ms, turn.overlap_ms, turn.reply_ms) == (True, 230, 240, 240, 300)


def test_a_barge_in_that_is_not_heeded_has_an_overlap_only() -> None:
    turn = measure_call(call(bot_speech=[Span(0, 5800)], turns=[said(5000, 6000)])).turns[0]
    assert (turn.barge_in, turn.clear_ms, turn.stop_ms, turn.overlap_ms) == (True, None, None, 800)


def test_a_clear_of_another_turn_is_not_this_ones() -> None:
    turn = measure_call(call(bot_speech=[Span(0, 5800)], turns=[said(5000, 6000)], clears_ms=[400, 9000])).turns[0]
    assert turn.clear_ms is None


def test_keys_are_no_barge_in() -> None:
    turn = measure_call(call(bot_speech=[Span(0, 5800)], turns=[said(5000, 5000, TurnKind.KEYS)])).turns[0]
    assert not turn.barge_in


@pytest.mark.parametrize(
    ("gap", "audible"),
    [
        (Gap(500, 60), True),
        (Gap(500, 20), False),
        (Gap(500, 20.5), True),
        (Gap(1500, 60), False),
        (Gap(980, 400), False),
    ],
)
def test_only_gaps_within_speech_are_audible(gap: Gap, audible: bool) -> None:
    metrics = measure_call(call(bot_speech=[Span(0, 1000)], gaps=[gap]))
    assert bool(metrics.gaps_ms) is audible
    assert metrics.late_ms == [gap.duration_ms]


def test_messages_within_the_clocks_grain_are_in_time() -> None:
    metrics = measure_call(call(gaps=[Gap(100, 0.9), Gap(200, 1.1)]))
    assert metrics.late_ms == [1.1]


def test_a_run_adds_up() -> None:
    first = call(
        bot_speech=[Span(0, 5240), Span(6300, 7000)],
        turns=[said(5000, 6000)],
        clears_ms=[5230],
        audio_messages=100,
        lag_ms=[0.0, 3.0],
        ended_by_far_end=True,
        unplayed_ms=40.0,
    )
    second = call(
        index=1, bot_speech=[Span(0, 900), Span(2700, 4000)], turns=[said(2000, 3000)], audio_messages=50, lag_ms=[1.0]
    )
    third = call(index=2, setup_ms=None, turns=[said(2000, 2600, TurnKind.KEYS)], bot_speech=[Span(3000, 4000)])
    run = measure_run([first, second, third])
    assert run.setup_ms.values == (30, 30)
    assert run.voice_to_voice_ms.values == (300,)
    assert run.keys_to_voice_ms.values == (400,)
    assert run.barge_in_clear_ms.values == (230,)
    assert run.barge_in_stop_ms.values == (240,)
    assert (run.barge_ins, run.barge_ins_ignored, run.answered_early, run.audio_messages) == (1, 0, 1, 150)
    assert run.lag_ms.values == (0, 1, 3)
    assert run.unplayed_ms.values == (40,)


def test_percentiles_are_values_that_occurred() -> None:
    values = Distribution.of([None, *range(100, 0, -1)])
    assert [values.percentile(percent) for percent in (50, 90, 95, 99, 100)] == [50, 90, 95, 99, 100]
    assert values.mean == 50.5


def test_nothing_has_no_percentile() -> None:
    empty = Distribution.of([None])
    assert empty.percentile(50) is None
    assert empty.mean is None


@given(values=st.lists(st.floats(0, 1e6), min_size=1, max_size=50), percent=st.floats(1, 100))
def test_a_percentile_covers_its_share(values: list[float], percent: float) -> None:
    found = Distribution.of(values).percentile(percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-6
