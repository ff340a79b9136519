import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.audio.utils import exp_smoothing
from pipecat.audio.volume import AudioVolumeTracker

from pipelines.vad.loudness import LoudnessGate
from tests.pipelines import sounds


def pipecats(windows: list[bytes], rate_hz: int) -> list[float]:
    """The smoothed loudness after each window, as Pipecat's analyzer has it."""
    tracker, smoothed, readings = AudioVolumeTracker(), 0.0, []  # type: ignore[no-untyped-call]
    for window in windows:
        tracker.update(window, rate_hz)
        smoothed = exp_smoothing(tracker.volume, smoothed, 0.2)
        readings.append(smoothed)
    return readings


def windows_of(pcm: bytes, rate_hz: int) -> list[bytes]:
    samples = rate_hz * 32 // 1000
    return [window for window in sounds.cut(pcm, [samples]) if len(window) == samples * 2]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
@pytest.mark.parametrize("every", [1, 7, 90])
def test_verdicts_equal_pipecats_however_seldom_they_are_asked_for(rate_hz: int, every: int) -> None:
    windows = windows_of(sounds.call(rate_hz), rate_hz)
    gate = LoudnessGate(rate_hz, rate_hz * 32 // 1000)
    verdicts = []
    for number, (window, smoothed) in enumerate(zip(windows, pipecats(windows, rate_hz), strict=True)):
        gate.push(window)
        if number % every == 0:
            for threshold in (0.0, 0.3, 0.6, 0.75, 0.9, 1.0):
                assert gate.at_least(threshold) == (smoothed >= threshold), (number, threshold, smoothed)
                verdicts.append(gate.at_least(threshold))
    assert len(set(verdicts)) == 2


PIECES = [
    sounds.white_noise(8_000, 0.32, level=0.1).tobytes(),
    sounds.white_noise(8_000, 0.32, level=0.004).tobytes(),
    bytes(5_120),
]


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=12),
    st.lists(st.booleans(), min_size=1, max_size=30),
    st.floats(0.0, 1.0),
)
def test_verdicts_equal_pipecats(pieces: list[bytes], asked: list[bool], threshold: float) -> None:
    windows = windows_of(b"".join(pieces), 8_000)
    gate = LoudnessGate(8_000, 256)
    for window, smoothed, ask in zip(windows, pipecats(windows, 8_000), itertools.cycle(asked), strict=False):
        gate.push(window)
        if ask and abs(smoothed - threshold) > 1e-5:
            assert gate.at_least(threshold) == (smoothed >= threshold)


def test_it_keeps_no_more_than_it_needs() -> None:
    gate = LoudnessGate(8_000, 256)
    for window in windows_of(sounds.white_noise(8_000, 60.0).tobytes(), 8_000):
        gate.push(window)
        gate.at_least(0.6)
    kept = sum(len(value) for value in vars(gate).values() if isinstance(value, (bytearray, dict)))
    # Twice the windows that count and the block before them.
    assert kept <= 2 * (3_200 * 2 + 64 * 512) + 2 * 64
