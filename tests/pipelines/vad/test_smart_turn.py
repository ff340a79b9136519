import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.metrics.metrics import TurnMetricsData

from pipelines.vad.smart_turn import SmartTurnEngine, TurnAudio
from tests.pipelines import sounds


@pytest.fixture
async def engine() -> AsyncIterator[SmartTurnEngine]:
    """The leak check of `tests.support.leaks` sees to it that closing ends the thread."""
    engine = SmartTurnEngine()
    yield engine
    await engine.aclose()


async def pipecats_probability(pcm: bytes, rate_hz: int) -> float:
    analyzer = LocalSmartTurnAnalyzerV3(cpu_count=1)
    analyzer.set_sample_rate(rate_hz)
    for chunk in sounds.cut(pcm, [rate_hz // 50]):
        analyzer.append_audio(chunk, is_speech=True)
    _, metrics = await analyzer.analyze_end_of_turn()
    await analyzer.cleanup()
    assert isinstance(metrics, TurnMetricsData)
    return metrics.probability


def turn(rate_hz: int, text: str) -> bytes:
    return sounds.speech(rate_hz, text).tobytes() + sounds.silence(rate_hz, 0.2).tobytes()


async def test_probabilities_equal_pipecats_also_side_by_side(engine: SmartTurnEngine) -> None:
    long = b"".join(turn(8_000, sounds.PHRASE) for _ in range(4))
    assert len(long) > 8.0 * 8_000 * 2
    asked = [(turn(16_000, sounds.PHRASE), 16_000), (turn(8_000, sounds.PAUSE), 8_000), (long, 8_000)]
    expected = [await pipecats_probability(pcm, rate_hz) for pcm, rate_hz in asked]
    assert len(set(expected)) == 3
    together = await asyncio.gather(*(engine.finished(pcm, rate_hz) for pcm, rate_hz in asked))
    assert together == expected
    # And the first one again, after the others.
    assert await engine.finished(*asked[0]) == expected[0]


async def test_a_call_that_ends_while_it_is_asked_does_not_disturb_the_next(engine: SmartTurnEngine) -> None:
    unwanted = asyncio.ensure_future(engine.finished(turn(16_000, sounds.PHRASE), 16_000))
    waiting = asyncio.ensure_future(engine.finished(turn(16_000, sounds.PAUSE), 16_000))
    await asyncio.sleep(0)
    unwanted.cancel()
    waiting.cancel()
    pcm = turn(8_000, sounds.PAUSE)
    assert await engine.finished(pcm, 8_000) == await pipecats_probability(pcm, 8_000)
    assert unwanted.cancelled()
    assert waiting.cancelled()


async def test_questions_are_answered_in_the_order_in_which_they_were_asked(engine: SmartTurnEngine) -> None:
    answered: list[int] = []

    async def ask(number: int) -> None:
        await engine.finished(turn(8_000, sounds.PAUSE), 8_000)
        answered.append(number)

    asked = [asyncio.ensure_future(ask(number)) for number in range(4)]
    await asyncio.sleep(0)
    assert engine.waiting >= 3
    asked[2].cancel()
    await asyncio.wait(asked)
    assert answered == [0, 1, 3]
    # What nobody wants to know any more does not take the model's time.
    assert (engine.load.inferences, engine.load.dropped, engine.waiting) == (3, 1, 0)
    assert engine.busy.total_s > 0


async def test_a_call_that_ends_while_its_question_is_answered_is_dropped(engine: SmartTurnEngine) -> None:
    asked = asyncio.ensure_future(engine.finished(turn(8_000, sounds.PAUSE), 8_000))
    while engine.waiting or not engine.load.inferences:
        await asyncio.sleep(0)
        if not engine.waiting:
            asked.cancel()
            break
    await engine.finished(b"", 8_000)
    assert asked.cancelled()
    assert engine.load.dropped == 1


async def test_a_failure_is_told_to_whoever_asked_and_to_nobody_else(engine: SmartTurnEngine) -> None:
    with pytest.raises(ValueError):
        await engine.finished(b"123", 8_000)
    assert 0.0 <= await engine.finished(turn(8_000, sounds.PAUSE), 8_000) <= 1.0


async def test_questions_open_at_the_end_are_cancelled() -> None:
    engine = SmartTurnEngine()
    asked = [asyncio.ensure_future(engine.finished(turn(8_000, sounds.PAUSE), 8_000)) for _ in range(3)]
    await asyncio.sleep(0)
    await engine.aclose()
    await asyncio.wait(asked)
    assert sum(it.cancelled() for it in asked) >= 2


async def test_no_audio_is_finished(engine: SmartTurnEngine) -> None:
    assert await engine.finished(b"", 8_000) == 1.0


async def test_the_event_loop_goes_on_meanwhile(engine: SmartTurnEngine) -> None:
    inference = asyncio.ensure_future(engine.finished(turn(8_000, sounds.PHRASE), 8_000))
    turns = 0
    while not inference.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 5
    assert 0.0 <= inference.result() <= 1.0


# The audio of a turn. At 1000 Hz a millisecond is one sample, two bytes.


def numbered(first_ms: int, count_ms: int) -> bytes:
    return b"".join((number % 30_000).to_bytes(2, "little") for number in range(first_ms, first_ms + count_ms))


def test_what_came_shortly_before_the_speech_is_kept() -> None:
    audio = TurnAudio(1_000, start_secs=0.2)
    audio.append(numbered(0, 5_000))
    audio.append(numbered(5_000, 600))
    audio.append(numbered(5_600, 100))
    assert audio.take() == numbered(5_000, 700)
    audio.speech_started()
    audio.append(numbered(5_700, 3_000))
    assert audio.take() == numbered(5_000, 3_700)


def test_the_last_eight_seconds_at_most() -> None:
    audio = TurnAudio(1_000, start_secs=0.0)
    audio.speech_started()
    for first_ms in range(0, 20_000, 30):
        audio.append(numbered(first_ms, 30))
    assert audio.take() == numbered(12_010, 8_000)


def test_silence_that_is_still_to_come() -> None:
    audio = TurnAudio(1_000, start_secs=0.0)
    audio.speech_started()
    audio.append(numbered(0, 400))
    assert audio.take(0.1) == numbered(0, 400) + bytes(200)
    audio.append(numbered(400, 7_600))
    assert audio.take(0.1) == numbered(100, 7_900) + bytes(200)


def test_a_turn_that_ended_is_forgotten() -> None:
    audio = TurnAudio(1_000, start_secs=0.0)
    audio.speech_started()
    for first_ms in range(0, 4_000, 20):
        audio.append(numbered(first_ms, 20))
    assert audio.take() == numbered(0, 4_000)
    audio.turn_ended()
    audio.append(numbered(4_000, 20))
    assert audio.take() == numbered(3_520, 500)


@given(
    st.lists(
        st.tuples(st.integers(0, 3_000), st.sampled_from(["", "", "", "started", "ended"])), min_size=1, max_size=40
    )
)
def test_what_is_kept_is_the_newest_audio(steps: list[tuple[int, str]]) -> None:
    audio, position_ms, in_turn = TurnAudio(1_000, start_secs=0.2), 0, False
    kept_ms = 0
    for length_ms, event in steps:
        audio.append(numbered(position_ms, length_ms))
        position_ms += length_ms
        taken = audio.take()
        held_ms = len(taken) // 2
        assert taken == numbered(position_ms - held_ms, held_ms)
        assert held_ms <= 8_000
        # Enough is kept, and while nobody speaks no more than that and one chunk.
        limit_ms = 8_000 if in_turn else 700
        assert held_ms >= min(kept_ms + length_ms, limit_ms)
        if not in_turn:
            assert held_ms <= 700 + 3_000
        kept_ms = held_ms
        if event:
            in_turn = event == "started"
            audio.speech_started() if in_turn else audio.turn_ended()
