"""A server whose AI has two vendors in each seat, and what a call on it left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.llm.table import LLM_TABLE
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from tests.runtime.calls.offices import events_of, office_ai
from tests.runtime.serving import Api, serving
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.base import DEFAULT_KEY, StandIn
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import Reply

FALLBACK = {
    "llm": [{"engine_model": "anthropic.claude-sonnet-4-6", "key": DEFAULT_KEY}],
    "stt": [{"stt_type": "elevenlabs", "key": DEFAULT_KEY}],
    "tts": [{"tts_type": "elevenlabs", "key": DEFAULT_KEY}],
}
"""Each seat's second vendor. The first ones are OpenAI and Deepgram."""

_SPEECH = ("deepgram", "elevenlabs")
ANSWER = "We are open on Monday and Tuesday from eight. On Wednesday we open at ten."
GREETING = "Hello."
QUESTION = "is anybody there"
"""What the caller says: without a pause, which would be two turns on a slow machine."""


@dataclass
class Theatre:
    """A running server and its vendors, the first and the second of each seat."""

    api: Api
    deepgram: DeepgramStandIn
    openai: OpenAIStandIn
    elevenlabs: ElevenLabsStandIn
    anthropic: AnthropicStandIn
    ai: dict[str, Any] = field(default_factory=dict)

    async def new_aicall(self, *, fallback: dict[str, Any] | None = None, **parameter: Any) -> dict[str, Any]:
        """Create an AI and an AIcall of it."""
        fallback = FALLBACK if fallback is None else fallback
        body = office_ai(parameter={"greeting": GREETING, "filler": [], "fallback": fallback, **parameter})
        self.ai = await self.api.ok("POST", "/v1.0/ais", json=body)
        return await self.api.new_aicall(self.ai)


@asynccontextmanager
async def theatre(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    answer: Reply | str = ANSWER,
    second_answer: Reply | str | None = None,
    transcripts: tuple[str, ...] = ("what are your opening hours",),
    **settings: Any,
) -> AsyncIterator[Theatre]:
    """Run the vendors and a server while the context lasts; nothing of any call is left at the vendors afterwards."""
    async with (
        DeepgramStandIn(transcripts=transcripts) as deepgram,
        OpenAIStandIn(reply=lambda _: answer) as openai,
        ElevenLabsStandIn(transcripts=transcripts) as elevenlabs,
        AnthropicStandIn(reply=lambda _: second_answer or answer) as anthropic,
    ):
        vendors: dict[str, StandIn] = {
            "DEEPGRAM": deepgram,
            "OPENAI": openai,
            "ELEVENLABS": elevenlabs,
            "ANTHROPIC": anthropic,
        }
        for name, vendor in vendors.items():
            monkeypatch.setenv(f"AICALL_BASE_URL_{name}", vendor.base_url)
        async with serving(folder, **settings) as api:
            # As a server does before it listens: SDKs take a second to import, and longer at their first use.
            preload(api)
            yield Theatre(api, deepgram, openai, elevenlabs, anthropic)
        for vendor in vendors.values():
            await vendor.all_closed()


def preload(api: Api) -> None:
    """Load what the calls need, as a server does before it listens."""
    for table, names in ((LLM_TABLE, ("openai", "anthropic")), (STT_TABLE, _SPEECH), (TTS_TABLE, _SPEECH)):
        for name in names:
            table[name].load_factory()
    api.services.clients.warm()


async def data_of(api: Api, aicall: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The data of an AIcall's events of a type."""
    return [event["data"] for event in await events_of(api, aicall) if event["type"] == kind]


async def said_by(api: Api, aicall: dict[str, Any], role: str) -> list[str]:
    """What one side of a call said, message by message."""
    return [it["content"] for it in await data_of(api, aicall, "aimessage_created") if it["role"] == role]
