import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.stt.telephone_band import GAIN, RATE_HZ, TelephoneBand

Samples = npt.NDArray[np.float64]
LENGTH = RATE_HZ // 2


def tone(frequency_hz: int, amplitude: float = 4000) -> npt.NDArray[np.int16]:
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(LENGTH) / RATE_HZ)).astype(np.int16)


def level(samples: Samples, from_hz: int, to_hz: int) -> float:
    """Root mean square of what lies between two frequencies, without the first tenth of a second."""
    settled = samples[RATE_HZ // 10 :]
    spectrum = np.fft.rfft(settled * np.hanning(len(settled)))
    frequencies = np.fft.rfftfreq(len(settled), 1 / RATE_HZ)
    power = np.abs(spectrum[(frequencies >= from_hz) & (frequencies < to_hz)]) ** 2
    return float(np.sqrt(2 * power.sum() / len(settled) / (np.hanning(len(settled)) ** 2).sum()))


def test_what_was_there_stays() -> None:
    speech = tone(3000)
    filled = TelephoneBand().fill(speech)
    assert len(filled) == len(speech)
    assert level(filled - speech, 0, 3600) < 0.02 * level(filled, 2900, 3100)


@pytest.mark.parametrize("amplitude", [500, 4000, 12_000])
def test_the_upper_half_is_as_loud_as_the_consonants_below_it(amplitude: int) -> None:
    speech = tone(3000, amplitude)
    assert level(speech.astype(float), 4000, 8000) < 0.01 * amplitude
    followed = level(speech.astype(float), 2000, 4000)
    assert level(TelephoneBand().fill(speech), 4000, 8000) == pytest.approx(GAIN * followed * 0.7, rel=0.15)


def test_vowels_do_not_hiss() -> None:
    hiss = [level(TelephoneBand().fill(tone(frequency_hz)), 4000, 8000) for frequency_hz in (500, 3000)]
    assert hiss[0] < 0.05 * hiss[1]


def test_silence_stays_silent() -> None:
    assert not TelephoneBand().fill(np.zeros(LENGTH, np.int16)).any()


def test_the_hiss_ends_soon_after_the_consonant() -> None:
    speech = tone(3000)
    speech[LENGTH // 2 :] = 0
    filled = TelephoneBand().fill(speech)
    assert filled[LENGTH // 2 :].any()
    assert np.abs(filled[LENGTH // 2 + RATE_HZ * 3 // 100 :]).max() < 1e-6 * np.abs(filled).max()


@settings(max_examples=40)
@given(st.lists(st.integers(0, LENGTH), max_size=8))
def test_pieces_make_no_difference(cuts: list[int]) -> None:
    speech = tone(2500)
    band = TelephoneBand()
    pieces = [band.fill(piece) for piece in np.split(speech, sorted(cuts))]
    assert np.allclose(np.concatenate(pieces), TelephoneBand().fill(speech), atol=1e-6)


def test_a_long_stream_goes_on() -> None:
    """Longer than the noise that is repeated."""
    band = TelephoneBand()
    for _ in range(10):
        filled = band.fill(tone(3000))
    assert level(filled, 4000, 8000) > 1000
