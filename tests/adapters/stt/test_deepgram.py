from typing import ClassVar

import pytest
from pipecat.frames.frames import TranscriptionFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame

from adapters.stt.frames import TranscriptCompleteFrame
from models.errors import InvalidField
from models.providers import SttType
from tests.adapters.stt.contract import VendorSttContract, finals
from tests.adapters.vendors import BOUND_S, impatient_clients, until
from tests.standins.audio import signature
from tests.standins.base import LoggedRequest
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.pipeline import piped


class TestDeepgram(VendorSttContract):
    stt_type = SttType.DEEPGRAM
    endpoint = "listen"
    stand_in = DeepgramStandIn
    words = "I would like an appointment"
    languages: ClassVar = {
        "en-US": "en-US",
        "de-AT": "de",
        "pt-BR": "pt-BR",
        "es-MX": "es-419",
        "multi": "multi",
        "": "",
    }
    unknown_language = "eu-ES"

    @property
    def speech(self) -> bytes:
        return signature("a sentence of about two seconds", self.rate_hz)

    def language_told(self, request: LoggedRequest) -> str:
        return request.query.get("language", "")

    def rate_told(self, request: LoggedRequest) -> int:
        return int(request.query["sample_rate"])

    def times_asked(self, request: LoggedRequest) -> int:
        return sum(message["type"] == "Finalize" for message in request.messages)

    async def test_asks_for_what_it_needs(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz):
            await until(lambda: self.vendor.requests)
            (request,) = self.vendor.requests_to("listen")
            assert request.query == {
                "model": "nova-3-general",
                "language": "en-US",
                "encoding": "linear16",
                "sample_rate": "8000",
                "channels": "1",
                "interim_results": "true",
                "punctuate": "true",
            }

    async def test_a_model_that_does_not_know_the_language_is_refused(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            with pytest.raises(InvalidField) as caught:
                self.build(vendor, clients, language="he-IL", options={"model": "nova-2-phonecall"})
            assert caught.value.field == "stt_language"

    async def test_says_goodbye(self) -> None:
        async with self.hearing() as stt:
            async with piped(stt, self.rate_hz) as pipe:
                await self.caller_says(pipe, self.speech)
                await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            (request,) = self.vendor.requests_to("listen")
            assert [message["type"] for message in request.messages] == ["Finalize", "CloseStream"]

    async def test_says_that_nothing_more_comes_when_all_was_final_before(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            # So much silence that Deepgram ends the utterance by itself.
            await self.audio(pipe, self.speech + bytes(self.rate_hz * 2))
            await pipe.down.wait(TranscriptionFrame, 1, BOUND_S)
            assert not finals(pipe)
            await pipe.send(VADUserStoppedSpeakingFrame(stop_secs=0.2))
            await pipe.down.wait(TranscriptCompleteFrame, 1, BOUND_S)
            assert [frame.text for frame in pipe.down.of(TranscriptionFrame)] == [self.words]
