"""What voices behind one HTTP request per sentence do besides."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
)
from pipecat.utils.errors import ErrorCategory

from tests.adapters.tts.contract import OTHER, SENTENCE, VendorTtsContract, audio, model_says, spoken_text
from tests.adapters.vendors import BOUND_S, first_error
from tests.standins.audio import signature
from tests.standins.faults import Faults
from tests.standins.pipeline import piped


class HttpTtsContract(VendorTtsContract):
    """For subclasses of ``SpeechRequest``."""

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(("text/html", b"<html><body>502 Bad Gateway</body></html>"), id="html"),
            pytest.param(("application/json", b'{"error": {"message": "overloaded"}}'), id="json"),
        ],
    )
    async def test_text_in_place_of_speech_shows(self, answer: tuple[str, bytes]) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(answer=answer)
            await model_says(pipe, SENTENCE)
            await first_error(pipe, ErrorCategory.SERVER)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
            assert not pipe.down.of(TTSAudioRawFrame)
            assert not spoken_text(pipe)
            self.vendor.faults = Faults()
            await model_says(pipe, OTHER)
            await pipe.down.until(lambda: spoken_text(pipe) == OTHER, BOUND_S)

    @pytest.mark.parametrize(
        "faults",
        [
            pytest.param(Faults(status=500, first=1), id="broken"),
            pytest.param(Faults(status=429, first=1), id="rate limit"),
            pytest.param(Faults(drop_after=0, first=1), id="drop"),
            pytest.param(Faults(answer=("text/html", b"<html></html>"), first=1), id="html"),
        ],
    )
    async def test_a_failure_that_passes_is_not_noticed(self, faults: Faults) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = faults
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert not pipe.up.of(ErrorFrame)
            assert len(audio(pipe)) == len(signature(SENTENCE, self.audio_rate_hz))
            assert len(self.vendor.requests_to(self.endpoint)) == 2

    @pytest.mark.parametrize(
        ("faults", "requests"),
        [
            pytest.param(Faults(status=500), 2, id="broken"),
            pytest.param(Faults(status=429, retry_after_s=60), 1, id="long wait"),
            pytest.param(Faults(status=401), 1, id="key refused"),
            pytest.param(Faults(delay_s=60), 1, id="no answer"),
            pytest.param(Faults(drop_after=4), 1, id="after some audio"),
        ],
    )
    async def test_a_request_is_repeated_where_that_can_help(self, faults: Faults, requests: int) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = faults
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.up.wait(ErrorFrame, timeout_s=BOUND_S)
            assert len(self.vendor.requests_to(self.endpoint)) == requests

    async def test_the_first_sentence_finds_a_connection_open(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "preconnect tts"))
            assert self.vendor.connections_made == 1
            for count in (1, 2):
                await pipe.send(TTSSpeakFrame(SENTENCE))
                await pipe.down.wait(TTSStoppedFrame, count, BOUND_S)
            assert self.vendor.connections_made == 1
