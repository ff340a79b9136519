"""The contract of the speech-to-text seat, and what it adds for recognisers behind a vendor's API."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.stt_service import STTService
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.stt.build import build_stt
from models.providers import SttType
from tests.adapters.vendors import BOUND_S, KEY, captured_log, first_error, impatient_clients, until
from tests.standins.base import StandIn
from tests.standins.faults import Faults
from tests.standins.pipeline import Pipe, piped

SECRET = "dg-very-secret-0123456789"
STEP_S = 0.02


def finals(pipe: Pipe) -> list[TranscriptionFrame]:
    return [frame for frame in pipe.down.of(TranscriptionFrame) if frame.finalized]


class SttContract(ABC):
    """What every recogniser does. Subclass it, name the class ``Test…``, and say how to make it hear."""

    rate_hz: ClassVar[int] = 8000

    @abstractmethod
    def hearing(self) -> AbstractAsyncContextManager[STTService]:
        """A service to which `speech` says `words`."""

    @property
    @abstractmethod
    def speech(self) -> bytes:
        """Somebody speaking: 16-bit mono PCM at `rate_hz`."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What `speech` says."""

    async def caller_says(self, pipe: Pipe, pcm: bytes) -> None:
        """Speak as a call does: audio in 20 ms steps (as fast as they are taken), voice activity around it."""
        await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
        await self.audio(pipe, pcm + bytes(int(self.rate_hz * 0.2) * 2))
        await pipe.send(VADUserStoppedSpeakingFrame(stop_secs=0.2))

    async def audio(self, pipe: Pipe, pcm: bytes) -> None:
        step = int(self.rate_hz * STEP_S) * 2
        for start in range(0, len(pcm), step):
            await pipe.send(InputAudioRawFrame(pcm[start : start + step], self.rate_hz, 1))
            await asyncio.sleep(0)

    async def test_a_turn_ends_with_one_final_transcript(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert " ".join(frame.text for frame in pipe.down.of(TranscriptionFrame)) == self.words
            assert len(finals(pipe)) == 1
            assert not pipe.up.of(ErrorFrame)

    async def test_hears_two_turns(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: len(finals(pipe)) == 1, BOUND_S)
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: len(finals(pipe)) == 2, BOUND_S)

    async def test_tells_early_what_it_hears(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            texts = [f.text for f in pipe.down.frames if isinstance(f, InterimTranscriptionFrame | TranscriptionFrame)]
            assert len(texts) > 1

    async def test_silence_gives_nothing(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, bytes(self.rate_hz * 2))
            # Speech that follows is heard first if the silence gave nothing.
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert [frame.text for frame in finals(pipe)] == [self.words]

    async def test_passes_no_audio_on(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert not pipe.down.of(InputAudioRawFrame)

    async def test_says_how_long_a_turn_waits_for_it(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            (metadata,) = await pipe.down.wait(STTMetadataFrame)
            assert 0 <= metadata.ttfs_p99_latency < 2


class VendorSttContract(SttContract):
    """What a recogniser behind an API does besides, when the vendor fails."""

    stt_type: ClassVar[SttType]
    endpoint: ClassVar[str]
    stand_in: ClassVar[type[Any]]

    def build(
        self,
        vendor: StandIn,
        clients: SharedClients,
        key: SecretStr = KEY,
        stop_secs: float = 0.2,
        language: str = "en-US",
    ) -> STTService:
        environ = {f"AICALL_BASE_URL_{self.stt_type.upper()}": vendor.base_url}
        return build_stt(
            self.stt_type,
            key=key,
            language=language,
            sample_rate_hz=self.rate_hz,
            stop_secs=stop_secs,
            resources=clients,
            environ=environ,
        )

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[STTService]:
        async with self.stand_in(transcripts=lambda _: self.words) as vendor, impatient_clients() as clients:
            self.vendor = vendor
            yield self.build(vendor, clients)
        assert not vendor.open_connections

    @pytest.mark.parametrize(
        ("faults", "category", "usable"),
        [
            pytest.param(Faults(status=401), ErrorCategory.AUTHENTICATION, False, id="key refused"),
            pytest.param(Faults(status=403), ErrorCategory.AUTHORIZATION, False, id="forbidden"),
            pytest.param(Faults(status=400), ErrorCategory.INVALID_REQUEST, False, id="bad request"),
            pytest.param(Faults(status=402), ErrorCategory.QUOTA, True, id="no credit"),
            pytest.param(Faults(status=429), ErrorCategory.RATE_LIMIT, True, id="rate limit"),
            pytest.param(Faults(status=500), ErrorCategory.SERVER, True, id="server error"),
            pytest.param(Faults(delay_s=60), ErrorCategory.CONNECTIVITY, True, id="no answer"),
        ],
    )
    async def test_a_refusal_shows_and_a_passing_one_is_got_over(
        self, faults: Faults, category: ErrorCategory, usable: bool
    ) -> None:
        async with self.hearing() as stt:
            self.vendor.faults = faults
            async with piped(stt, self.rate_hz) as pipe:
                error = await first_error(pipe, category)
                assert error.processor is stt
                assert stt.is_usable is usable
                if usable:
                    self.vendor.faults = Faults()
                    await self.caller_says(pipe, self.speech)
                    await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
                    assert finals(pipe)[0].text == self.words

    @pytest.mark.parametrize(
        "faults",
        [
            pytest.param(Faults(drop_after=2), id="drop"),
            pytest.param(Faults(stall_after=2), id="stall"),
            pytest.param(Faults(garbage_after=2), id="garbage"),
        ],
    )
    async def test_a_vendor_that_dies_in_mid_utterance_hears_it_again(self, faults: Faults) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            self.vendor.faults = faults
            await self.caller_says(pipe, self.speech)
            await pipe.up.wait(ErrorFrame, timeout_s=BOUND_S)
            self.vendor.faults = Faults()
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert finals(pipe)[-1].text == self.words
            assert stt.is_usable

    async def test_an_unreachable_vendor_is_given_up(self) -> None:
        async with self.hearing() as stt:
            await self.vendor.refuse()
            async with piped(stt, self.rate_hz) as pipe:
                await self.caller_says(pipe, self.speech)
                await until(lambda: not stt.is_usable)
                errors = pipe.up.of(ErrorFrame)
                assert {error.category for error in errors} == {ErrorCategory.CONNECTIVITY}

    async def test_what_is_said_before_the_connection_is_heard(self) -> None:
        async with self.hearing() as stt:
            self.vendor.faults = Faults(delay_s=0.2)
            async with piped(stt, self.rate_hz) as pipe:
                await self.caller_says(pipe, self.speech)
                await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
                assert finals(pipe)[0].text == self.words
                (request,) = self.vendor.requests_to(self.endpoint)
                assert bytes(request.audio).startswith(self.speech)

    async def test_the_key_is_never_logged(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients, captured_log() as lines:
            stt = self.build(vendor, clients, SecretStr(SECRET))
            async with piped(stt, self.rate_hz) as pipe:
                error = await first_error(pipe, ErrorCategory.AUTHENTICATION)
        assert lines
        assert not any(SECRET in line for line in lines)
        assert SECRET not in error.error
        assert SECRET not in repr(stt)

    async def test_a_longer_vad_silence_does_not_shorten_the_wait(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            waits = []
            for stop_secs in (0.1, 0.2, 0.8):
                async with piped(self.build(vendor, clients, stop_secs=stop_secs), self.rate_hz) as pipe:
                    (metadata,) = await pipe.down.wait(STTMetadataFrame)
                    waits.append(metadata.ttfs_p99_latency)
            assert waits == [waits[0], waits[0], pytest.approx(waits[0] + 0.6)]
