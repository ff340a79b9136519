import numpy as np
import pytest
from pipecat.audio.vad.silero import SileroVADAnalyzer

from pipelines.silero import SileroSession, SileroStream
from tests.pipelines import sounds

RATES = [8_000, 16_000]


@pytest.fixture(scope="module")
def session() -> SileroSession:
    return SileroSession()


def windows(pcm: bytes, stream: SileroStream) -> list[bytes]:
    chunks = sounds.cut(pcm, [stream.window_samples])
    return [chunk for chunk in chunks if len(chunk) == stream.window_samples * 2]


def scores(stream: SileroStream, pcm: bytes, *, quiet: bool = True) -> list[float]:
    return [stream.score(window, quiet=quiet) for window in windows(pcm, stream)]


@pytest.mark.parametrize("rate_hz", RATES)
async def test_scores_equal_pipecats(session: SileroSession, rate_hz: int) -> None:
    analyzer = SileroVADAnalyzer(sample_rate=rate_hz)
    analyzer.set_sample_rate(rate_hz)
    stream, pcm = SileroStream(rate_hz, session), sounds.call(rate_hz)
    ours = scores(stream, pcm)
    # An analyzer that never runs its own state machine stays quiet, so it resets whenever that is due.
    theirs = [float(np.asarray(analyzer.voice_confidence(window)).item()) for window in windows(pcm, stream)]
    await analyzer.cleanup()
    assert ours == theirs
    assert min(ours) < 0.05
    assert max(ours) > 0.95


@pytest.mark.parametrize(("rate_hz", "window_samples"), [(8_000, 256), (16_000, 512)])
def test_windows(session: SileroSession, rate_hz: int, window_samples: int) -> None:
    stream = SileroStream(rate_hz, session)
    assert (stream.sample_rate_hz, stream.window_samples) == (rate_hz, window_samples)
    assert 0.0 <= stream.score(bytes(window_samples * 2), quiet=True) <= 1.0


@pytest.mark.parametrize("rate_hz", [0, 8_001, 22_050, 48_000])
def test_no_other_rates(session: SileroSession, rate_hz: int) -> None:
    with pytest.raises(ValueError, match="8000 or 16000"):
        SileroStream(rate_hz, session)


def test_calls_on_one_session_do_not_hear_each_other(session: SileroSession) -> None:
    rate_hz = 8_000
    talk = sounds.speech(rate_hz).tobytes()
    noise = sounds.music(rate_hz, len(talk) / 2 / rate_hz).tobytes()
    alone = scores(SileroStream(rate_hz, session), talk)
    one, other = SileroStream(rate_hz, session), SileroStream(rate_hz, session)
    together = []
    for window, noisy in zip(windows(talk, one), windows(noise, other), strict=True):
        other.score(noisy, quiet=True)
        together.append(one.score(window, quiet=True))
    assert together == alone


def test_no_reset_while_the_caller_speaks(session: SileroSession) -> None:
    """A reset is due after two seconds, and waits until the caller is quiet."""
    rate_hz = 8_000
    pcm = sounds.pink_noise(rate_hz, 3.0).tobytes()
    quiet = scores(SileroStream(rate_hz, session), pcm, quiet=True)
    busy = scores(SileroStream(rate_hz, session), pcm, quiet=False)
    due = 63  # 2 s of windows of 32 ms
    assert quiet[:due] == busy[:due]
    assert quiet[due:] != busy[due:]
