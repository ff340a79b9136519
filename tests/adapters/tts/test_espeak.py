import asyncio
from itertools import pairwise

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
)
from pipecat.services.settings import TTSSettings

from adapters.tts.espeak import EspeakTTSService, list_voices, synthesize, synthesize_async
from models.errors import InvalidField
from tests.standins.pipeline import Pipe, piped

FIRST, SECOND = "Your number is 4711.", "Is there anything else?"


def seconds(pipe: Pipe) -> float:
    return sum(len(frame.audio) / 2 / frame.sample_rate for frame in pipe.down.of(TTSAudioRawFrame))


async def test_both_forms_of_synthesize() -> None:
    said = await synthesize_async("hello there", "en-gb", 8000)
    assert len(said) == pytest.approx(len(synthesize("hello there", "en-gb", 8000)), rel=0.05)
    assert len(synthesize("hello there", rate_wpm=100)) > len(synthesize("hello there", rate_wpm=250))
    with pytest.raises(InvalidField):
        await synthesize_async("hello", "nobody")
    assert "en-us" in list_voices()


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
async def test_speaks_at_the_rate_of_the_call(rate_hz: int) -> None:
    async with piped(EspeakTTSService(), rate_hz) as pipe:
        await pipe.send(TTSSpeakFrame(FIRST))
        await pipe.down.wait(TTSStoppedFrame)
        assert {frame.sample_rate for frame in pipe.down.of(TTSAudioRawFrame)} == {rate_hz}
        assert seconds(pipe) == pytest.approx(len(synthesize(FIRST, sample_rate_hz=16_000)) / 32_000, rel=0.05)
        assert all(len(frame.audio) <= rate_hz // 10 * 2 for frame in pipe.down.of(TTSAudioRawFrame))


async def test_word_times_run_on_over_the_sentences_of_a_turn() -> None:
    async with piped(EspeakTTSService()) as pipe:
        await pipe.send(LLMFullResponseStartFrame())
        await pipe.send(*(LLMTextFrame(f"{word} ") for word in f"{FIRST} {SECOND}".split()))
        await pipe.send(LLMFullResponseEndFrame())
        await pipe.down.wait(TTSStoppedFrame)
        words = pipe.down.of(TTSTextFrame)
        assert " ".join(frame.text for frame in words) == f"{FIRST} {SECOND}"
        assert len(pipe.down.of(TTSStartedFrame)) == 1
        times = [frame.pts for frame in words]
        assert all(time is not None for time in times)
        assert all(later > earlier for earlier, later in pairwise(time or 0 for time in times))
        last_s = ((times[-1] or 0) - (times[0] or 0)) / 1e9
        assert seconds(pipe) - 1.0 < last_s < seconds(pipe)


async def test_each_turn_has_its_own_times() -> None:
    async with piped(EspeakTTSService()) as pipe:
        await pipe.send(TTSSpeakFrame(SECOND))
        await pipe.down.wait(TTSStoppedFrame)
        await pipe.send(TTSSpeakFrame(SECOND))
        await pipe.down.wait(TTSStoppedFrame, 2)
        times = [frame.pts or 0 for frame in pipe.down.of(TTSTextFrame)]
        half = len(times) // 2
        assert times[-1] - times[half] == pytest.approx(times[half - 1] - times[0], abs=60e6)


async def test_words_come_with_their_audio() -> None:
    async with piped(EspeakTTSService()) as pipe:
        await pipe.send(TTSSpeakFrame(FIRST))
        await pipe.down.wait(TTSStoppedFrame)
        kinds = [type(frame) for frame in pipe.down.frames if isinstance(frame, (TTSTextFrame, TTSAudioRawFrame))]
        last_word = len(kinds) - 1 - kinds[::-1].index(TTSTextFrame)
        assert 5 < kinds[:last_word].count(TTSAudioRawFrame) < kinds.count(TTSAudioRawFrame) - 5


async def test_an_interruption_stops_the_speech() -> None:
    async with piped(EspeakTTSService()) as pipe:
        await pipe.send(LLMFullResponseStartFrame(), *(LLMTextFrame(f"Sentence number {n}. ") for n in range(60)))
        await pipe.down.wait(TTSAudioRawFrame)
        await pipe.send(InterruptionFrame())
        await pipe.down.wait(InterruptionFrame)
        before_s = seconds(pipe)
        await pipe.send(TTSSpeakFrame(SECOND))
        await pipe.down.wait(TTSStoppedFrame)
        assert seconds(pipe) - before_s == pytest.approx(len(synthesize(SECOND)) / 32_000, rel=0.15)


async def test_an_unknown_voice_is_an_error_and_not_a_crash() -> None:
    service = EspeakTTSService(voice="nobody")
    async with piped(service) as pipe:
        await pipe.send(TTSSpeakFrame(FIRST))
        (error,) = await pipe.up.wait(ErrorFrame)
        assert isinstance(error.exception, InvalidField)
        await pipe.down.wait(TTSStoppedFrame)
        assert not service.is_usable
        delta = TTSSettings(voice="en-gb")
        await pipe.send(TTSUpdateSettingsFrame(delta=delta), TTSSpeakFrame(FIRST))
        await pipe.down.wait(TTSAudioRawFrame)


async def test_settings_win_over_the_argument() -> None:
    service = EspeakTTSService(voice="en-us", settings=TTSSettings(voice="de"))
    assert service.settings.given_fields()["voice"] == "de"


async def test_the_event_loop_stays_free() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await synthesize_async("This is a rather long sentence, spoken off the event loop. " * 20)
    ticking.cancel()
    assert ticks > 100
