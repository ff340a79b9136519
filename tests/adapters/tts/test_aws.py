import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import ErrorFrame, InterruptionFrame, TTSAudioRawFrame, TTSSpeakFrame, TTSStoppedFrame
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.tts.build import build_tts
from models.providers import TtsType
from tests.adapters.tts.contract import SENTENCE, VendorTtsContract, model_says, seconds
from tests.adapters.vendors import BOUND_S, KEY, first_error, patient_clients, until
from tests.standins.audio import signature
from tests.standins.aws import ACCESS_KEY, AwsStandIn
from tests.standins.faults import Faults
from tests.standins.pipeline import Pipe, piped

AWS_KEY = SecretStr(f"{ACCESS_KEY}:{KEY.get_secret_value()}")


class TestPolly(VendorTtsContract):
    tts_type = TtsType.AWS
    endpoint = "speech"
    stand_in = AwsStandIn
    key_form = ACCESS_KEY + ":{}"
    long_chars = 4000


class TestPollyWideband(TestPolly):
    rate_hz = 16_000
    audio_rate_hz = 16_000


def voice_of(
    vendor: AwsStandIn,
    clients: SharedClients,
    *,
    voice: str = "",
    language: str = "",
    options: Mapping[str, str] | None = None,
    rate_hz: int = 8000,
) -> TTSService:
    return build_tts(
        TtsType.AWS,
        key=AWS_KEY,
        voice=voice,
        language=language,
        sample_rate_hz=rate_hz,
        resources=clients,
        environ={"AICALL_BASE_URL_AWS": vendor.base_url},
        options=options,
    )


@asynccontextmanager
async def speaking(
    vendor: AwsStandIn,
    voice: str = "",
    language: str = "",
    options: Mapping[str, str] | None = None,
    rate_hz: int = 8000,
) -> AsyncIterator[Pipe]:
    async with (
        vendor,
        patient_clients() as clients,
        piped(
            voice_of(vendor, clients, voice=voice, language=language, options=options, rate_hz=rate_hz), rate_hz
        ) as pipe,
    ):
        yield pipe


async def say(pipe: Pipe, text: str = SENTENCE, count: int = 1) -> bytes:
    await pipe.send(TTSSpeakFrame(text))
    await pipe.down.wait(TTSStoppedFrame, count, BOUND_S)
    assert not pipe.up.of(ErrorFrame)
    return b"".join(frame.audio for frame in pipe.down.of(TTSAudioRawFrame))


@pytest.mark.parametrize("rate_hz", [8000, 16_000])
async def test_every_sample_arrives(rate_hz: int) -> None:
    async with speaking(AwsStandIn(), rate_hz=rate_hz) as pipe:
        assert await say(pipe) == signature(SENTENCE, rate_hz)


async def test_samples_that_are_cut_in_two_are_put_together() -> None:
    vendor = AwsStandIn()
    vendor.speech_piece_bytes = 333
    async with speaking(vendor) as pipe:
        vendor.endpoint_faults["speech"] = Faults(chunk_delay_s=0.001)
        assert await say(pipe) == signature(SENTENCE, 8000)
        frames = pipe.down.of(TTSAudioRawFrame)
        assert len(frames) > 10
        assert all(len(frame.audio) % 2 == 0 for frame in frames)


async def test_what_is_no_audio_is_not_played() -> None:
    vendor = AwsStandIn(endpoint_faults={"speech": Faults(answer=("text/html", b"<html>Sign in</html>"))})
    async with speaking(vendor) as pipe:
        await model_says(pipe, SENTENCE)
        await first_error(pipe, ErrorCategory.SERVER)
        assert not pipe.down.of(TTSAudioRawFrame)


async def test_a_stalled_answer_is_closed() -> None:
    vendor = AwsStandIn(endpoint_faults={"speech": Faults(stall_after=3)})
    async with speaking(vendor) as pipe:
        await model_says(pipe, SENTENCE)
        # As long as somebody keeps the error, its traceback keeps everything that could be forgotten.
        error = await first_error(pipe, ErrorCategory.CONNECTIVITY)
        await until(lambda: not vendor.open_streams)
        assert error.exception is not None


async def test_other_rates_are_asked_for_at_the_next_that_there_is() -> None:
    vendor = AwsStandIn()
    async with speaking(vendor, rate_hz=24_000) as pipe:
        assert await say(pipe) == signature(SENTENCE, 16_000)
        assert {frame.sample_rate for frame in pipe.down.of(TTSAudioRawFrame)} == {16_000}


@pytest.mark.parametrize(
    ("voice", "language", "options", "engine", "code"),
    [
        pytest.param("", "en-US", {}, "neural", None, id="neural first"),
        pytest.param("Mizuki", "ja-JP", {}, "standard", None, id="standard only"),
        pytest.param("Patrick", "en-US", {}, "long-form", None, id="long-form only"),
        pytest.param("Joanna", "", {"engine": "generative"}, "generative", None, id="as told"),
        pytest.param("Aditi", "hi-IN", {}, "standard", "hi-IN", id="bilingual"),
        pytest.param("Kajal", "hi-IN", {"engine": "generative"}, "generative", "hi-IN", id="bilingual, as told"),
        pytest.param("Kajal", "en-US", {}, "neural", "en-IN", id="bilingual, another accent"),
        pytest.param("Kajal", "de-DE", {}, "neural", None, id="bilingual, another language"),
    ],
)
async def test_engine_and_language_are_those_of_the_voice(
    voice: str, language: str, options: Mapping[str, str], engine: str, code: str | None
) -> None:
    vendor = AwsStandIn()
    async with speaking(vendor, voice, language, options) as pipe:
        await say(pipe)
        (request,) = vendor.requests_to("speech")
        assert (request.body["Engine"], request.body.get("LanguageCode")) == (engine, code)
        assert request.body["VoiceId"] == voice or "Joanna"
        assert request.body["SampleRate"] == "8000"


async def test_nothing_is_asked_of_the_voices_when_all_is_told() -> None:
    vendor = AwsStandIn()
    async with speaking(vendor, options={"engine": "neural"}) as pipe:
        await say(pipe)
        assert not vendor.requests_to("voices")


async def test_an_engine_that_the_voice_lacks_shows() -> None:
    async with speaking(AwsStandIn(), "Mizuki", options={"engine": "neural"}) as pipe:
        await pipe.send(TTSSpeakFrame(SENTENCE))
        await first_error(pipe, ErrorCategory.INVALID_REQUEST)


async def test_the_voices_are_asked_for_once_for_all_calls() -> None:
    async with AwsStandIn(page=100) as vendor, patient_clients() as clients:
        for _ in range(3):
            async with piped(voice_of(vendor, clients, language="en-US"), 8000) as pipe:
                await say(pipe)
        assert len(vendor.requests_to("voices")) == 1
        assert len(vendor.requests_to("speech")) == 3


async def test_a_key_that_may_only_speak_leaves_the_engine_to_polly() -> None:
    vendor = AwsStandIn(endpoint_faults={"voices": Faults(status=403)})
    async with speaking(vendor, language="en-US") as pipe:
        await say(pipe)
        await say(pipe, count=2)
        assert ["Engine" in request.body for request in vendor.requests_to("speech")] == [False, False]


async def test_the_first_sentence_finds_a_connection_open() -> None:
    vendor = AwsStandIn()
    async with speaking(vendor) as pipe:
        early = [task for task in asyncio.all_tasks() if task.get_name().startswith("preconnect")]
        await asyncio.gather(*early)
        assert sorted(task.get_name() for task in early) == ["preconnect tts", "preconnect voices"]
        assert vendor.connections_made == 1
        await say(pipe)
        assert vendor.connections_made == 1
        assert len(vendor.requests_to("speech")) == 1


async def test_speech_begins_before_it_is_whole() -> None:
    vendor = AwsStandIn()
    async with speaking(vendor) as pipe:
        vendor.endpoint_faults["speech"] = Faults(stall_after=3)
        await pipe.send(TTSSpeakFrame(SENTENCE))
        await pipe.down.until(lambda: seconds(pipe) > 0.29, BOUND_S)
        assert vendor.open_streams == 1


async def test_an_interruption_closes_the_connection() -> None:
    async with AwsStandIn() as vendor, patient_clients() as clients, piped(voice_of(vendor, clients), 8000) as pipe:
        await say(pipe, "Yes.")
        assert vendor.open_connections == 1
        vendor.endpoint_faults["speech"] = Faults(stall_after=3)
        await model_says(pipe, SENTENCE)
        await until(lambda: vendor.open_streams)
        await pipe.down.until(lambda: seconds(pipe) > 0.5, BOUND_S)
        await pipe.send(InterruptionFrame())
        await until(lambda: not vendor.open_streams)
        assert vendor.open_connections == 0


async def test_a_long_text_is_spoken_in_parts() -> None:
    words = "word " * 1000
    vendor = AwsStandIn()
    async with speaking(vendor, options={"engine": "neural"}) as pipe:
        await pipe.send(TTSSpeakFrame(words))
        await pipe.down.until(lambda: len(vendor.requests_to("speech")) == 2, BOUND_S)
        texts = [request.body["Text"] for request in vendor.requests_to("speech")]
        assert all(len(text) <= 3000 for text in texts)
        assert " ".join(texts).split() == words.split()


@pytest.mark.parametrize("text", ["Grüße & <Küsse>", "مرحبا بالعالم", "日本語を話します。", "naïve café 🦜"])
async def test_any_text_is_spoken_as_it_is(text: str) -> None:
    vendor = AwsStandIn()
    async with speaking(vendor, options={"engine": "neural"}) as pipe:
        assert await say(pipe, text) == signature(text, 8000)


@pytest.mark.parametrize(
    ("text", "types", "heard"),
    [
        pytest.param('Wait <break time="1s"/> here.', ["ssml"], "Wait  here.", id="tags"),
        pytest.param("<speak>Hello there.</speak>", ["ssml"], "Hello there.", id="a document"),
        pytest.param("<emphasis>Fish & chips.", ["ssml", "text"], "Fish & chips.", id="malformed"),
    ],
)
async def test_a_prompt_may_ask_for_ssml(text: str, types: list[str], heard: str) -> None:
    vendor = AwsStandIn()
    async with speaking(vendor, options={"text_type": "ssml"}) as pipe:
        assert await say(pipe, text) == signature(heard, 8000)
        assert [request.body["TextType"] for request in vendor.requests_to("speech")] == types


async def test_a_vendor_in_trouble_while_the_voices_are_asked_for_is_asked_again() -> None:
    vendor = AwsStandIn(endpoint_faults={"voices": Faults(status=500)})
    async with speaking(vendor) as pipe:
        await pipe.send(TTSSpeakFrame(SENTENCE))
        await first_error(pipe, ErrorCategory.SERVER)
        assert not vendor.requests_to("speech")
        vendor.endpoint_faults.clear()
        await model_says(pipe, SENTENCE)
        await pipe.down.until(lambda: seconds(pipe) > 1, BOUND_S)
