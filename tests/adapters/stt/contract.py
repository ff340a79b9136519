"""The contract of the speech-to-text seat, and what it adds for recognisers behind a vendor's API."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
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
from adapters.stt.frames import CallerPausedFrame, CallerResumedFrame, TranscriptCompleteFrame
from adapters.stt.table import STT_TABLE
from models.errors import InvalidField
from models.providers import SttType
from tests.adapters.vendors import (
    BOUND_S,
    IMPATIENT,
    KEY,
    captured_log,
    clients_with,
    first_error,
    impatient_clients,
    until,
)
from tests.standins.base import LoggedRequest, StandIn
from tests.standins.certificate import self_signed
from tests.standins.faults import Faults
from tests.standins.pipeline import Pipe, piped

SECRET = "dg-very-secret-0123456789"
STEP_S = 0.02
PATIENT = replace(IMPATIENT, reconnects=1000)
"""For vendors that are mended in the test's own time, which a busy machine makes long."""
TEXTS = {
    "arabic": "أريد حجزَ موعدٍ يوم 12 May من فضلك",
    "hebrew": "אני רוצה לקבוע תור ל־10:30 בבקשה",
    "combining marks": "cafe\u0301 con nin\u0303o, ti\u1ebfng Vi\u1ec7t",
    "beyond the first plane": "ja 👩🏽‍⚕️ bitte 🇪🇺 und 𠮷野家",
    "chinese": "我想預約明天上午十點。",
    "escapes": 'say "yes" \\ or <no> & 100 %',
}
"""What a caller may say, and a wire may spoil."""


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
    languages: ClassVar[Mapping[str, str]]
    """BCP 47 tags, to what the vendor is told; '' is to be told nothing."""
    unknown_language: ClassVar[str]
    """The tag of a language that the vendor does not understand."""

    @abstractmethod
    def language_told(self, request: LoggedRequest) -> str:
        """The language that a request asks for; '' when it asks for none."""

    @abstractmethod
    def rate_told(self, request: LoggedRequest) -> int:
        """The rate that a request says its audio has, Hz."""

    @abstractmethod
    def times_asked(self, request: LoggedRequest) -> int:
        """How often a final result was asked for on a connection."""

    def build(
        self,
        vendor: StandIn,
        clients: SharedClients,
        key: SecretStr = KEY,
        *,
        stop_secs: float = 0.2,
        language: str = "en-US",
        rate_hz: int | None = None,
        options: Mapping[str, str] | None = None,
    ) -> STTService:
        environ = {f"AICALL_BASE_URL_{self.stt_type.upper()}": vendor.base_url}
        return build_stt(
            self.stt_type,
            key=key,
            language=language,
            sample_rate_hz=rate_hz or self.rate_hz,
            stop_secs=stop_secs,
            resources=clients,
            environ=environ,
            options=options,
        )

    @asynccontextmanager
    async def hearing(self, words: str | None = None) -> AsyncIterator[STTService]:
        said = self.words if words is None else words
        async with self.stand_in(transcripts=lambda _: said) as vendor, impatient_clients() as clients:
            self.vendor = vendor
            yield self.build(vendor, clients)
        assert not vendor.open_connections

    async def heard_by_the_vendor(self, pipe: Pipe) -> None:
        """Wait until audio goes through: the upgrade alone does not say that the service sends already."""
        await self.audio(pipe, bytes(int(self.rate_hz * STEP_S) * 2))
        await until(lambda: any(request.audio_bytes for request in self.vendor.requests))

    async def pauses(self, pipe: Pipe, pcm: bytes) -> None:
        """Speak, and stop for a moment."""
        await self.audio(pipe, pcm + bytes(int(self.rate_hz * 0.1) * 2))
        await pipe.send(CallerPausedFrame(silence_s=0.1))

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    async def test_what_was_said_comes_through_unspoilt(self, text: str) -> None:
        async with self.hearing(text) as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert [frame.text for frame in pipe.down.of(TranscriptionFrame)] == [text]
            assert not pipe.up.of(ErrorFrame)

    async def test_noise_without_words_is_told_at_once(self) -> None:
        async with self.hearing("") as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.wait(TranscriptCompleteFrame, timeout_s=BOUND_S)
            assert not pipe.down.of(TranscriptionFrame)
            assert not pipe.down.of(InterimTranscriptionFrame)
            assert not pipe.up.of(ErrorFrame)

    async def test_the_language_is_told_in_the_vendors_form(self) -> None:
        for tag, told in self.languages.items():
            async with self.stand_in() as vendor, impatient_clients() as clients:
                async with piped(self.build(vendor, clients, language=tag), self.rate_hz) as pipe:
                    await self.caller_says(pipe, self.speech)
                    # That it hears shows that the vendor takes the language.
                    await pipe.down.until(lambda it=pipe: bool(finals(it)), BOUND_S)
                (request,) = vendor.requests_to(self.endpoint)
                assert self.language_told(request) == told, tag

    async def test_a_language_that_the_vendor_does_not_understand_is_refused(self) -> None:
        assert STT_TABLE[self.stt_type].language_code(self.unknown_language) is None
        async with self.stand_in() as vendor, impatient_clients() as clients:
            with pytest.raises(InvalidField) as caught:
                self.build(vendor, clients, language=self.unknown_language)
        assert caught.value.field == "stt_language"

    @pytest.mark.parametrize("rate_hz", [8000, 16_000])
    async def test_the_calls_rate_is_told(self, rate_hz: int) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            async with piped(self.build(vendor, clients, rate_hz=rate_hz), rate_hz):
                await vendor.until(lambda: bool(vendor.requests), BOUND_S)
            (request,) = vendor.requests_to(self.endpoint)
            assert self.rate_told(request) == rate_hz

    async def test_audio_is_not_deflated(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz):
            await self.vendor.until(lambda: bool(self.vendor.requests), BOUND_S)
            assert "sec-websocket-extensions" not in self.vendor.requests[0].headers

    async def test_is_asked_for_its_result_in_the_pause_and_not_again_in_the_silence(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            await self.pauses(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            await pipe.send(VADUserStoppedSpeakingFrame(stop_secs=0.2))
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: len(finals(pipe)) == 2, BOUND_S)
        (request,) = self.vendor.requests_to(self.endpoint)
        assert self.times_asked(request) == 2

    async def test_only_the_answer_to_the_last_pause_is_final(self) -> None:
        """The caller goes on before the answer to the first is there."""
        async with (
            self.stand_in(transcripts=lambda _: self.words) as vendor,
            clients_with(replace(IMPATIENT, quiet_s=BOUND_S)) as clients,
            piped(self.build(vendor, clients), self.rate_hz) as pipe,
        ):
            self.vendor = vendor
            await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            await self.heard_by_the_vendor(pipe)
            # Longer than a busy machine takes for the next words.
            vendor.stt_final_delay_s = 2.0
            await self.pauses(pipe, self.speech)
            await pipe.send(CallerResumedFrame())
            await self.pauses(pipe, self.speech)
            await pipe.send(VADUserStoppedSpeakingFrame(stop_secs=0.2))
            await pipe.down.wait(TranscriptionFrame, 2, BOUND_S)
            assert [frame.finalized for frame in pipe.down.of(TranscriptionFrame)] == [False, True]
        (request,) = vendor.requests_to(self.endpoint)
        assert self.times_asked(request) == 2

    async def test_pauses_that_follow_each_other_quickly_are_all_answered(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            await self.pauses(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            await pipe.send(CallerResumedFrame())
            # Nothing but the silence of the pause itself.
            await self.pauses(pipe, b"")
            await pipe.down.wait(TranscriptCompleteFrame, timeout_s=BOUND_S)
            assert not pipe.up.of(ErrorFrame)

    async def test_speech_that_no_vad_noticed_is_heard_all_the_same(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.audio(pipe, self.speech + bytes(self.rate_hz * 2))
            await pipe.down.wait(TranscriptionFrame, timeout_s=BOUND_S)
            assert [frame.text for frame in pipe.down.of(TranscriptionFrame)] == [self.words]

    async def test_what_was_transcribed_is_not_heard_again(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            self.vendor.drop_connections()
            await pipe.send(VADUserStartedSpeakingFrame())
            await until(lambda: len(self.vendor.requests_to(self.endpoint)) == 2)
            second = self.vendor.requests_to(self.endpoint)[1]
            await self.audio(pipe, self.speech)
            await until(lambda: second.audio_bytes >= len(self.speech))
            # Of what was said before, at most the 20 ms that the last result ended in come again.
            assert bytes(second.audio).endswith(self.speech)
            assert len(second.audio) - len(self.speech) <= self.rate_hz * 2 // 50

    async def test_no_audio_is_lost_when_the_connection_breaks_in_mid_word(self) -> None:
        half = len(self.speech) // 4 * 2
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            await self.audio(pipe, self.speech[:half])
            await pipe.down.wait(InterimTranscriptionFrame, timeout_s=BOUND_S)
            self.vendor.drop_connections()
            await self.audio(pipe, self.speech[half:] + bytes(int(self.rate_hz * 0.2) * 2))
            await pipe.send(VADUserStoppedSpeakingFrame(stop_secs=0.2))
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert [frame.text for frame in pipe.down.of(TranscriptionFrame)] == [self.words]
        assert bytes(self.vendor.requests_to(self.endpoint)[-1].audio).startswith(self.speech)

    @pytest.mark.parametrize("drop_after", range(14))
    async def test_the_caller_is_heard_once_wherever_the_connection_breaks(self, drop_after: int) -> None:
        async with (
            self.stand_in(transcripts=lambda _: self.words, faults=Faults(drop_after=drop_after)) as vendor,
            clients_with(PATIENT) as clients,
            piped(self.build(vendor, clients), self.rate_hz) as pipe,
        ):
            await self.caller_says(pipe, self.speech)
            await until(lambda: pipe.up.of(ErrorFrame) or finals(pipe))
            vendor.faults = Faults()
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert [frame.text for frame in pipe.down.of(TranscriptionFrame)] == [self.words]

    async def test_an_answer_that_never_came_is_asked_for_again(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.heard_by_the_vendor(pipe)
            self.vendor.stt_final_delay_s = 10 * BOUND_S
            await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            await self.pauses(pipe, self.speech)
            await pipe.send(CallerResumedFrame())
            await self.pauses(pipe, self.speech)
            (first,) = self.vendor.requests_to(self.endpoint)
            await self.vendor.until(lambda: self.times_asked(first) == 2, BOUND_S)
            self.vendor.stt_final_delay_s = 0.0
            self.vendor.drop_connections()
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            # The one answer of the new connection is to all that was asked.
            assert [frame.text for frame in pipe.down.of(TranscriptionFrame)] == [self.words]
            assert self.times_asked(self.vendor.requests_to(self.endpoint)[1]) == 1

    async def test_a_certificate_that_nobody_signed_shows(self, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path))
        async with self.stand_in(tls=context) as vendor, impatient_clients() as clients:
            stt = self.build(vendor, clients)
            async with piped(stt, self.rate_hz) as pipe:
                await first_error(pipe, ErrorCategory.CONNECTIVITY)
                await until(lambda: not stt.is_usable)
            assert not vendor.requests

    @pytest.mark.parametrize(
        ("faults", "category", "usable"),
        [
            pytest.param(Faults(status=401), ErrorCategory.AUTHENTICATION, False, id="key refused"),
            pytest.param(Faults(status=403), ErrorCategory.AUTHORIZATION, False, id="forbidden"),
            pytest.param(Faults(status=400), ErrorCategory.INVALID_REQUEST, False, id="bad request"),
            pytest.param(Faults(status=404), ErrorCategory.INVALID_REQUEST, False, id="no such model"),
            pytest.param(Faults(status=402), ErrorCategory.QUOTA, True, id="no credit"),
            pytest.param(Faults(status=429), ErrorCategory.RATE_LIMIT, True, id="rate limit"),
            pytest.param(
                Faults(status=429, retry_after_s=60), ErrorCategory.RATE_LIMIT, True, id="rate limit, come back later"
            ),
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
            pytest.param(Faults(close_after=2), id="close"),
            pytest.param(Faults(stall_after=2), id="stall"),
            pytest.param(Faults(garbage_after=2), id="garbage"),
        ],
    )
    async def test_a_vendor_that_dies_in_mid_utterance_hears_it_again(self, faults: Faults) -> None:
        async with (
            self.stand_in(transcripts=lambda _: self.words, faults=faults) as vendor,
            clients_with(PATIENT) as clients,
            piped(self.build(vendor, clients), self.rate_hz) as pipe,
        ):
            await self.caller_says(pipe, self.speech)
            await pipe.up.wait(ErrorFrame, timeout_s=BOUND_S)
            vendor.faults = Faults()
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert finals(pipe)[-1].text == self.words

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
