from pipecat.frames.frames import TranscriptionFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame

from adapters.stt.frames import CallerPausedFrame, CallerResumedFrame, TranscriptCompleteFrame
from models.providers import SttType
from tests.adapters.stt.contract import VendorSttContract, finals
from tests.adapters.vendors import BOUND_S, patient_clients, until
from tests.standins.audio import signature
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.pipeline import Pipe, piped


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

    async def pauses(self, pipe: Pipe, pcm: bytes) -> None:
        await self.audio(pipe, pcm + bytes(int(self.rate_hz * 0.1) * 2))
        await pipe.send(CallerPausedFrame(silence_s=0.1))

    async def test_is_asked_for_its_result_in_the_pause_and_not_again_in_the_silence(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            await self.pauses(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            await pipe.send(VADUserStoppedSpeakingFrame(stop_secs=0.2))
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: len(finals(pipe)) == 2, BOUND_S)
        (request,) = self.vendor.requests_to("listen")
        assert [message["type"] for message in request.messages] == ["Finalize", "Finalize", "CloseStream"]

    async def test_only_the_answer_to_the_last_pause_is_final(self) -> None:
        """The caller goes on before the answer to the first is there."""
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            await until(lambda: self.vendor.requests)
            self.vendor.stt_final_delay_s = 0.3
            await self.pauses(pipe, self.speech)
            await pipe.send(CallerResumedFrame())
            await self.pauses(pipe, self.speech)
            await pipe.send(VADUserStoppedSpeakingFrame(stop_secs=0.2))
            await pipe.down.wait(TranscriptionFrame, 2, BOUND_S)
            assert [frame.finalized for frame in pipe.down.of(TranscriptionFrame)] == [False, True]
        (request,) = self.vendor.requests_to("listen")
        assert [message["type"] for message in request.messages] == ["Finalize", "Finalize", "CloseStream"]

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
