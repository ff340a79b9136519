"""What every voice owes the call, with a vendor whose every step is written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from adapters.tts.voice import Voice
from tests.adapters.tts.contract import model_says, spoken_text
from tests.standins.pipeline import Pipe, piped

RATE_HZ = 8000
QUIET_S = 3.0
AUDIO = bytes(RATE_HZ // 5)
"""A tenth of a second."""

Step = bytes | Exception | float
"""Audio, something that the vendor's SDK raises, or seconds of silence."""


class _Plain(TTSService):
    """A vendor that speaks each text by the next of its scripts, and then the last one again."""

    def __init__(self, *, scripts: list[list[Step]]) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=QUIET_S,
            sample_rate=RATE_HZ,
            settings=TTSSettings(model=None, voice=None, language=None),
        )
        self._scripts = scripts

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        del text
        for step in self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]:
            match step:
                case bytes():
                    yield TTSAudioRawFrame(step, RATE_HZ, 1, context_id=context_id)
                case Exception():
                    yield ErrorFrame("the vendor failed", exception=step)
                case _:
                    await asyncio.sleep(step)


class Scripted(Voice, _Plain): ...


class TimesWords(Voice, _Plain):
    times_words = True


def refused(status: int) -> Exception:
    return InvalidStatus(Response(status, "", Headers()))


def pairs(pipe: Pipe) -> list[type[Frame]]:
    return [type(frame) for frame in pipe.down.frames if isinstance(frame, TTSStartedFrame | TTSStoppedFrame)]


pytestmark = pytest.mark.virtual_time


async def test_what_goes_well_is_left_alone() -> None:
    async with piped(Scripted(scripts=[[AUDIO, AUDIO]]), RATE_HZ) as pipe:
        await model_says(pipe, "One two.")
        await pipe.down.wait(TTSStoppedFrame)
        assert spoken_text(pipe) == "One two."
        assert len(pipe.down.of(TTSAudioRawFrame)) == 2
        assert pairs(pipe) == [TTSStartedFrame, TTSStoppedFrame]
        assert not pipe.up.of(ErrorFrame)


@pytest.mark.parametrize(
    ("status", "category", "usable"),
    [
        (401, ErrorCategory.AUTHENTICATION, False),
        (403, ErrorCategory.AUTHORIZATION, False),
        (429, ErrorCategory.RATE_LIMIT, True),
        (503, ErrorCategory.SERVER, True),
    ],
)
async def test_a_text_that_cannot_be_spoken_ends_at_once(status: int, category: ErrorCategory, usable: bool) -> None:
    tts = Scripted(scripts=[[refused(status)]])
    async with piped(tts, RATE_HZ) as pipe:
        began_s = asyncio.get_running_loop().time()
        await model_says(pipe, "One two.")
        await pipe.down.wait(LLMFullResponseEndFrame)
        error, *others = await pipe.up.wait(ErrorFrame)
        assert (error.category, tts.is_usable) == (category, usable)
        # Pipecat tells besides that the context ended without audio, of no category.
        assert all(other.category is ErrorCategory.UNKNOWN for other in others)
        assert asyncio.get_running_loop().time() - began_s < QUIET_S
        assert not spoken_text(pipe)
        assert pairs(pipe) in ([], [TTSStartedFrame, TTSStoppedFrame])


async def test_the_next_text_is_spoken() -> None:
    async with piped(Scripted(scripts=[[refused(503)], [AUDIO]]), RATE_HZ) as pipe:
        await model_says(pipe, "One two.")
        await pipe.down.wait(LLMFullResponseEndFrame)
        await model_says(pipe, "Three four.")
        await pipe.down.wait(TTSAudioRawFrame)
        await pipe.down.wait(LLMFullResponseEndFrame, 2)
        await pipe.down.until(lambda: spoken_text(pipe) == "Three four.")


async def test_a_failure_after_some_audio_ends_the_text() -> None:
    async with piped(Scripted(scripts=[[AUDIO, refused(503)], [AUDIO]]), RATE_HZ) as pipe:
        await model_says(pipe, "One two.")
        await pipe.down.wait(TTSStoppedFrame)
        assert len(pipe.up.of(ErrorFrame)) == 1
        assert len(pipe.down.of(TTSAudioRawFrame)) == 1
        await model_says(pipe, "Three four.")
        await pipe.down.until(lambda: spoken_text(pipe).endswith("Three four."))
        await pipe.down.wait(TTSStoppedFrame, 2)
        assert pairs(pipe) == [TTSStartedFrame, TTSStoppedFrame] * 2


@pytest.mark.parametrize(("kind", "heard"), [(Scripted, "One two."), (TimesWords, "")])
async def test_text_of_a_vendor_that_times_words_comes_with_audio_only(kind: Any, heard: str) -> None:
    async with piped(kind(scripts=[[]]), RATE_HZ) as pipe:
        await model_says(pipe, "One two.")
        await pipe.down.wait(LLMFullResponseEndFrame)
        assert spoken_text(pipe) == heard


async def test_falling_silent_in_mid_sentence_is_told_once() -> None:
    """A vendor behind a socket whose audio stops coming: nothing returns, and nothing raises."""
    tts = Scripted(scripts=[[]])
    async with piped(tts, RATE_HZ) as pipe:
        await tts.create_audio_context("c")
        await tts.append_to_audio_context("c", TTSStartedFrame(context_id="c"))
        await tts.append_to_audio_context("c", TTSAudioRawFrame(AUDIO, RATE_HZ, 1, context_id="c"))
        await tts.flush_audio("c")
        (error,) = await pipe.up.wait(ErrorFrame)
        assert (error.error, error.category) == ("the voice fell silent in mid-sentence", ErrorCategory.CONNECTIVITY)
        await pipe.down.wait(TTSStoppedFrame)
        assert pairs(pipe) == [TTSStartedFrame, TTSStoppedFrame]
        assert len(pipe.up.of(ErrorFrame)) == 1


async def test_an_interrupted_text_is_no_failure() -> None:
    async with piped(Scripted(scripts=[[AUDIO, 60.0, AUDIO], [AUDIO]]), RATE_HZ) as pipe:
        await pipe.send(TTSSpeakFrame("One two."))
        await pipe.down.wait(TTSAudioRawFrame)
        await pipe.send(InterruptionFrame())
        await pipe.down.wait(InterruptionFrame)
        await pipe.send(TTSSpeakFrame("Three four."))
        await pipe.down.wait(TTSStoppedFrame)
        assert "Three four." in [frame.text for frame in pipe.down.of(TTSTextFrame)]
        assert len(pipe.down.of(TTSAudioRawFrame)) == 2
        assert not pipe.up.of(ErrorFrame)


async def test_a_service_without_a_key_speaks_no_further_text() -> None:
    tts = Scripted(scripts=[[refused(401)]])
    async with piped(tts, RATE_HZ) as pipe:
        await model_says(pipe, "One two.")
        await pipe.down.wait(LLMFullResponseEndFrame)
        await model_says(pipe, "Three four.")
        await pipe.down.wait(LLMFullResponseEndFrame, 2)
        assert not spoken_text(pipe)
        assert not pipe.down.of(TTSAudioRawFrame)
        assert len(pipe.down.of(TTSStartedFrame)) == len(pipe.down.of(TTSStoppedFrame))
