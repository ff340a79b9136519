import pytest
from pipecat.frames.frames import TTSAudioRawFrame, TTSSpeakFrame, TTSStoppedFrame

from models.providers import TtsType
from tests.adapters.tts.contract import SENTENCE, VendorTtsContract
from tests.adapters.vendors import patient_clients
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.pipeline import piped


class TestDeepgram(VendorTtsContract):
    tts_type = TtsType.DEEPGRAM
    endpoint = "speak"
    stand_in = DeepgramStandIn

    @pytest.mark.parametrize(
        ("wanted_hz", "given_hz"), [(8000, 8000), (16_000, 16_000), (22_050, 24_000), (96_000, 48_000)]
    )
    async def test_asks_for_the_best_rate(self, wanted_hz: int, given_hz: int) -> None:
        async with DeepgramStandIn() as vendor, patient_clients() as clients:
            async with piped(self.build(vendor, clients, rate_hz=wanted_hz), wanted_hz) as pipe:
                await pipe.send(TTSSpeakFrame(SENTENCE))
                await pipe.down.wait(TTSStoppedFrame)
                assert {frame.sample_rate for frame in pipe.down.of(TTSAudioRawFrame)} == {given_hz}
            query = vendor.requests_to("speak")[0].query
            assert query == {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": str(given_hz)}
