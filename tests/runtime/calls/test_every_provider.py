"""Every provider of the seeds' three tables is saved as an AI and holds a complete call against its stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.llm.table import LLM_TABLE
from adapters.seats import ProviderRow
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from models.providers import EngineModel
from tests.adapters.contracts import contract_classes
from tests.adapters.llm.contract import VendorLlmContract
from tests.adapters.stt.contract import VendorSttContract
from tests.adapters.tts.contract import VendorTtsContract
from tests.adapters.vendors import key_of
from tests.models.seeds import ENGINE_MODELS, STT_TYPES, TTS_TYPES
from tests.runtime.calls.offices import GREETING, RAN, Office, assert_ended, events_of, office
from tests.runtime.calls.phones import WAIT_S, dial
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import Script

QUESTION = "When are you open?"
ANSWER = "We are open all day."
SAID = {"user": QUESTION, "assistant": f"{GREETING} {ANSWER}"}

LLMS = {it.engine: it for it in contract_classes("llm", VendorLlmContract)}
STTS = {it.stt_type: it for it in contract_classes("stt", VendorSttContract)}
TTSS = {f"{it.tts_type} {it.voice}".strip(): it for it in contract_classes("tts", VendorTtsContract)}


@asynccontextmanager
async def desk_of(
    row: ProviderRow, vendor: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Office]:
    """A server whose other two seats are filled, beside the vendor's stand-in."""
    async with office(folder, monkeypatch) as desk:
        desk.deepgram.transcripts = lambda _: QUESTION
        desk.openai.script = Script(lambda _: ANSWER)
        async with vendor:
            monkeypatch.setenv(row.base_url_variable, vendor.base_url)
            yield desk


async def said_in(desk: Office, aicall: dict[str, Any]) -> dict[str, str]:
    """What the caller and the bot said so far, by role."""
    said = {"user": "", "assistant": ""}
    for event in await events_of(desk.api, aicall):
        if event["type"] == "aimessage_created":
            role = event["data"]["role"]
            said[role] = f"{said.get(role, '')} {event['data']['content']}".strip()
    return said


async def until_said(desk: Office, aicall: dict[str, Any], text: str) -> None:
    """Wait until the bot has said something to its end."""
    store, cursor = desk.api.services.store, ""
    async with asyncio.timeout(WAIT_S):
        while not (await said_in(desk, aicall))["assistant"].endswith(text):
            await store.wait_events(after=cursor, timeout_s=WAIT_S)
            cursor = (await store.list_events(limit=1000, customer_id=None))[-1].id


async def converse(desk: Office, **ai: Any) -> dict[str, str]:
    """Hold a whole call; returns what the caller and the bot said, by role."""
    aicall = await desk.new_aicall(**ai)
    async with dial(aicall["media_url"]) as phone:
        await phone.start()
        await until_said(desk, aicall, GREETING)
        greeting_bytes = len(phone.heard)
        await phone.say(QUESTION)
        await until_said(desk, aicall, ANSWER)
        # Both were heard as audio: half a second at least, at 8000 bytes a second.
        assert min(greeting_bytes, len(phone.heard) - greeting_bytes) > 4000
    await assert_ended(desk.api, aicall, "hangup", RAN)
    return await said_in(desk, aicall)


def test_every_name_of_the_seeds_is_here() -> None:
    assert {EngineModel.parse(engine).provider for engine in LLMS} == set(ENGINE_MODELS)
    assert set(STTS) == set(STT_TYPES)
    assert {it.tts_type for it in TTSS.values()} == set(TTS_TYPES)


@pytest.mark.parametrize("name", LLMS)
async def test_a_call_with_a_language_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contract, row = LLMS[name], LLM_TABLE[EngineModel.parse(name).provider]
    vendor = contract.stand_in(reply=lambda _: ANSWER)
    async with desk_of(row, vendor, tmp_path, monkeypatch) as desk:
        parameter = {"llm_options": getattr(contract, "options", {})}
        said = await converse(desk, engine_model=contract.engine, engine_key=key_of(row), parameter=parameter)
    assert said == SAID


@pytest.mark.parametrize("name", STTS)
async def test_a_call_with_a_recogniser(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contract, row = STTS[name], STT_TABLE[name]
    vendor = contract.stand_in(transcripts=lambda _: QUESTION)
    async with desk_of(row, vendor, tmp_path, monkeypatch) as desk:
        said = await converse(desk, stt_type=name, stt_language="en-US", parameter={"stt_key": key_of(row)})
    assert said == SAID


@pytest.mark.parametrize("name", TTSS)
async def test_a_call_with_a_voice(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = TTSS[name]
    row, vendor = TTS_TABLE[contract.tts_type], contract.stand_in()
    # A vendor of more seats than one fills the others too.
    if isinstance(vendor, DeepgramStandIn):
        vendor.transcripts = lambda _: QUESTION
    elif isinstance(vendor, OpenAIStandIn):
        vendor.script = Script(lambda _: ANSWER)
    async with desk_of(row, vendor, tmp_path, monkeypatch) as desk:
        said = await converse(desk, tts_type=row.name, tts_voice_id=contract.voice, parameter={"tts_key": key_of(row)})
    assert said == SAID
