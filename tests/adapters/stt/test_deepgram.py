from pipecat.frames.frames import VADUserStartedSpeakingFrame

from models.providers import SttType
from tests.adapters.stt.contract import VendorSttContract, finals
from tests.adapters.vendors import BOUND_S, patient_clients, until
from tests.standins.audio import signature
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.pipeline import piped


class TestDeepgram(VendorSttContract):
    stt_type = SttType.DEEPGRAM
    endpoint = "listen"
    stand_in = DeepgramStandIn
    words = "I would like an appointment"

    @property
    def speech(self) -> bytes:
        return signature("a sentence of about two seconds", self.rate_hz)

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
            assert "sec-websocket-extensions" not in request.headers

    async def test_leaves_the_language_to_deepgram_when_none_is_given(self) -> None:
        async with self.hearing():
            async with (
                patient_clients() as clients,
                piped(self.build(self.vendor, clients, language=""), self.rate_hz),
            ):
                await until(lambda: self.vendor.requests)
            assert "language" not in self.vendor.requests[0].query

    async def test_says_goodbye(self) -> None:
        async with self.hearing() as stt:
            async with piped(stt, self.rate_hz) as pipe:
                await self.caller_says(pipe, self.speech)
                await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            (request,) = self.vendor.requests_to("listen")
            assert [message["type"] for message in request.messages] == ["Finalize", "CloseStream"]

    async def test_what_was_transcribed_is_not_heard_again(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            self.vendor.drop_connections()
            await pipe.send(VADUserStartedSpeakingFrame())
            await until(lambda: len(self.vendor.requests_to("listen")) == 2)
            second = self.vendor.requests_to("listen")[1]
            await self.audio(pipe, self.speech)
            await until(lambda: second.audio_bytes >= len(self.speech))
            # Of what was said before, at most the 20 ms that the last result ended in come again.
            assert bytes(second.audio).endswith(self.speech)
            assert len(second.audio) - len(self.speech) <= self.rate_hz * 2 // 50
