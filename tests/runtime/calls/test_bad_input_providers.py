"""Vendors that refuse, cannot be reached, fall silent or die, and a process that stops (issue 2, "Bad input")."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.calls.offices import NEVER_RAN, RAN, Office, assert_ended, events_of, office, statuses_of
from tests.runtime.calls.phones import Phone, dial, refused
from tests.runtime.serving import serving, until
from tests.standins.faults import Faults
from tests.standins.replies import Script

APOLOGY = "Sorry, a fault."


async def errors_of(desk: Office, seat: str) -> int:
    """How many failures of a seat the metrics count."""
    lines = (await desk.api.http.get("/metrics")).text.splitlines()
    counts = [line for line in lines if line.startswith("aicall_provider_errors_total{") and f'seat="{seat}"' in line]
    return round(sum(float(line.rpartition(" ")[2]) for line in counts))


async def assistant_said(desk: Office, aicall: dict[str, Any]) -> str:
    """What the caller heard of the bot, in one line."""
    events = await events_of(desk.api, aicall)
    messages = [event["data"] for event in events if event["type"] == "aimessage_created"]
    return " ".join(message["content"] for message in messages if message["role"] == "assistant")


async def _let_say(phone: Phone) -> None:
    await phone.until(lambda: phone.of("mark"))
    await phone.say()


async def assert_given_up(desk: Office, aicall: dict[str, Any], phone: Phone, seat: str, *, apologises: bool) -> None:
    """Check that the call ends because of a vendor, and that the caller is told so where there is a voice."""
    assert await phone.closed() == (1011, "provider_error")
    await assert_ended(desk.api, aicall, "provider_error")
    assert await errors_of(desk, seat) >= 1
    assert (APOLOGY in await assistant_said(desk, aicall)) is apologises


# A refused key

REFUSED = [
    ("llm", {"engine_key": "wrong"}),
    ("stt", {"parameter": {"stt_key": "wrong"}}),
    ("tts", {"parameter": {"tts_key": "wrong"}}),
    ("tts", {"tts_type": "openai", "parameter": {"tts_key": "wrong"}}),
]


@pytest.mark.parametrize(("seat", "ai"), REFUSED, ids=["llm", "stt", "tts", "tts-openai"])
async def test_a_refused_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: str, ai: dict[str, Any]) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        parameter = {"greeting": "Hello.", "apology": APOLOGY, **ai.get("parameter", {})}
        aicall = await desk.new_aicall(**{**ai, "parameter": parameter})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            if seat == "llm":
                await _let_say(phone)
            await assert_given_up(desk, aicall, phone, seat, apologises=seat != "tts")


async def test_a_key_that_is_missing_when_the_call_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "stand-in-key")
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall(parameter={"stt_key": "", "tts_key": ""})
        monkeypatch.delenv("DEEPGRAM_API_KEY")
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            assert await phone.closed() == (1011, "provider_error")
        await assert_ended(desk.api, aicall, "provider_error", NEVER_RAN)


# An unreachable vendor


@pytest.mark.parametrize("seat", ["llm", "stt+tts"])
async def test_an_unreachable_vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: str) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        await (desk.openai if seat == "llm" else desk.deepgram).refuse()
        aicall = await desk.new_aicall(parameter={"greeting": "Hello.", "apology": APOLOGY})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            if seat == "llm":
                await _let_say(phone)
                await assert_given_up(desk, aicall, phone, "llm", apologises=True)
            else:
                await assert_given_up(desk, aicall, phone, "tts", apologises=False)


async def test_an_unreachable_recogniser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        await desk.deepgram.refuse()
        aicall = await desk.new_aicall(tts_type="openai", parameter={"greeting": "Hello.", "apology": APOLOGY})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await assert_given_up(desk, aicall, phone, "stt", apologises=True)


# A vendor that fails in the middle of a turn

FOR_GOOD = {
    "llm breaks off": ("llm", "openai", "chat", Faults(drop_after=2)),
    "llm fails": ("llm", "openai", "chat", Faults(status=500)),
    "llm falls silent": ("llm", "openai", "chat", Faults(stall_after=0)),
    "llm falls silent in a word": ("llm", "openai", "chat", Faults(stall_after=2)),
    "tts breaks off": ("tts", "deepgram", "speak", Faults(drop_after=0)),
    "tts falls silent": ("tts", "deepgram", "speak", Faults(stall_after=0)),
    "stt breaks off": ("stt", "deepgram", "listen", Faults(drop_after=0)),
}


@pytest.mark.parametrize("case", FOR_GOOD)
async def test_a_vendor_that_fails_for_good_in_the_middle_of_a_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    seat, vendor, endpoint, faults = FOR_GOOD[case]
    async with office(tmp_path, monkeypatch, llm_stall_s=0.7, tts_stall_s=0.7) as desk:
        aicall = await desk.new_aicall(parameter={"greeting": "Hello.", "filler": "", "apology": APOLOGY})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.until(lambda: phone.of("mark"))
            # The apology is recorded beside the call, and can be heard when the voice is what failed.
            greetings = desk.api.services.greetings
            await until(lambda: greetings.count == 2)
            getattr(desk, vendor).endpoint_faults[endpoint] = faults
            await phone.say()
            await assert_given_up(desk, aicall, phone, seat, apologises=True)


ENDPOINTS = {"llm": ("chat", 2), "stt": ("listen", 1)}
"""Where each seat is broken off, and after how many messages: a new connection does not break at once."""


@pytest.mark.parametrize("seat", ENDPOINTS)
async def test_a_vendor_that_dies_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: str) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        desk.openai.script = Script(lambda request: "Fine, thank you.")
        vendor, (endpoint, messages) = desk.openai if seat == "llm" else desk.deepgram, ENDPOINTS[seat]
        aicall = await desk.new_aicall(parameter={"greeting": "Hello.", "apology": APOLOGY})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.until(lambda: phone.of("mark"))
            before = len(vendor.requests_to(endpoint))
            vendor.endpoint_faults[endpoint] = Faults(drop_after=messages)
            saying = asyncio.create_task(phone.say())
            # It is well again when it is asked for the second time after it broke off.
            await vendor.until(lambda: len(vendor.requests_to(endpoint)) >= before + (2 if seat == "llm" else 1))
            vendor.endpoint_faults.clear()
            await saying
            # The turn in which it died may be lost; the one after it is not.
            await phone.say()
            await phone.until_heard()
            await phone.until(lambda: len(phone.of("mark")) >= 2)
        await assert_ended(desk.api, aicall, "hangup")
        assert "Fine" in await assistant_said(desk, aicall)
        assert APOLOGY not in await assistant_said(desk, aicall)
        assert await errors_of(desk, seat) >= 1


async def test_hang_up_during_the_apology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall(
            engine_key="wrong", parameter={"greeting": "Hello.", "apology": "We are so very sorry. " * 5}
        )
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await _let_say(phone)
            await phone.until_heard()
        await assert_ended(desk.api, aicall, "hangup")


# The process stops


@pytest.mark.parametrize("phase", ["before the start", "in the greeting", "in a turn"])
async def test_a_server_that_stops_during_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    database = str(tmp_path / "calls.db")
    async with office(tmp_path, monkeypatch, database=database) as desk:
        aicall, waiting = await desk.new_aicall(), await desk.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            if phase != "before the start":
                await phone.start()
                await phone.until_heard()
            if phase == "in a turn":
                desk.openai.first_token_s = 3600
                await phone.until(lambda: phone.of("mark"))
                await phone.say()
                await desk.openai.until(lambda: desk.openai.requests_to("chat"))
            stopping = asyncio.create_task(desk.api.services.live_calls.drain(0))
            assert await phone.closed() == (1001, "drain")
            await stopping
            assert (await refused(waiting["media_url"]))[0] == 503
    # Read by the next process, from what the stopped one has written.
    async with serving(tmp_path, database=database) as next_api:
        await assert_ended(next_api, aicall, "drain", NEVER_RAN if phase == "before the start" else RAN)
        assert await statuses_of(next_api, waiting) == ["initiating"]


async def test_a_server_is_taken_down_while_its_calls_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = str(tmp_path / "calls.db")
    phones = []
    async with office(tmp_path, monkeypatch, database=database) as desk:
        aicalls = [await desk.new_aicall() for _ in range(3)]
        for aicall in aicalls:
            calling = dial(aicall["media_url"])
            phone = await calling.__aenter__()
            phones.append((calling, phone))
            await phone.start()
            await phone.until_heard()
    for calling, phone in phones:
        assert (await phone.closed())[0] == 1001
        await calling.__aexit__(None, None, None)
    async with serving(tmp_path, database=database) as next_api:
        for aicall in aicalls:
            await assert_ended(next_api, aicall, "drain")
