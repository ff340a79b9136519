from pipecat.frames.frames import ErrorFrame, TTSSpeakFrame, TTSStoppedFrame, TTSTextFrame
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from models.providers import TtsType
from tests.adapters.tts.contract import SENTENCE, VendorTtsContract
from tests.adapters.vendors import first_error, impatient_clients, until
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.pipeline import piped


class TestElevenLabs(VendorTtsContract):
    tts_type = TtsType.ELEVENLABS
    endpoint = "multi"
    stand_in = ElevenLabsStandIn

    async def test_says_when_each_word_is_spoken(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame)
            words = pipe.down.of(TTSTextFrame)
            assert [frame.text.strip() for frame in words] == SENTENCE.split()
            times = [frame.pts for frame in words if frame.pts is not None]
            assert len(times) == len(words)
            assert times == sorted(times)

    async def test_asks_for_telephone_audio(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz):
            await until(lambda: self.vendor.requests)
            (request,) = self.vendor.requests_to("multi")
            assert request.query["output_format"] == "pcm_8000"
            assert request.query["model_id"] == "eleven_flash_v2_5"
            assert request.query["language_code"] == "en"
            assert request.path == "/v1/text-to-speech/EXAVITQu4vr4xnSDxMaL/multi-stream-input"

    async def test_a_key_that_is_refused_after_the_upgrade_is_not_tried_again(self) -> None:
        async with ElevenLabsStandIn() as vendor, impatient_clients() as clients:
            tts = self.build(vendor, clients, SecretStr("wrong"))
            async with piped(tts, self.rate_hz) as pipe:
                await first_error(pipe, ErrorCategory.AUTHENTICATION)
                assert not tts.is_usable
                await pipe.send(TTSSpeakFrame(SENTENCE))
            assert len(vendor.requests) == 1

    async def test_a_passing_close_is_got_over(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await until(lambda: self.vendor.requests)
            self.vendor.drop_connections()
            await until(lambda: len(self.vendor.requests) == 2)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame)
            assert not pipe.up.of(ErrorFrame)
