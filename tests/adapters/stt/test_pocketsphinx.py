import asyncio
import gc
import time

import numpy as np
import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from adapters.stt.frames import SpeechNotUnderstoodFrame
from adapters.stt.pocketsphinx import TTFS_P99_S, PocketsphinxSTTService
from adapters.tts.espeak import synthesize
from models.errors import InvalidField
from tests.standins.pipeline import Pipe, piped

PHRASES = ("What are your opening hours?", "I would like to make an appointment.", "Goodbye!")
HOURS, APPOINTMENT = "what are your opening hours", "i would like to make an appointment"
STEP_S = 0.02


def spoken(text: str, rate_hz: int = 16_000) -> bytes:
    return (np.frombuffer(synthesize(text, "en-us", rate_hz), dtype="<i2") * 0.35).astype("<i2").tobytes()


def audio(pcm: bytes, rate_hz: int = 16_000) -> list[Frame]:
    step = int(rate_hz * STEP_S) * 2
    return [InputAudioRawFrame(pcm[start : start + step], rate_hz, 1) for start in range(0, len(pcm), step)]


def silence(duration_s: float, rate_hz: int = 16_000) -> list[Frame]:
    return audio(bytes(int(duration_s * rate_hz) * 2), rate_hz)


def utterance(pcm: bytes, rate_hz: int = 16_000) -> list[Frame]:
    """Silence, speech and silence, with the VAD's word for it 0.2 s after each change."""
    late = int(0.2 * rate_hz) * 2
    return [
        *silence(1.0, rate_hz),
        *audio(pcm[:late], rate_hz),
        VADUserStartedSpeakingFrame(start_secs=0.2),
        *audio(pcm[late:], rate_hz),
        *silence(0.2, rate_hz),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
    ]


def outcomes(pipe: Pipe) -> list[str]:
    """Final texts in order, '' for speech that was not understood."""
    kinds = (TranscriptionFrame, SpeechNotUnderstoodFrame)
    return [getattr(frame, "text", "") for frame in pipe.down.frames if isinstance(frame, kinds)]


async def hear(pipe: Pipe, pcm: bytes, count: int = 1, rate_hz: int = 16_000) -> list[str]:
    await pipe.send(*utterance(pcm, rate_hz))
    await pipe.down.until(lambda: len(outcomes(pipe)) >= count)
    return outcomes(pipe)


@pytest.mark.parametrize("rate_hz", [16_000, 8000, 24_000])
async def test_understands_from_the_first_syllable(rate_hz: int) -> None:
    async with piped(PocketsphinxSTTService(phrases=PHRASES), rate_hz) as pipe:
        assert await hear(pipe, spoken(HOURS, rate_hz), rate_hz=rate_hz) == [HOURS]
        (final,) = pipe.down.of(TranscriptionFrame)
        assert final.finalized
        assert not pipe.up.of(ErrorFrame)


async def test_a_first_word_before_a_late_confirmation_is_heard() -> None:
    pcm = spoken(APPOINTMENT)
    late = int(0.7 * 16_000) * 2
    async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
        await pipe.send(*silence(1.0), *audio(pcm[:late]), VADUserStartedSpeakingFrame(start_secs=0.2))
        await pipe.send(*audio(pcm[late:]), *silence(0.2), VADUserStoppedSpeakingFrame(stop_secs=0.2))
        await pipe.down.until(lambda: len(outcomes(pipe)) == 1)
        assert outcomes(pipe) == [APPOINTMENT]


async def test_shows_the_phrase_as_it_grows() -> None:
    async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
        await hear(pipe, spoken(APPOINTMENT))
        interims = [frame.text for frame in pipe.down.of(InterimTranscriptionFrame)]
        assert interims
        assert len(set(interims)) == len(interims)
        assert all(" " in text for text in interims)
        assert APPOINTMENT.startswith(interims[-1])


async def test_other_speech_is_reported_at_once_and_gives_no_text() -> None:
    pcm = spoken("the quick brown fox jumps over the lazy dog")
    async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
        assert await hear(pipe, pcm) == [""]
        (frame,) = pipe.down.of(SpeechNotUnderstoodFrame)
        assert frame.duration_s == pytest.approx(len(pcm) / 32_000 + 0.2 + 0.3, abs=0.05)
        assert not pipe.down.of(TranscriptionFrame)


async def test_noise_is_reported_like_other_speech() -> None:
    noise = np.random.default_rng(3).normal(0, 2000, 24_000).astype("<i2").tobytes()
    async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
        assert await hear(pipe, noise) == [""]


async def test_outcomes_come_in_the_order_of_speech() -> None:
    async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
        await pipe.send(*utterance(spoken(HOURS)), *utterance(spoken("how old is the president")))
        assert await hear(pipe, spoken(APPOINTMENT), 3) == [HOURS, "", APPOINTMENT]


async def test_two_calls_are_heard_at_once() -> None:
    async with (
        piped(PocketsphinxSTTService(phrases=PHRASES)) as one,
        piped(PocketsphinxSTTService(phrases=PHRASES), 8000) as other,
    ):
        heard = await asyncio.gather(hear(one, spoken(HOURS)), hear(other, spoken(APPOINTMENT, 8000), rate_hz=8000))
        assert heard == [[HOURS], [APPOINTMENT]]


async def test_a_start_without_a_stop_ends_the_speech_before_it() -> None:
    async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
        await pipe.send(*utterance(spoken(HOURS))[:-1], VADUserStartedSpeakingFrame(start_secs=0.2))
        await pipe.down.until(lambda: len(outcomes(pipe)) == 1)
        assert outcomes(pipe) == [HOURS]


async def test_endless_speech_is_cut() -> None:
    async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
        tenth = InputAudioRawFrame(bytes(3200), 16_000, 1)
        await pipe.send(VADUserStartedSpeakingFrame(), *[tenth] * 400, VADUserStoppedSpeakingFrame(stop_secs=0.2))
        (frame,) = await pipe.down.wait(SpeechNotUnderstoodFrame)
        assert frame.duration_s == 30


async def test_a_call_that_ends_while_the_caller_speaks_gives_its_decoder_back() -> None:
    for _ in range(3):
        async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
            await pipe.send(*utterance(spoken(APPOINTMENT))[:-1])
            await pipe.down.wait(InterimTranscriptionFrame)
    async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
        assert await hear(pipe, spoken(HOURS)) == [HOURS]


async def test_passes_audio_on_only_when_asked() -> None:
    for passthrough in (False, True):
        async with piped(PocketsphinxSTTService(phrases=PHRASES, audio_passthrough=passthrough)) as pipe:
            await pipe.send(*silence(0.1), VADUserStoppedSpeakingFrame())
            await pipe.down.wait(VADUserStoppedSpeakingFrame)
            assert bool(pipe.down.of(InputAudioRawFrame)) is passthrough


async def test_announces_a_latency_that_it_keeps() -> None:
    async with piped(PocketsphinxSTTService(phrases=PHRASES)) as pipe:
        (metadata,) = await pipe.down.wait(STTMetadataFrame)
        assert metadata.ttfs_p99_latency == TTFS_P99_S
        frames = utterance(spoken(HOURS))
        await pipe.send(*frames[:-1])
        # The decoder is level with the speech when the VAD stops, as it is in a call.
        await pipe.down.until(lambda: any(f.text == HOURS for f in pipe.down.of(InterimTranscriptionFrame)))
        gc.collect()
        stopped_s = time.perf_counter()
        await pipe.send(frames[-1])
        await pipe.down.wait(TranscriptionFrame)
        assert time.perf_counter() - stopped_s < TTFS_P99_S


def test_refuses_phrases_that_nobody_could_recognise() -> None:
    with pytest.raises(InvalidField) as error:
        PocketsphinxSTTService(phrases=["4711"])
    assert error.value.field == "phrases"
    with pytest.raises(InvalidField):
        PocketsphinxSTTService(phrases="goodbye")
