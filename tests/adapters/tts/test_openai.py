from pipecat.frames.frames import TTSSpeakFrame, TTSStoppedFrame

from models.providers import TtsType
from tests.adapters.tts.contract import SENTENCE
from tests.adapters.tts.contract_http import HttpTtsContract
from tests.adapters.vendors import BOUND_S
from tests.standins.openai import OpenAIStandIn
from tests.standins.pipeline import piped


class TestOpenAi(HttpTtsContract):
    tts_type = TtsType.OPENAI
    endpoint = "speech"
    stand_in = OpenAIStandIn
    audio_rate_hz = 24_000
    long_chars = 4300

    async def test_asks_for_raw_audio(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            (request,) = self.vendor.requests_to("speech")
            assert request.body == {
                "input": SENTENCE,
                "model": "gpt-4o-mini-tts",
                "voice": "alloy",
                "response_format": "pcm",
            }
