"""A server with a team whose members have nothing in common, and what the caller hears of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.runtime.calls.offices import events_of, office_ai
from tests.runtime.calls.phones import Phone
from tests.runtime.calls.understudies import Theatre, data_of, preload
from tests.runtime.serving import serving
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.audio import decode, identify
from tests.standins.base import DEFAULT_KEY, StandIn
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import ChatRequest, Reply, ReplyScript

GREETING = "Good morning, reception."
ONE_MOMENT = "One moment, please."
SALES_HERE = "Sales here, what would you like to buy?"
PRICE = "It costs ten euros a month."
FOR_SALES = "could i speak to sales"
QUESTION = "how much is it"

RECEPTION, SALES = uuid4(), uuid4()


def reception(request: ChatRequest) -> Reply:
    """Hands whoever asks for sales over."""
    if request.messages[-1].role == "user":
        return Reply(ONE_MOMENT, tool_calls=[("to_sales", {})])
    return Reply("Reception again.")


def sales(request: ChatRequest) -> Reply:
    """Says who it is, and then the price."""
    return Reply(PRICE if request.last_user_text == QUESTION else SALES_HERE)


def reception_ai(**changes: Any) -> dict[str, Any]:
    """OpenAI, heard and spoken by Deepgram."""
    parameter = {"greeting": GREETING, "filler": [], "answer_early": False, **changes.pop("parameter", {})}
    prompt = "You are the reception of ${aicall.id}."
    return office_ai(name="Reception", init_prompt=prompt, parameter=parameter, **changes)


def sales_ai(**changes: Any) -> dict[str, Any]:
    """Anthropic, heard and spoken by ElevenLabs, more patient, and with tools."""
    parameter = {"filler": [], "greeting": "Never said.", **changes.pop("parameter", {})}
    return office_ai(
        **{
            "name": "Sales",
            "engine_model": "anthropic.claude-sonnet-4-6",
            "init_prompt": "You are the sales department of ${aicall.id}.",
            "stt_type": "elevenlabs",
            "stt_language": "en-GB",
            "tts_type": "elevenlabs",
            "vad_config": {"stop_secs": 0.4, "start_secs": 0.1},
            "tool_names": ["get_variables"],
            **changes,
        },
        parameter=parameter,
    )


def team_of(reception_id: str, sales_id: str, **changes: Any) -> dict[str, Any]:
    """The body of a team of both."""
    return {
        "name": "Front office",
        "detail": "",
        "start_member_id": str(RECEPTION),
        "members": [
            {
                "id": str(RECEPTION),
                "name": "Reception",
                "ai_id": reception_id,
                "transitions": [
                    {
                        "function_name": "to_sales",
                        "description": "The caller wants to buy something.",
                        "next_member_id": str(SALES),
                    }
                ],
            },
            {
                "id": str(SALES),
                "name": "Sales",
                "ai_id": sales_id,
                "transitions": [{"function_name": "to_reception", "description": "", "next_member_id": str(RECEPTION)}],
            },
        ],
        "parameter": {},
        **changes,
    }


@dataclass
class Troupe(Theatre):
    """A running server, its vendors, and a team on them."""

    async def new_team(
        self, first: dict[str, Any] | None = None, second: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Create a team."""
        ais = [
            await self.api.ok("POST", "/v1.0/ais", json=body)
            for body in (first or reception_ai(), second or sales_ai())
        ]
        team: dict[str, Any] = await self.api.ok(
            "POST", "/v1.0/teams", json=team_of(ais[0]["id"], ais[1]["id"], **changes)
        )
        return team

    async def new_team_call(self, team: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Create an AIcall of a team."""
        team = team or await self.new_team()
        body = {"assistance_type": "team", "assistance_id": team["id"], **changes}
        aicall: dict[str, Any] = await self.api.ok("POST", "/v1.0/aicalls", json=body)
        return aicall

    async def switches(self, aicall: dict[str, Any], count: int) -> list[dict[str, Any]]:
        """Wait until the call was handed over so many times; returns what the events say."""
        return await self.until_events(aicall, "team_member_switched", count)

    async def until_events(self, aicall: dict[str, Any], kind: str, count: int) -> list[dict[str, Any]]:
        """Wait until there are so many events of a type; returns their data."""
        cursor = ""
        async with asyncio.timeout(20):
            while len(found := await data_of(self.api, aicall, kind)) < count:
                await self.api.services.store.wait_events(after=cursor, timeout_s=1)
                cursor = (await events_of(self.api, aicall))[-1]["id"]
        return found


@asynccontextmanager
async def troupe(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    first: ReplyScript = reception,
    second: ReplyScript = sales,
    heard_first: Sequence[str] = (FOR_SALES,),
    heard_second: Sequence[str] = (QUESTION,),
    **settings: Any,
) -> AsyncIterator[Troupe]:
    """Run the vendors and a server while the context lasts; nothing of any call is left at the vendors afterwards."""
    async with (
        DeepgramStandIn(transcripts=heard_first) as deepgram,
        OpenAIStandIn(reply=first) as openai,
        ElevenLabsStandIn(transcripts=heard_second) as elevenlabs,
        AnthropicStandIn(reply=second) as anthropic,
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
            preload(api)
            yield Troupe(api, deepgram, openai, elevenlabs, anthropic)
        for vendor in vendors.values():
            await vendor.all_closed()


def heard(phone: Phone, texts: Sequence[str]) -> list[str]:
    """Which of some texts the caller has heard, in order, each once in a row."""
    pcm = decode(phone.heard, "mulaw").tobytes()
    found: list[str] = []
    for piece in _pieces(pcm):
        text = identify(piece, 8000, texts)
        if text is not None and found[-1:] != [text]:
            found.append(text)
    return found


def _pieces(pcm: bytes, seconds: float = 0.16) -> Iterator[bytes]:
    size = int(8000 * seconds) * 2
    for at in range(0, len(pcm) - size, size):
        yield pcm[at : at + size]


__all__ = ["DEFAULT_KEY", "Troupe", "heard", "troupe"]
