"""The contract of the text-to-speech seat, and what it adds for voices behind a vendor's API."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
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
from adapters.tts.table import TTS_TABLE
from models.providers import TtsType
from tests.adapters.vendors import (
    BOUND_S,
    IMPATIENT,
    KEY,
    captured_log,
    first_error,
    impatient_clients,
    patient_clients,
    until,
)
from tests.standins.audio import CHARS_PER_S, identify, signature
from tests.standins.base import StandIn
from tests.standins.certificate import self_signed
from tests.standins.faults import Faults
from tests.standins.pipeline import Pipe, piped

SECRET = "tts-very-secret-0123456789"
SENTENCE = "Good morning, this is the clinic speaking."
OTHER = "We close at five o'clock today."
UNUSUAL = {
    "accents": "Ça coûte 3 € à Zürich, señor Ångström.",
    "arabic": "صباح الخير، معكم العيادة.",
    "hebrew": "שָׁלוֹם, זוֹ הַמִּרְפָּאָה.",
    "combining": "Cafe\u0301 vie\u0302\u0323t nam, tha\u0308t is all.",
    "chinese": "早上好\uff0c这里是诊所。",
    "emoji": "Good morning \U0001f44b\U0001f3fd, all is well \U0001f468\u200d\U0001f469\u200d\U0001f467 today.",
    "markup": 'Tom & Jerry <break time="9s"/> say 5 > 4, \'n &amp; that is </speak> ]]> all.',
    "json": 'She said "yes\\no" {"text": null} and \u2028 left.',
}
"""Texts that break where somebody does not encode them, or encodes them twice."""
STOPS: tuple[dict[str, Any], ...] = ({"type": "Clear"}, {"close_context": True}, {"cancel": True})
"""The messages by which the vendors with one WebSocket for all texts are told to stop one."""


def audio(pipe: Pipe) -> bytes:
    return b"".join(frame.audio for frame in pipe.down.of(TTSAudioRawFrame))


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
    voice: ClassVar[str] = ""
    """The voice to speak with; '' for the default one."""
    key_form: ClassVar[str] = "{}"
    """What an AI's key looks like, with the vendor's secret for ``{}``."""
    long_chars: ClassVar[int] = 1900
    """Length of a text that is very long for this vendor."""

    def build(self, vendor: StandIn, clients: SharedClients, key: SecretStr = KEY, rate_hz: int = 8000) -> TTSService:
        environ = {f"AICALL_BASE_URL_{self.tts_type.upper()}": vendor.base_url}
        return build_tts(
            self.tts_type,
            key=SecretStr(self.key_form.format(key.get_secret_value())),
            voice=self.voice,
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

    @pytest.mark.parametrize("text", [SENTENCE, OTHER, "Yes."])
    async def test_says_the_text_to_its_last_sample(self, text: str) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(text))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert identify(audio(pipe), self.audio_rate_hz, [SENTENCE, OTHER, "Yes."]) == text
            assert len(audio(pipe)) == len(signature(text, self.audio_rate_hz))

    @pytest.mark.parametrize("text", UNUSUAL.values(), ids=UNUSUAL)
    async def test_a_text_reaches_the_vendor_unbroken(self, text: str) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(text))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            # The tones stand for the very text, and the length for the number of its characters.
            assert identify(audio(pipe), self.audio_rate_hz, [text, SENTENCE, OTHER]) == text
            assert len(audio(pipe)) == len(signature(text, self.audio_rate_hz))
            assert not pipe.up.of(ErrorFrame)

    @pytest.mark.parametrize("call_hz", [16_000, 24_000, 48_000])
    async def test_the_vendor_is_asked_for_the_rate_of_the_call(self, call_hz: int) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            tts = self.build(vendor, clients, rate_hz=call_hz)
            async with piped(tts, call_hz) as pipe:
                await pipe.send(TTSSpeakFrame(SENTENCE))
                await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
                rate_hz = TTS_TABLE[self.tts_type].sample_rate_for(call_hz)
                assert {frame.sample_rate for frame in pipe.down.of(TTSAudioRawFrame)} == {rate_hz}
                # Audio of another rate than it says would have another length and other tones.
                assert len(audio(pipe)) == len(signature(SENTENCE, rate_hz))
                assert identify(audio(pipe), rate_hz, [SENTENCE, OTHER]) == SENTENCE

    async def test_a_very_long_text_is_spoken_to_its_end(self) -> None:
        text = (f"{SENTENCE} " * (self.long_chars // len(SENTENCE)))[: self.long_chars].strip()
        async with self.stand_in() as vendor, patient_clients() as clients:
            tts = self.build(vendor, clients, rate_hz=self.rate_hz)
            async with piped(tts, self.rate_hz) as pipe:
                await pipe.send(TTSSpeakFrame(text))
                await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
                # Where the text has to be cut, the white space between its parts is not spoken.
                assert len(text) / CHARS_PER_S - 1 <= seconds(pipe) <= len(text) / CHARS_PER_S
                assert spoken_text(pipe) == text
                assert not pipe.up.of(ErrorFrame)

    async def test_texts_without_anything_to_say_are_no_failure(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            for count, text in enumerate(("...", " ", "?!", "\n", "—"), start=1):
                await model_says(pipe, text)
                await pipe.down.wait(LLMFullResponseEndFrame, count, BOUND_S)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.until(lambda: spoken_text(pipe).endswith(SENTENCE), BOUND_S)
            assert not pipe.up.of(ErrorFrame)
            assert tts.is_usable

    async def test_an_interruption_stops_the_vendor(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            # Sends some, and then holds on to the stream until it is closed.
            self.vendor.faults = Faults(stall_after=4)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSAudioRawFrame, timeout_s=BOUND_S)
            assert self.vendor.open_streams
            before = self.stops()
            began_s = asyncio.get_running_loop().time()
            await pipe.send(InterruptionFrame())
            await until(lambda: not self.vendor.open_streams or self.stops() > before)
            # Long before the vendor would be given up for its silence.
            assert asyncio.get_running_loop().time() - began_s < IMPATIENT.voice_quiet_s / 2
            assert not pipe.up.of(ErrorFrame)

    def stops(self) -> int:
        """How many messages came by which the vendor's wire ends a speech."""
        messages = [it for request in self.vendor.requests for it in request.messages if isinstance(it, dict)]
        return sum(stop.items() <= it.items() for it in messages for stop in STOPS)

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
        [
            pytest.param(Faults(drop_after=4), id="drop"),
            pytest.param(Faults(close_after=4), id="close"),
            pytest.param(Faults(stall_after=4), id="stall"),
        ],
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

    async def test_a_certificate_that_nobody_signed_shows(self, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path))
        async with self.stand_in(tls=context) as vendor, impatient_clients() as clients:
            tts = self.build(vendor, clients)
            async with piped(tts, self.rate_hz) as pipe:
                await model_says(pipe, SENTENCE)
                await first_error(pipe, ErrorCategory.CONNECTIVITY)
                await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
                assert not spoken_text(pipe)
            assert not vendor.requests

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
