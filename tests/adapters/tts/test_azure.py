import pytest
from pipecat.frames.frames import ErrorFrame, TTSSpeakFrame, TTSStoppedFrame
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.credentials import resolve_base_url, resolve_options
from adapters.tts.azure import speak
from adapters.tts.table import TTS_TABLE
from models.errors import InvalidField
from models.providers import TtsType
from tests.adapters.tts.contract import SENTENCE
from tests.adapters.tts.contract_http import HttpTtsContract
from tests.standins.azure_speech import AzureSpeechStandIn
from tests.standins.pipeline import piped


class TestAzure(HttpTtsContract):
    tts_type = TtsType.AZURE
    endpoint = "speech"
    stand_in = AzureSpeechStandIn
    long_chars = 5200

    async def test_asks_for_telephone_audio_in_ssml(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame)
            (request,) = self.vendor.requests_to("speech")
            assert request.body == {"voice": "en-US-JennyNeural", "lang": "en-US", "text": SENTENCE}
            assert request.headers["x-microsoft-outputformat"] == "raw-8khz-16bit-mono-pcm"
            assert request.headers["user-agent"] == "aicall-runtime"

    async def test_a_voice_that_the_region_lacks_shows(self) -> None:
        self.voice = "en-US-NobodyNeural"  # type: ignore[misc]
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.up.until(lambda: bool(pipe.up.of(ErrorFrame)))
            assert pipe.up.of(ErrorFrame)[0].category is ErrorCategory.INVALID_REQUEST
            assert not tts.is_usable


@pytest.mark.parametrize(
    ("voice", "language"),
    [
        ("de-DE-KatjaNeural", "de-DE"),
        ("sr-Latn-RS-NicholasNeural", "sr-Latn-RS"),
        ("es-419-SomebodyNeural", "es-419"),
        ("zh-CN-liaoning-XiaobeiNeural", "zh-CN"),
        ("en-US-Ava:DragonHDLatestNeural", "en-US"),
        ("MyOwnVoice", "en-US"),
    ],
)
def test_the_voice_decides_the_language(voice: str, language: str) -> None:
    assert f' xml:lang="{language}">' in speak("Hello.", voice)


def test_neither_text_nor_voice_can_add_markup() -> None:
    assert speak("a<b>&c", 'x" y="<z>').endswith("<voice name='x\" y=\"&lt;z&gt;'>a&lt;b&gt;&amp;c</voice></speak>")


def test_a_region_is_needed_unless_there_is_an_endpoint() -> None:
    row = TTS_TABLE["azure"]
    options = resolve_options(row, {"region": "westeurope"}, {})
    assert resolve_base_url(row, {}, options) == "https://westeurope.tts.speech.microsoft.com"
    assert resolve_options(row, {}, {"AZURE_SPEECH_REGION": "eastus"}) == {"region": "eastus"}
    assert resolve_options(row, {}, {"AICALL_BASE_URL_AZURE": "https://host"}) == {"region": ""}
    for given in ({}, {"region": "evil.example/"}):
        with pytest.raises(InvalidField) as caught:
            resolve_options(row, given, {})
        assert caught.value.field == "parameter.tts_options.region"
    assert SecretStr
