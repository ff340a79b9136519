"""Conversations with a vendor in one of the seats: a stand-in on loopback, which can be told to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pipecat.services.llm_service import LLMService
from pipecat.services.tts_service import TTSService

from adapters.clients import SharedClients, VendorLimits
from adapters.llm.build import build_llm
from adapters.stt.build import build_stt
from adapters.tts.build import build_tts
from models.providers import EngineModel, SttType, TtsType
from pipelines.failover.stall_watch import StallLimits
from pipelines.vad.inference import InferenceEngine
from tests.adapters.vendors import IMPATIENT, KEY
from tests.pipelines import calls
from tests.pipelines.calls import GREETING, Call
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import Reply

APOLOGY = "We are sorry, please call again."
ONCE = replace(IMPATIENT, retries=0)
"""Clients that report a failure at once: the SDKs' own repetition takes as long as it likes."""
PATIENT = VendorLimits(quiet_s=1_000, retries=0)
"""Clients that leave it to the conversation to notice a silent vendor."""


@asynccontextmanager
async def clients(limits: VendorLimits = ONCE) -> AsyncIterator[SharedClients]:
    made = SharedClients(limits)
    try:
        yield made
    finally:
        await made.aclose()


def openai(vendor: OpenAIStandIn, made: SharedClients) -> LLMService[Any]:
    environ = {"AICALL_BASE_URL_OPENAI": vendor.base_url}
    engine = EngineModel.parse("openai.gpt-4o")
    return build_llm(engine, key=KEY, system_instruction="Be brief.", resources=made, environ=environ)


def openai_voice(vendor: OpenAIStandIn, made: SharedClients) -> TTSService:
    return build_tts(
        TtsType.OPENAI,
        key=KEY,
        voice="",
        language="en-US",
        sample_rate_hz=calls.RATE_HZ,
        resources=made,
        environ={"AICALL_BASE_URL_OPENAI": vendor.base_url},
    )


def elevenlabs(vendor: ElevenLabsStandIn, made: SharedClients) -> TTSService:
    return build_tts(
        TtsType.ELEVENLABS,
        key=KEY,
        voice="",
        language="en-US",
        sample_rate_hz=calls.RATE_HZ,
        resources=made,
        environ={"AICALL_BASE_URL_ELEVENLABS": vendor.base_url},
    )


@asynccontextmanager
async def modelled(
    inference: InferenceEngine,
    *replies: Reply | str,
    limits: VendorLimits = ONCE,
    stalls: StallLimits = calls.PATIENT_LIMITS,
    **how: Any,
) -> AsyncIterator[tuple[Call, OpenAIStandIn]]:
    """A call with a vendor's model, so that a test sees what the model is told."""
    async with OpenAIStandIn(reply=replies) as vendor, clients(limits) as made:
        services = calls.embedded(llm=openai(vendor, made))
        async with calls.calling(services, inference=inference, limits=stalls, **how) as call:
            yield call, vendor


def told(vendor: OpenAIStandIn) -> list[tuple[str, str]]:
    """What the model was told last, without the prompts."""
    messages = vendor.requests_to("chat")[-1].body["messages"]
    return [(it["role"], it["content"]) for it in messages if it["role"] in ("user", "assistant") and it.get("content")]


@asynccontextmanager
async def transcribed(
    inference: InferenceEngine, vendor: DeepgramStandIn, limits: VendorLimits = ONCE, **others: Any
) -> AsyncIterator[Call]:
    async with clients(limits) as made:
        stt = build_stt(
            SttType.DEEPGRAM,
            key=KEY,
            language="en-US",
            sample_rate_hz=calls.RATE_HZ,
            stop_secs=0.2,
            resources=made,
            environ={"AICALL_BASE_URL_DEEPGRAM": vendor.base_url},
        )
        options = {"apology": APOLOGY, "greeting": GREETING}
        async with calls.calling(calls.embedded(stt=stt, **others), inference=inference, options=options) as call:
            yield call
