import numpy as np
import pytest

from pipelines.media.voice_rate import VoiceRate


def tone(rate_hz: int, seconds: float = 1.0) -> bytes:
    wave = np.sin(2 * np.pi * 440 * np.arange(int(rate_hz * seconds)) / rate_hz) * 10_000
    return wave.astype(np.int16).tobytes()


def test_audio_of_the_calls_own_rate_is_left_as_it_is() -> None:
    rate, pcm = VoiceRate(8_000), tone(8_000)
    assert rate.converted(pcm, 8_000) is pcm
    assert rate.rest() == b""


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000, 44_100])
def test_another_rate_is_converted_whole(rate_hz: int) -> None:
    rate, pcm = VoiceRate(8_000), tone(rate_hz)
    pieces = [rate.converted(pcm[at : at + 4_000], rate_hz) for at in range(0, len(pcm), 4_000)]
    samples = np.frombuffer(b"".join([*pieces, rate.rest()]), dtype=np.int16)
    assert abs(len(samples) - 8_000) <= 1
    assert int(np.abs(np.fft.rfft(samples[:8_000], n=8_000)).argmax()) == 440
    # The end came only with the rest.
    assert len(b"".join(pieces)) < samples.nbytes


@pytest.mark.parametrize("ended", [True, False])
def test_answers_do_not_sound_on_in_each_other(ended: bool) -> None:
    alone = VoiceRate(8_000)
    expected = alone.converted(tone(24_000), 24_000) + alone.rest()
    rate = VoiceRate(8_000)
    rate.converted(tone(24_000)[::-1], 24_000)
    if ended:
        assert rate.rest() != b""
    else:
        rate.drop()
    assert rate.converted(tone(24_000), 24_000) + rate.rest() == expected


def test_a_voice_may_change_its_rate() -> None:
    rate = VoiceRate(8_000)
    rate.converted(tone(24_000), 24_000)
    samples = np.frombuffer(rate.converted(tone(16_000), 16_000) + rate.rest(), dtype=np.int16)
    assert abs(len(samples) - 8_000) <= 1
