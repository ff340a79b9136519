from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.audio.vad.silero import SileroVADAnalyzer

from pipelines.vad.silero import MAX_BATCH, SileroSession, SileroState
from tests.pipelines import sounds

RATES = [8_000, 16_000]


@pytest.fixture(scope="module")
def session() -> SileroSession:
    return SileroSession()


def windows(pcm: bytes, state: SileroState) -> list[bytes]:
    chunks = sounds.cut(pcm, [state.window_samples])
    return [chunk for chunk in chunks if len(chunk) == state.window_samples * 2]


def scores(session: SileroSession, state: SileroState, pcm: bytes, *, quiet: bool = True) -> list[float]:
    return [next_score(session, state, window, quiet=quiet) for window in windows(pcm, state)]


def next_score(session: SileroSession, state: SileroState, window: bytes, *, quiet: bool = True) -> float:
    (confidence,) = session.score([state], [window])
    state.scored(confidence, quiet=quiet)
    return confidence


def alone_and_together(session: SileroSession, rate_hz: int, calls: Sequence[bytes]) -> None:
    alone = [scores(session, SileroState(rate_hz), pcm) for pcm in calls]
    states = [SileroState(rate_hz) for _ in calls]
    together: list[list[float]] = [[] for _ in calls]
    for batch in zip(*(windows(pcm, state) for pcm, state in zip(calls, states, strict=True)), strict=False):
        for index, confidence in enumerate(session.score(states, batch)):
            states[index].scored(confidence, quiet=True)
            together[index].append(confidence)
    assert [row[: len(other)] for row, other in zip(alone, together, strict=True)] == together
    assert len(together[0]) > 10


@pytest.mark.parametrize("rate_hz", RATES)
async def test_scores_equal_pipecats(session: SileroSession, rate_hz: int) -> None:
    analyzer = SileroVADAnalyzer(sample_rate=rate_hz)
    analyzer.set_sample_rate(rate_hz)
    state, pcm = SileroState(rate_hz), sounds.call(rate_hz)
    ours = scores(session, state, pcm)
    # An analyzer that never runs its own state machine stays quiet, so it resets whenever that is due.
    theirs = [float(np.asarray(analyzer.voice_confidence(window)).item()) for window in windows(pcm, state)]
    await analyzer.cleanup()
    assert ours == theirs
    assert min(ours) < 0.05
    assert max(ours) > 0.95


@pytest.mark.parametrize(("rate_hz", "window_samples"), [(8_000, 256), (16_000, 512)])
def test_windows(session: SileroSession, rate_hz: int, window_samples: int) -> None:
    state = SileroState(rate_hz)
    assert (state.sample_rate_hz, state.window_samples) == (rate_hz, window_samples)
    assert 0.0 <= next_score(session, state, bytes(window_samples * 2)) <= 1.0


@pytest.mark.parametrize("rate_hz", [0, 8_001, 22_050, 48_000])
def test_no_other_rates(rate_hz: int) -> None:
    with pytest.raises(ValueError, match="8000 or 16000"):
        SileroState(rate_hz)


@pytest.mark.parametrize("rate_hz", RATES)
def test_calls_scored_together_do_not_hear_each_other(session: SileroSession, rate_hz: int) -> None:
    pcm = sounds.call(rate_hz)
    alone_and_together(session, rate_hz, [pcm[2_000 * index :] for index in range(7)])


def test_the_largest_batch(session: SileroSession) -> None:
    talk = sounds.speech(8_000).tobytes()
    alone_and_together(session, 8_000, [talk[index * 64 :] for index in range(MAX_BATCH)])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_it_does_not_matter_who_is_in_a_batch(session: SileroSession, sizes: list[int]) -> None:
    talk = sounds.speech(8_000).tobytes()
    state, others = SileroState(8_000), [SileroState(8_000) for _ in range(4)]
    mine = windows(talk, state)
    expected = scores(session, SileroState(8_000), talk)
    for index, size in enumerate(sizes):
        noise = [mine[(index * 7 + number) % len(mine)] for number in range(size - 1)]
        row = index % size
        states, batch = others[: size - 1], list(noise)
        states.insert(row, state)
        batch.insert(row, mine[index])
        confidence = session.score(states, batch)[row]
        state.scored(confidence, quiet=True)
        assert confidence == expected[index]


def test_no_reset_while_the_caller_speaks(session: SileroSession) -> None:
    """A reset is due after two seconds, and waits until the caller is quiet."""
    rate_hz = 8_000
    pcm = sounds.pink_noise(rate_hz, 3.0).tobytes()
    quiet = scores(session, SileroState(rate_hz), pcm, quiet=True)
    busy = scores(session, SileroState(rate_hz), pcm, quiet=False)
    due = 63  # 2 s of windows of 32 ms
    assert quiet[:due] == busy[:due]
    assert quiet[due:] != busy[due:]
