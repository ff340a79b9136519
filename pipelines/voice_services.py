"""Makes the three services of a voice call from an AIcall and its AI's keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.clients import SharedClients
from adapters.llm.build import build_llm
from adapters.stt.build import build_stt
from adapters.tts.build import build_tts, voice_identity
from models.ai import AiSecrets
from models.aicall import Aicall
from models.options import CallOptions
from models.providers import EngineModel, LlmProvider, SttType, TtsType
from pipelines.conversation import VoiceServices
from pipelines.prompts import system_instruction


def make_voice_services(
    aicall: Aicall,
    secrets: AiSecrets,
    *,
    init_prompt: str,
    variables: Mapping[str, str],
    sample_rate_hz: int,
    stop_secs: float,
    clients: SharedClients,
    environ: Mapping[str, str],
) -> VoiceServices:
    """Make recogniser, model and voice; no connection is opened yet.

    Args:
        aicall: What the call runs with.
        secrets: The AI's keys.
        init_prompt: The AI's system prompt.
        variables: What ``${name}`` in the prompt stands for.
        sample_rate_hz: Rate of the call's audio, Hz.
        stop_secs: The VAD's silence window, seconds.
        clients: The process's shared clients.
        environ: Environment variables, for vendor keys and endpoints.

    Raises:
        InvalidField: A provider cannot be used here, or its key is missing.
    """
    engine = EngineModel.parse(aicall.ai_engine_model)
    options = CallOptions.model_validate(aicall.parameter)
    stt = build_stt(
        SttType(aicall.ai_stt_type),
        key=secrets.stt_key,
        language=aicall.stt_language,
        sample_rate_hz=sample_rate_hz,
        stop_secs=stop_secs,
        resources=clients,
        environ=environ,
        phrases=expected_phrases(engine),
        options=options.stt_options,
    )
    llm = build_llm(
        engine,
        key=secrets.engine_key,
        system_instruction=system_instruction(init_prompt, aicall.parameter, variables),
        resources=clients,
        environ=environ,
        options=options.llm_options,
        session_id=str(aicall.id),
        language=aicall.stt_language,
    )
    voice: dict[str, Any] = {
        "key": secrets.tts_key,
        "voice": aicall.ai_tts_voice_id,
        "language": aicall.stt_language,
        "sample_rate_hz": sample_rate_hz,
        "resources": clients,
        "environ": environ,
        "options": options.tts_options,
    }
    tts_type = TtsType(aicall.ai_tts_type)
    return VoiceServices(
        stt=stt, llm=llm, tts=build_tts(tts_type, **voice), voice_identity=voice_identity(tts_type, **voice)
    )


def expected_phrases(engine: EngineModel) -> list[str]:
    """Return what a caller may say to a script; nothing is known of what they say to a model."""
    if engine.provider is not LlmProvider.SCRIPT:
        return []
    from adapters.llm.script import load_script  # noqa: PLC0415 - only where a script is used

    return list(load_script(engine.model).phrases())
