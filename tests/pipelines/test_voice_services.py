from collections.abc import AsyncIterator
from typing import Any

import pytest
from pipecat.frames.frames import (
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.llm.script import ScriptLLMService, load_script
from adapters.stt.frames import SpeechNotUnderstoodFrame
from adapters.stt.pocketsphinx import PocketsphinxSTTService
from adapters.tts.espeak import EspeakTTSService
from models.ai import AiSecrets
from models.aicall import Aicall
from models.errors import InvalidField
from models.providers import EngineModel
from pipelines.conversation import VoiceServices
from pipelines.voice_services import expected_phrases, make_voice_services
from tests.adapters.vendors import patient_clients, until
from tests.models.seeds import AICALL_001
from tests.pipelines import sounds
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.openai import OpenAIStandIn
from tests.standins.pipeline import piped

EMBEDDED = {
    "ai_engine_model": "script.receptionist",
    "ai_stt_type": "pocketsphinx",
    "ai_tts_type": "espeak",
    "ai_tts_voice_id": "en-gb",
}
KEYS = AiSecrets(engine_key=SecretStr("llm-key"), stt_key=SecretStr("stt-key"), tts_key=SecretStr("tts-key"))


@pytest.fixture
async def clients() -> AsyncIterator[SharedClients]:
    async with patient_clients() as made:
        yield made


def services(clients: SharedClients, secrets: AiSecrets = KEYS, **changes: Any) -> VoiceServices:
    environ = changes.pop("environ", {})
    how = {"init_prompt": "You help.", "variables": {}, "sample_rate_hz": 8_000, "stop_secs": 0.2} | {
        name: changes.pop(name)
        for name in ("init_prompt", "variables", "sample_rate_hz", "stop_secs")
        if name in changes
    }
    aicall = Aicall.model_validate(AICALL_001 | changes)
    return make_voice_services(aicall, secrets, clients=clients, environ=environ, **how)


def test_the_embedded_services_need_no_key(clients: SharedClients) -> None:
    made = services(clients, AiSecrets(), **EMBEDDED)
    assert isinstance(made.stt, PocketsphinxSTTService)
    assert isinstance(made.llm, ScriptLLMService)
    assert isinstance(made.tts, EspeakTTSService)


async def test_every_seat_gets_its_own_key_and_what_the_call_says(clients: SharedClients) -> None:
    async with (
        OpenAIStandIn(keys=["llm-key"], reply=["Hi."]) as llm,
        DeepgramStandIn(keys=["stt-key"]) as stt,
        ElevenLabsStandIn(keys=["tts-key"]) as tts,
    ):
        made = services(
            clients,
            init_prompt="Help ${name}.",
            variables={"name": "Ann"},
            parameter={"greeting": "Hello.", "shop": "of ${name}"},
            stt_language="en-GB",
            ai_tts_voice_id="a-voice",
            environ={
                "AICALL_BASE_URL_OPENAI": llm.base_url,
                "AICALL_BASE_URL_DEEPGRAM": stt.base_url,
                "AICALL_BASE_URL_ELEVENLABS": tts.base_url,
            },
        )
        # Nothing is opened before the pipeline runs.
        assert [vendor.requests for vendor in (llm, stt, tts)] == [[], [], []]
        async with piped(made.llm, 8_000) as pipe:
            await pipe.send(LLMContextFrame(LLMContext([{"role": "user", "content": "Hello"}])))
            await pipe.down.wait(LLMFullResponseEndFrame)
        async with piped(made.stt, 8_000):
            await stt.until(lambda: bool(stt.requests))
        async with piped(made.tts, 8_000) as pipe:
            await pipe.send(TTSSpeakFrame("Hello."))
            await pipe.down.wait(TTSStoppedFrame)
        system = llm.requests[0].body["messages"][0]
        assert system == {"role": "system", "content": 'Help Ann.\n\nParameters: {"shop": "of Ann"}'}
        assert llm.requests[0].body["model"] == "gpt-4o"
        assert stt.requests[0].query["language"] == "en-GB"
        assert stt.requests[0].query["sample_rate"] == "8000"
        assert "a-voice" in tts.requests[0].path
        await until(lambda: not (stt.open_connections or tts.open_connections))


async def test_the_recogniser_waits_no_less_for_a_longer_silence(clients: SharedClients) -> None:
    def wait_s(stop_secs: float) -> float:
        made = services(clients, stop_secs=stop_secs)
        return made.stt._ttfs_p99_latency or 0.0

    assert wait_s(1.2) - wait_s(0.2) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("secrets", "field"),
    [
        pytest.param({"engine_key": SecretStr("")}, "engine_key", id="llm"),
        pytest.param({"stt_key": SecretStr("")}, "parameter.stt_key", id="stt"),
        pytest.param({"tts_key": SecretStr("")}, "parameter.tts_key", id="tts"),
    ],
)
async def test_a_missing_key_is_named(clients: SharedClients, secrets: dict[str, SecretStr], field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        services(clients, KEYS.model_copy(update=secrets))
    assert refused.value.field == field
    assert "-key" not in str(refused.value)


async def test_a_script_that_is_not_there(clients: SharedClients) -> None:
    with pytest.raises(InvalidField) as refused:
        services(clients, **EMBEDDED | {"ai_engine_model": "script.nobody"})
    assert refused.value.field == "engine_model"


def test_what_a_caller_may_say_to_a_script_is_known() -> None:
    phrases = expected_phrases(EngineModel.parse("script.receptionist"))
    assert phrases == list(load_script("receptionist").phrases())
    assert "what are your opening hours" in phrases


@pytest.mark.parametrize("model", ["openai.gpt-4o", "anthropic.claude-sonnet-4-5"])
def test_what_a_caller_may_say_to_a_model_is_not(model: str) -> None:
    assert expected_phrases(EngineModel.parse(model)) == []


async def test_the_embedded_recogniser_knows_what_the_script_understands(clients: SharedClients) -> None:
    made = services(clients, AiSecrets(), sample_rate_hz=16_000, **EMBEDDED)
    async with piped(made.stt, 16_000) as pipe:
        for text in ("what are your opening hours", "the quick brown fox jumps over it"):
            await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            await pipe.send(InputAudioRawFrame(sounds.speech(16_000, text, "en-gb").tobytes(), 16_000, 1))
            await pipe.send(VADUserStoppedSpeakingFrame(stop_secs=0.2))
        # Each is decoded by itself, and the shorter work may be done first.
        await pipe.down.wait(TranscriptionFrame)
        await pipe.down.wait(SpeechNotUnderstoodFrame)
        assert [frame.text for frame in pipe.down.of(TranscriptionFrame)] == ["what are your opening hours"]
