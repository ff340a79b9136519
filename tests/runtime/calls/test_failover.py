"""Calls in which the first vendor of a seat fails and the second one takes over (issue 4, items 8 and 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.calls.offices import assert_ended
from tests.runtime.calls.phones import Phone, dial
from tests.runtime.calls.understudies import ANSWER, GREETING, QUESTION, Theatre, data_of, said_by, theatre
from tests.standins.faults import Faults
from tests.standins.replies import Reply

LONGEST_SWITCH_MS = 1000.0

IMPATIENT: dict[str, Any] = {"llm_stall_s": 1.0, "tts_stall_s": 1.0}
SLOWLY = Reply(ANSWER, token_interval_s=0.01)


async def begin(phone: Phone) -> None:
    """Let the greeting be heard."""
    await phone.start()
    await phone.until(lambda: phone.of("mark"))


@asynccontextmanager
async def asking(phone: Phone) -> AsyncIterator[None]:
    """Ask the bot something, and listen while the context lasts."""
    await phone.say(QUESTION)
    async with listening(phone):
        yield


@asynccontextmanager
async def listening(phone: Phone) -> AsyncIterator[None]:
    """Send silence while the context lasts."""
    silence = asyncio.create_task(phone.stay_silent())
    try:
        yield
    finally:
        silence.cancel()
        await asyncio.wait({silence})


async def answers(stage: Theatre, aicall: dict[str, Any], role: str = "assistant") -> list[str]:
    """Wait until one side has said something; returns all of it but the greeting, of which more or less is heard."""
    cursor = ""
    store = stage.api.services.store
    async with asyncio.timeout(20):
        while not (said := await _but_the_greeting(stage, aicall, role)):
            await store.wait_events(after=cursor, timeout_s=1)
            events = await store.list_events(limit=1000, customer_id=None)
            cursor = events[-1].id if events else ""
    return said


async def _but_the_greeting(stage: Theatre, aicall: dict[str, Any], role: str) -> list[str]:
    said = [text.removeprefix(GREETING).strip() for text in await said_by(stage.api, aicall, role)]
    return [text for text in said if text]


async def assert_switched(stage: Theatre, aicall: dict[str, Any], seat: str, error: str, to: str) -> None:
    """Check the events of one switch."""
    (failed,) = await data_of(stage.api, aicall, "aicall_provider_failed")
    (switched,) = await data_of(stage.api, aicall, "aicall_provider_switched")
    first = "openai" if seat == "llm" else "deepgram"
    assert (failed["seat"], failed["provider"], failed["error"], failed["fatal"]) == (seat, first, error, False)
    assert failed["advice"]
    assert (switched["seat"], switched["from"], switched["to"], switched["error"]) == (seat, first, to, error)
    assert 0 <= switched["switch_ms"] <= LONGEST_SWITCH_MS


LLM_FAULTS = {
    "breaks off": (Faults(drop_after=4), "unreachable"),
    "breaks off at once": (Faults(drop_after=0), "unreachable"),
    "refuses the key": (Faults(status=401), "key_refused"),
    "fails": (Faults(status=500), "broken"),
    "is rate limited": (Faults(status=429, retry_after_s=30), "rate_limited"),
    "falls silent": (Faults(stall_after=0), "stalled"),
    "falls silent in a sentence": (Faults(stall_after=8), "stalled"),
}


@pytest.mark.parametrize("case", LLM_FAULTS)
async def test_a_model_that_fails_in_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    faults, error = LLM_FAULTS[case]
    settings = IMPATIENT if error == "stalled" else {}
    async with theatre(tmp_path, monkeypatch, answer=SLOWLY, **settings) as stage:
        aicall = await stage.new_aicall(answer_early=False)
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            stage.openai.endpoint_faults["chat"] = faults
            async with asking(phone):
                # The second model says all of it; what the first one had said is not heard twice.
                assert await answers(stage, aicall) == [ANSWER]
                await assert_switched(stage, aicall, "llm", error, "anthropic")
        await assert_ended(stage.api, aicall, "hangup")


async def test_a_model_that_fails_in_an_early_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with theatre(tmp_path, monkeypatch) as stage:
        aicall = await stage.new_aicall(answer_early=True)
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            stage.openai.endpoint_faults["chat"] = Faults(status=500)
            async with asking(phone):
                assert await answers(stage, aicall) == [ANSWER]
                await assert_switched(stage, aicall, "llm", "broken", "anthropic")
        await assert_ended(stage.api, aicall, "hangup")


async def test_the_second_model_knows_what_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Reply("We are open on Monday and also on Friday.", token_interval_s=0.01)
    rest = "on Friday until six."
    async with theatre(tmp_path, monkeypatch, answer=first, second_answer=rest) as stage:
        aicall = await stage.new_aicall(answer_early=False)
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            # The first message has no words.
            stage.openai.endpoint_faults["chat"] = Faults(drop_after=8)
            async with asking(phone):
                (answer,) = await answers(stage, aicall)
        await assert_ended(stage.api, aicall, "hangup")
        asked = stage.anthropic.requests_to("messages")[-1].body["messages"]
        spoken = answer.removesuffix(f" {rest}")
        assert answer.endswith(f" {rest}")
        assert spoken
        assert first.text.startswith(spoken)
        assert spoken in str(asked)


TTS_FAULTS = {
    "breaks off": (Faults(drop_after=3), "unreachable"),
    "falls silent": (Faults(stall_after=0), "stalled"),
}


@pytest.mark.parametrize("case", TTS_FAULTS)
async def test_a_voice_that_fails_in_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    faults, error = TTS_FAULTS[case]
    settings = IMPATIENT if error == "stalled" else {}
    async with theatre(tmp_path, monkeypatch, **settings) as stage:
        aicall = await stage.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            stage.deepgram.endpoint_faults["speak"] = faults
            async with asking(phone):
                assert await answers(stage, aicall) == [ANSWER]
                await assert_switched(stage, aicall, "tts", error, "elevenlabs")
        await assert_ended(stage.api, aicall, "hangup")


async def test_a_recogniser_that_fails_while_the_caller_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with theatre(tmp_path, monkeypatch) as stage:
        aicall = await stage.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            speaking = asyncio.create_task(phone.say(QUESTION))
            before = stage.deepgram.requests_to("listen")[0].audio_bytes
            await stage.deepgram.until(
                lambda: stage.deepgram.requests_to("listen")[0].audio_bytes > before + 16_000, timeout_s=10
            )
            stage.deepgram.endpoint_faults["listen"] = Faults(status=500)
            stage.deepgram.drop_connections()
            await speaking
            async with listening(phone):
                assert await answers(stage, aicall) == [ANSWER]
                # All of it, and once.
                assert await answers(stage, aicall, "user") == ["what are your opening hours"]
            switches = await data_of(stage.api, aicall, "aicall_provider_switched")
            assert ("stt", "elevenlabs") in [(it["seat"], it["to"]) for it in switches]
        await assert_ended(stage.api, aicall, "hangup")


REFUSALS = {
    "key": (Faults(status=401), "key_refused"),
    "down": (Faults(status=500), "broken"),
}


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("seat", ["stt", "tts"])
async def test_a_vendor_that_refuses_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: str, case: str
) -> None:
    faults, error = REFUSALS[case]
    async with theatre(tmp_path, monkeypatch) as stage:
        stage.deepgram.endpoint_faults["listen" if seat == "stt" else "speak"] = faults
        aicall = await stage.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            async with asking(phone):
                assert await answers(stage, aicall) == [ANSWER]
                assert await answers(stage, aicall, "user") == ["what are your opening hours"]
            assert (seat, "elevenlabs", error) in [
                (it["seat"], it["to"], it["error"])
                for it in await data_of(stage.api, aicall, "aicall_provider_switched")
            ]
        await assert_ended(stage.api, aicall, "hangup")


async def test_a_recogniser_that_falls_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with theatre(tmp_path, monkeypatch, stt_stall_s=0.5) as stage:
        stage.deepgram.endpoint_faults["listen"] = Faults(stall_after=0)
        aicall = await stage.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            async with asking(phone):
                assert await answers(stage, aicall) == [ANSWER]
                assert await answers(stage, aicall, "user") == ["what are your opening hours"]
            await assert_switched(stage, aicall, "stt", "stalled", "elevenlabs")
        await assert_ended(stage.api, aicall, "hangup")


async def test_when_all_fail_the_call_ends_with_an_apology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with theatre(tmp_path, monkeypatch) as stage:
        aicall = await stage.new_aicall(apology="Sorry, a fault.")
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            stage.openai.endpoint_faults["chat"] = stage.anthropic.endpoint_faults["messages"] = Faults(status=401)
            async with asking(phone):
                assert await phone.closed() == (1011, "provider_error")
        await assert_ended(stage.api, aicall, "provider_error")
        failed = await data_of(stage.api, aicall, "aicall_provider_failed")
        assert [(it["provider"], it["fatal"]) for it in failed] == [("openai", False), ("anthropic", True)]
        assert (await said_by(stage.api, aicall, "assistant"))[-1] == "Sorry, a fault."


async def test_a_call_begins_on_the_second_vendor_while_the_first_is_known_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with theatre(tmp_path, monkeypatch) as stage:
        stage.openai.endpoint_faults["chat"] = Faults(status=401)
        for number in range(2):
            aicall = await stage.new_aicall()
            async with dial(aicall["media_url"]) as phone:
                await begin(phone)
                async with asking(phone):
                    assert await answers(stage, aicall) == [ANSWER]
            await assert_ended(stage.api, aicall, "hangup")
            assert len(await data_of(stage.api, aicall, "aicall_provider_switched")) == (0 if number else 1)
        assert len(stage.openai.requests_to("chat")) == 1
        providers = await stage.api.ok("GET", "/v1.0/providers")
        health = {row["name"]: row["health"] for row in providers["llm"]}
        assert (health["openai"], health["anthropic"], health["groq"]) == ("failing", "working", None)
        metrics = (await stage.api.http.get("/metrics")).text
        assert 'aicall_provider_circuit{provider="openai",seat="llm"} 2.0' in metrics


async def test_keys_of_fallbacks_are_written_and_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with theatre(tmp_path, monkeypatch) as stage:
        fallback = {"llm": [{"engine_model": "anthropic.claude-sonnet-4-6", "key": "canary-sk-1"}]}
        await stage.new_aicall(fallback=fallback)
        assert stage.ai["parameter"]["fallback"] == {"llm": [{"engine_model": "anthropic.claude-sonnet-4-6"}]}
        assert "canary" not in str(await stage.api.ok("GET", f"/v1.0/ais/{stage.ai['id']}"))
