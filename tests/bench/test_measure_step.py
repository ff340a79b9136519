import pytest

from bench.measure_step import figures_of
from runtime.replay.record import Failure, FailureKind, Tracks
from tests.bench.records import record, run

TURNS = [(1_000.0, 2_000.0), (6_000.0, 7_000.0), (11_000.0, 12_000.0)]
ANSWERS = [(2_900.0, 4_000.0), (7_300.0, 8_000.0), (12_400.0, 13_000.0)]


async def test_only_turns_while_all_calls_are_up_count() -> None:
    first = record(turns=TURNS, speech=ANSWERS, ended_ms=14_000)
    second = record(turns=TURNS, speech=ANSWERS, offset_ms=3_000, ended_ms=14_000)
    taken = await figures_of(run(first, second), steady_from_ms=5_000)
    # Second and third of the first call; of the other its second, since its third ends when the first call is over.
    assert taken.step.turns == 3
    assert (taken.step.calls, taken.step.failed, taken.remarks) == (2, 0, [])
    assert taken.step.v2v_p50_ms == pytest.approx(300.0)
    assert taken.step.v2v_p95_ms == pytest.approx(400.0)


async def test_late_audio_and_failed_calls_are_counted() -> None:
    good = record(turns=TURNS, speech=ANSWERS, gaps=[(7_400, 30), (7_600, 5)], ended_ms=14_000)
    failed = record(ended_ms=100)
    failed.failure = Failure(FailureKind.CLOSED_EARLY)
    step = (await figures_of(run(good, failed), steady_from_ms=0)).step
    assert step.failed == 1
    assert step.turns == 3
    assert step.late_pct == pytest.approx(0.5)
    assert step.lateness_p99_ms == pytest.approx(35.0)
    assert step.lateness_p50_ms == pytest.approx(0.0)


async def test_an_answer_before_the_caller_had_finished_is_a_remark_and_no_latency() -> None:
    early = record(turns=TURNS[:1], speech=[(1_500, 4_000)], ended_ms=14_000)
    taken = await figures_of(run(early), steady_from_ms=0)
    assert (taken.step.turns, taken.step.v2v_p50_ms) == (0, None)
    assert "1 turns were answered before" in taken.remarks[0]


async def test_only_calls_with_their_audio_are_judged_by_the_vad() -> None:
    silent = record(turns=TURNS, speech=ANSWERS, ended_ms=14_000)
    silent.tracks = Tracks(8_000, caller=bytearray(16_000))
    assert (await figures_of(run(silent), steady_from_ms=0)).step.beyond_vad_p50_ms is None


async def test_a_run_in_which_everything_failed_has_no_figures() -> None:
    step = (await figures_of(run(), steady_from_ms=0)).step
    assert (step.calls, step.turns, step.v2v_p95_ms, step.late_pct) == (0, 0, None, None)
