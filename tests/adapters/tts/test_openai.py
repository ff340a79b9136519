import asyncio

from pipecat.frames.frames import TTSSpeakFrame, TTSStoppedFrame

from models.providers import TtsType
from tests.adapters.tts.contract import SENTENCE, VendorTtsContract
from tests.adapters.vendors import BOUND_S
from tests.standins.openai import OpenAIStandIn
from tests.standins.pipeline import piped


class TestOpenAi(VendorTtsContract):
    tts_type = TtsType.OPENAI
    endpoint = "speech"
    stand_in = OpenAIStandIn
    audio_rate_hz = 24_000

    async def test_the_first_sentence_finds_a_connection_open(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "preconnect tts"))
            assert self.vendor.connections_made == 1
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert self.vendor.connections_made == 1
