"""The contract of the text-to-speech seat, and what it adds for voices behind a vendor's API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

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
)
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients, VendorLimits
from adapters.tts.build import build_tts
from models.providers import TtsType
from tests.adapters.vendors import BOUND_S, KEY, captured_log, first_error, impatient_clients, until
from tests.standins.audio import identify
from tests.standins.base import StandIn
from tests.standins.faults import Faults
from tests.standins.pipeline import Pipe, piped

SECRET = "tts-very-secret-0123456789"
SENTENCE = "Good morning, this is the clinic speaking."
OTHER = "We close at five o'clock today."


def seconds(pipe: Pipe) -> float:
    return sum(len(f.audio) / 2 / f.sample_rate for f in pipe.down.of(TTSAudioRawFrame))


def spoken_text(pipe: Pipe) -> str:
    return " ".join(frame.text.strip() for frame in pipe.down.of(TTSTextFrame))


async def model_says(pipe: Pipe, *texts: str) -> None:
    """Answer as a model does, word by word."""
    await pipe.send(LLMFullResponseStartFrame())
    for text in texts:
        for word in text.split():
            await pipe.send(LLMTextFrame(f"{word} "))
    await pipe.send(LLMFullResponseEndFrame())


class TtsContract(ABC):
    """What every voice does. Subclass it, name the class ``Test…``, and say how to make it speak."""

    rate_hz: ClassVar[int] = 8000
    audio_rate_hz: ClassVar[int] = 8000
    """The rate of the audio of a call at `rate_hz`."""
    least_s: ClassVar[float] = 1.0
    """How long `SENTENCE` takes at least."""
    most_s: ClassVar[float] = 6.0

    @abstractmethod
    def speaking(self) -> AbstractAsyncContextManager[TTSService]:
        """A service."""

    async def test_speaks_at_the_rate_that_it_says(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            frames = pipe.down.of(TTSAudioRawFrame)
            assert {frame.sample_rate for frame in frames} == {self.audio_rate_hz}
            assert {frame.num_channels for frame in frames} == {1}
            assert all(len(frame.audio) % 2 == 0 for frame in frames)
            assert self.least_s <= seconds(pipe) <= self.most_s
            assert not pipe.up.of(ErrorFrame)

    async def test_an_answer_has_a_beginning_its_words_and_an_end(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await model_says(pipe, SENTENCE, OTHER)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert spoken_text(pipe) == f"{SENTENCE} {OTHER}"
            kinds = [type(f) for f in pipe.down.frames if isinstance(f, TTSStartedFrame | TTSStoppedFrame)]
            assert kinds == [TTSStartedFrame, TTSStoppedFrame] * (len(kinds) // 2)
            assert isinstance(
                next(f for f in pipe.down.frames if isinstance(f, TTSAudioRawFrame | TTSStartedFrame)), TTSStartedFrame
            )

    async def test_an_interruption_ends_the_speech(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await model_says(pipe, *[SENTENCE] * 30)
            await pipe.down.wait(TTSAudioRawFrame, 2, BOUND_S)
            await pipe.send(InterruptionFrame())
            await pipe.down.wait(InterruptionFrame, timeout_s=BOUND_S)
            before_s, text = seconds(pipe), spoken_text(pipe)
            await pipe.send(TTSSpeakFrame(OTHER))
            await pipe.down.until(lambda: spoken_text(pipe).endswith(OTHER), BOUND_S)
            await pipe.down.until(lambda: isinstance(pipe.down.frames[-1], TTSStoppedFrame), BOUND_S)
            assert spoken_text(pipe).removeprefix(text).strip() == OTHER
            assert seconds(pipe) - before_s <= self.most_s

    async def test_shows_what_it_can_be_measured_by(self) -> None:
        async with self.speaking() as tts:
            assert tts.can_generate_metrics()


class VendorTtsContract(TtsContract):
    """What a voice behind an API does besides, when the vendor fails."""

    tts_type: ClassVar[TtsType]
    endpoint: ClassVar[str]
    stand_in: ClassVar[type[Any]]
    connects_early: ClassVar[bool] = True
    """Whether the connection is made before the first text."""

    def build(self, vendor: StandIn, clients: SharedClients, key: SecretStr = KEY, rate_hz: int = 8000) -> TTSService:
        environ = {f"AICALL_BASE_URL_{self.tts_type.upper()}": vendor.base_url}
        return build_tts(
            self.tts_type,
            key=key,
            voice="",
            language="en-US",
            sample_rate_hz=rate_hz,
            resources=clients,
            environ=environ,
        )

    @asynccontextmanager
    async def speaking(self) -> AsyncIterator[TTSService]:
        async with self.stand_in() as vendor:
            async with impatient_clients() as clients:
                self.vendor = vendor
                yield self.build(vendor, clients, rate_hz=self.rate_hz)
            await until(lambda: not vendor.open_connections)

    async def test_says_the_text(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            pcm = b"".join(frame.audio for frame in pipe.down.of(TTSAudioRawFrame))
            assert identify(pcm, self.audio_rate_hz, [SENTENCE, OTHER]) == SENTENCE

    @pytest.mark.parametrize(
        ("faults", "category", "usable"),
        [
            pytest.param(Faults(status=401), ErrorCategory.AUTHENTICATION, False, id="key refused"),
            pytest.param(Faults(status=404), ErrorCategory.INVALID_REQUEST, False, id="no such voice"),
            pytest.param(Faults(status=429, retry_after_s=60), ErrorCategory.RATE_LIMIT, True, id="rate limit"),
            pytest.param(Faults(delay_s=60), ErrorCategory.CONNECTIVITY, True, id="no answer"),
        ],
    )
    async def test_a_refusal_shows(self, faults: Faults, category: ErrorCategory, usable: bool) -> None:
        async with self.speaking() as tts:
            self.vendor.faults = faults
            async with piped(tts, self.rate_hz) as pipe:
                await model_says(pipe, SENTENCE)
                error = await first_error(pipe, category)
                await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
                assert error.processor is tts
                assert tts.is_usable is usable
                assert not spoken_text(pipe)
                assert len(pipe.down.of(TTSStartedFrame)) == len(pipe.down.of(TTSStoppedFrame))
                if usable:
                    self.vendor.faults = Faults()
                    await model_says(pipe, OTHER)
                    await pipe.down.until(lambda: spoken_text(pipe) == OTHER, BOUND_S)

    @pytest.mark.parametrize(
        "faults",
        [pytest.param(Faults(drop_after=4), id="drop"), pytest.param(Faults(stall_after=4), id="stall")],
    )
    async def test_a_vendor_that_dies_in_mid_sentence_shows(self, faults: Faults) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = faults
            await model_says(pipe, SENTENCE)
            await first_error(pipe, ErrorCategory.CONNECTIVITY)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert 0 < seconds(pipe) < self.most_s
            assert tts.is_usable
            self.vendor.faults = Faults()
            await model_says(pipe, OTHER)
            await pipe.down.wait(TTSStoppedFrame, 2, BOUND_S)
            assert spoken_text(pipe).endswith(OTHER)
            assert len(pipe.down.of(TTSStartedFrame)) == len(pipe.down.of(TTSStoppedFrame)) == 2

    async def test_a_lasting_server_error_shows(self) -> None:
        # The SDKs wait about half a second before they ask again.
        limits = VendorLimits(reconnect_wait_s=0.05)
        async with self.stand_in(faults=Faults(status=500)) as vendor:
            clients = SharedClients(limits)
            tts = self.build(vendor, clients)
            async with piped(tts, self.rate_hz) as pipe:
                await model_says(pipe, SENTENCE)
                error = await first_error(pipe, ErrorCategory.SERVER)
                await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
                assert error.processor is tts
                assert not spoken_text(pipe)
            await clients.aclose()

    async def test_garbage_in_mid_sentence_is_got_over(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(garbage_after=4)
            await model_says(pipe, SENTENCE)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            # Either the rest is spoken all the same, or an error frame says that it is missing.
            assert seconds(pipe) >= self.least_s or pipe.up.of(ErrorFrame)
            assert tts.is_usable
            self.vendor.faults = Faults()
            await model_says(pipe, OTHER)
            await pipe.down.wait(TTSStoppedFrame, 2, BOUND_S)
            assert spoken_text(pipe).endswith(OTHER)

    async def test_text_does_not_come_before_its_audio(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(chunk_delay_s=0.01)
            await model_says(pipe, SENTENCE, SENTENCE, OTHER)
            await pipe.down.until(lambda: seconds(pipe) > 1, BOUND_S)
            assert OTHER not in spoken_text(pipe)
            self.vendor.faults = Faults()
            await pipe.down.until(lambda: spoken_text(pipe) == f"{SENTENCE} {SENTENCE} {OTHER}", BOUND_S)

    async def test_a_vendor_that_never_speaks_shows_and_is_given_up(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(stall_after=0)
            for count in range(1, 4):
                await model_says(pipe, SENTENCE)
                await pipe.down.wait(LLMFullResponseEndFrame, count, BOUND_S)
            await until(lambda: not tts.is_usable)
            assert pipe.up.of(ErrorFrame)
            assert not spoken_text(pipe)

    async def test_an_unreachable_vendor_shows(self) -> None:
        async with self.speaking() as tts:
            await self.vendor.refuse()
            async with piped(tts, self.rate_hz) as pipe:
                await model_says(pipe, SENTENCE)
                await first_error(pipe, ErrorCategory.CONNECTIVITY)
                await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
                assert not spoken_text(pipe)

    async def test_the_key_is_never_logged(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients, captured_log() as lines:
            tts = self.build(vendor, clients, SecretStr(SECRET))
            async with piped(tts, self.rate_hz) as pipe:
                await pipe.send(TTSSpeakFrame(SENTENCE))
                error = await first_error(pipe, ErrorCategory.AUTHENTICATION)
                await until(lambda: not tts.is_usable)
        assert lines
        assert not any(SECRET in line for line in lines)
        assert SECRET not in error.error
        assert SECRET not in repr(tts)
