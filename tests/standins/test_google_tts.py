"""The Text-to-Speech stand-in under Google's own client."""

import grpc
import pytest
from google.api_core.exceptions import InvalidArgument, Unauthenticated
from google.cloud.texttospeech_v1 import TextToSpeechAsyncClient
from google.cloud.texttospeech_v1.services.text_to_speech.transports import TextToSpeechGrpcAsyncIOTransport

from tests.standins.audio import signature
from tests.standins.google_tts import VOICES, GoogleTtsStandIn

WAVENET = {"language_code": "en-US", "name": "en-US-Wavenet-D"}
CHIRP = {"language_code": "en-US", "name": "en-US-Chirp3-HD-Charon"}
TEXT = "Good morning, this is the clinic speaking."


class Api:
    def __init__(self, stand_in):
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{stand_in.port}")
        self.client = TextToSpeechAsyncClient(transport=TextToSpeechGrpcAsyncIOTransport(channel=self.channel))
        self.options = {"metadata": [("authorization", "Bearer any")], "timeout": 5}

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.channel.close()

    async def speak(self, source=None, voice=WAVENET, **config):
        request = {
            "input": {"text": TEXT} if source is None else source,
            "voice": voice,
            "audio_config": {"audio_encoding": "LINEAR16", "sample_rate_hertz": 8000} | config,
        }
        return (await self.client.synthesize_speech(request, **self.options)).audio_content

    async def stream(self, *texts, voice=CHIRP, **config):
        audio = {"audio_encoding": "PCM", "sample_rate_hertz": 8000} | config
        requests = [{"streaming_config": {"voice": voice, "streaming_audio_config": audio}}]
        requests += [{"input": {"text": text}} for text in texts]
        responses = await self.client.streaming_synthesize(iter(requests), **self.options)
        return [response.audio_content async for response in responses]


async def test_a_sentence_comes_as_a_file():
    async with GoogleTtsStandIn(keys=None) as s, Api(s) as api:
        wav = await api.speak()
        assert (wav[:4], wav[8:12], wav[36:40]) == (b"RIFF", b"WAVE", b"data")
        assert int.from_bytes(wav[24:28], "little") == 8000
        assert wav[44:] == signature(TEXT, 8000)
        assert (await api.speak({"ssml": f"<speak>{TEXT}</speak>"}))[44:] == signature(TEXT, 8000)
        assert (await api.speak(sample_rate_hertz=0))[44:] == signature(TEXT, 24_000)


async def test_a_stream_comes_in_pieces_that_are_not_whole_samples():
    async with GoogleTtsStandIn(keys=None) as s, Api(s) as api:
        pieces = await api.stream(TEXT, "Bye.")
        assert b"".join(pieces) == signature(TEXT, 8000) + signature("Bye.", 8000)
        assert any(len(piece) % 2 for piece in pieces)


async def test_voices_are_listed():
    async with GoogleTtsStandIn(keys=None) as s, Api(s) as api:
        listed = await api.client.list_voices(**api.options)
        assert [voice.name for voice in listed.voices] == list(VOICES)
        german = await api.client.list_voices(language_code="de-DE", **api.options)
        assert [voice.name for voice in german.voices] == ["de-DE-Chirp3-HD-Kore"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": {}}, "must be set"),
        ({"source": {"text": "x" * 5001}}, "5000 bytes"),
        ({"source": {"ssml": "<speak>"}}, "Invalid SSML"),
        ({"voice": {"name": "en-US-Wavenet-D"}}, "language_code"),
        ({"voice": WAVENET | {"name": "en-US-None-A"}}, "does not exist"),
        ({"voice": WAVENET | {"language_code": "de-DE"}}, "doesn't match"),
        ({"audio_encoding": "PCM"}, "only supports"),
        ({"sample_rate_hertz": 4000}, "sample_rate_hertz"),
    ],
)
async def test_what_the_vendor_refuses_of_a_sentence(arguments, words):
    async with GoogleTtsStandIn(keys=None) as s, Api(s) as api:
        with pytest.raises(InvalidArgument, match=words):
            await api.speak(**arguments)


@pytest.mark.parametrize(
    ("texts", "arguments", "words"),
    [
        ([TEXT], {"voice": WAVENET}, "only Chirp 3: HD"),
        ([TEXT], {"voice": {}}, "streaming_config"),
        ([TEXT], {"audio_encoding": "LINEAR16"}, "supports PCM"),
        ([""], {}, "must carry an `input`"),
    ],
)
async def test_what_the_vendor_refuses_of_a_stream(texts, arguments, words):
    async with GoogleTtsStandIn(keys=None) as s, Api(s) as api:
        with pytest.raises(InvalidArgument, match=words):
            await api.stream(*texts, **arguments)


async def test_an_account_must_be_known():
    async with GoogleTtsStandIn() as s, Api(s) as api:
        with pytest.raises(Unauthenticated) as refused:
            await api.speak()
        assert refused.value.reason == "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        api.options["metadata"] = []
        with pytest.raises(Unauthenticated) as refused:
            await api.speak()
        assert refused.value.reason == "CREDENTIALS_MISSING"
