from models.providers import TtsType
from tests.adapters.tts.contract import VendorTtsContract
from tests.standins.openai import OpenAIStandIn


class TestOpenAi(VendorTtsContract):
    tts_type = TtsType.OPENAI
    endpoint = "speech"
    stand_in = OpenAIStandIn
    audio_rate_hz = 24_000
