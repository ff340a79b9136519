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
from pipecat.services.stt_service import STTService
from pydantic import SecretStr

from adapters.breaker import Circuits
from adapters.clients import SharedClients
from adapters.llm.script import ScriptLLMService, load_script
from adapters.stt.frames import SpeechNotUnderstoodFrame
from adapters.stt.pocketsphinx import PocketsphinxSTTService
from adapters.tts.espeak import EspeakTTSService
from models.ai import AiSecrets
from models.aicall import Aicall
from models.errors import InvalidField
from models.providers import EngineModel
from pipelines.conversation.types import VoiceServices
from pipelines.failover.failover import Failover
from pipelines.failover.failures import Seat
from pipelines.voice_services import expected_phrases, make_voice_services
from tests.adapters.vendors import patient_clients, until
from tests.models.seeds import AICALL_001
from tests.pipelines import sounds
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.openai import OpenAIStandIn
from tests.standins.pipeline import piped

EMBEDDED: dict[str, Any] = {
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
    environ, circuits = changes.pop("environ", {}), changes.pop("circuits", None)
    how: dict[str, Any] = {"init_prompt": "You help.", "variables": {}, "sample_rate_hz": 8_000, "stop_secs": 0.2} | {
        name: changes.pop(name)
        for name in ("init_prompt", "variables", "sample_rate_hz", "stop_secs")
        if name in changes
    }
    aicall = Aicall.model_validate(AICALL_001 | changes)
    return make_voice_services(aicall, secrets, clients=clients, environ=environ, circuits=circuits, **how)


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
        assert isinstance(made.stt, STTService)
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


# Seats with several vendors.

FALLBACK = {
    "llm": [{"engine_model": "anthropic.claude-sonnet-4-6"}],
    "stt": [{"stt_type": "elevenlabs", "stt_language": "fr"}],
    "tts": [{"tts_type": "openai", "tts_voice_id": "nova"}],
}
SPARE_KEYS = {name: SecretStr("spare") for name in ("llm.anthropic.0", "stt.elevenlabs.0", "tts.openai.0")}
WITH_SPARES = KEYS.model_copy(update={"fallback_keys": SPARE_KEYS})


def spared(clients: SharedClients, circuits: Circuits | None = None, **changes: Any) -> VoiceServices:
    how = {"parameter": {"fallback": FALLBACK}, **changes}
    return services(clients, how.pop("secrets", WITH_SPARES), circuits=circuits, **how)


def test_a_seat_with_one_vendor_has_nothing_around_it(clients: SharedClients) -> None:
    made = services(clients)
    assert not any(isinstance(service, Failover) for service in (made.stt, made.llm, made.tts))
    assert {seat.value: made.provider(seat) for seat in Seat} == {
        "stt": "deepgram",
        "llm": "openai",
        "tts": "elevenlabs",
    }
    assert {seat: circuit.provider for seat, circuit in made.circuits.items()} == dict(made.providers)
    assert made.may_speculate


def test_a_seat_with_several_vendors_begins_on_the_first(clients: SharedClients) -> None:
    made = spared(clients)
    assert [made.provider(seat) for seat in (Seat.STT, Seat.LLM, Seat.TTS)] == ["deepgram", "openai", "elevenlabs"]
    # It looks after its circuits itself.
    assert made.circuits == {}
    assert made.voice_identity == services(clients).voice_identity


def test_a_seat_begins_on_the_second_vendor_when_the_first_is_known_to_fail(clients: SharedClients) -> None:
    circuits = Circuits(lambda: 0.0)
    alone = services(clients, circuits=circuits)
    for circuit in alone.circuits.values():
        circuit.failed("authentication")
    made = spared(clients, circuits)
    assert [made.provider(seat) for seat in (Seat.STT, Seat.LLM, Seat.TTS)] == ["elevenlabs", "anthropic", "openai"]
    # The greeting of another voice is another one.
    assert made.voice_identity not in ("", alone.voice_identity)


@pytest.mark.parametrize("own", [True, False])
def test_a_vendor_whose_key_went_is_passed_over(clients: SharedClients, own: bool) -> None:
    secrets = KEYS if own else WITH_SPARES.model_copy(update={"engine_key": SecretStr("")})
    made = spared(clients, secrets=secrets)
    assert made.provider(Seat.LLM) == ("openai" if own else "anthropic")


def test_when_no_vendor_has_a_key_the_ais_own_is_named(clients: SharedClients) -> None:
    with pytest.raises(InvalidField) as refused:
        spared(clients, secrets=AiSecrets(tts_key=SecretStr("t"), stt_key=SecretStr("s")))
    assert refused.value.field == "engine_key"


def test_a_script_among_the_models_is_not_asked_in_vain(clients: SharedClients) -> None:
    fallback = {"llm": [{"engine_model": "script.receptionist"}]}
    assert not services(clients, parameter={"fallback": fallback}).may_speculate
