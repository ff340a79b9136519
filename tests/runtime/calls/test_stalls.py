"""Calls in which a vendor's connection stands and nothing comes from it (issue 4, item 10), in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.calls.offices import assert_ended
from tests.runtime.calls.phones import Phone, dial
from tests.runtime.calls.understudies import ANSWER, FALLBACK, Theatre, data_of, said_by, theatre
from tests.runtime.serving import until
from tests.standins.base import StandIn
from tests.standins.faults import Faults

pytestmark = pytest.mark.alone

APOLOGY = "Sorry, a fault."
FILLERS = ["One moment, please.", "I am still working on it."]
QUICK: dict[str, Any] = {"stt_stall_s": 1.5, "llm_stall_s": 2.5, "tts_stall_s": 2.5}
LONGEST_UNEXPLAINED_S = 2.0
LONGEST_EXPLAINED_S = 4.5
"""After a filler; the second one comes after four seconds."""
STALLED = Faults(stall_after=0)
SEATS = {"stt": "listen", "llm": "chat", "tts": "speak"}


@dataclass
class Silence:
    """A stretch in which the caller hears nothing, on the loop's clock, seconds."""

    begin_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.begin_s


def silences(arrived: Sequence[tuple[float, int]], since_s: float, until_s: float) -> list[Silence]:
    """What the caller does not hear between two moments, in order: audio plays at real time when it has come."""
    found, played_s, before = [], since_s, 0
    for at_s, heard in arrived:
        length_s, before = (heard - before) / 8000, heard
        if at_s < since_s:
            continue
        if at_s > played_s + 0.1:
            found.append(Silence(played_s, at_s))
        played_s = max(played_s, at_s) + length_s
    return [*found, Silence(played_s, until_s)] if until_s > played_s else found


def vendor_of(stage: Theatre, seat: str) -> StandIn:
    return stage.openai if seat == "llm" else stage.deepgram


async def ready(stage: Theatre, phone: Phone, sentences: int) -> None:
    """Let the greeting be heard, and the sentences be recorded."""
    await phone.start()
    await phone.until(lambda: phone.of("mark"))
    # The greeting is one more.
    await until(lambda: stage.api.services.greetings.count == sentences + 1)


async def ask(phone: Phone) -> tuple[float, asyncio.Task[None]]:
    """Say something and be silent; returns when the last word was said."""
    await phone.say(silence_s=0)
    return asyncio.get_running_loop().time(), asyncio.create_task(phone.stay_silent())


async def counted(stage: Theatre, name: str) -> dict[str, float]:
    """A counter of the metrics, by its labels."""
    lines = (await stage.api.http.get("/metrics")).text.splitlines()
    rows = [line.removeprefix(name).rsplit(" ", 1) for line in lines if line.startswith(f"{name}{{")]
    return {labels: float(value) for labels, value in rows}


def assert_never_left_alone(phone: Phone, asked_s: float, until_s: float) -> None:
    """Check that the first silence is short, and that the others, which a filler explains, have an end too."""
    first, *others = silences(phone.arrived, asked_s, until_s)
    assert first.begin_s == asked_s
    assert first.length_s <= LONGEST_UNEXPLAINED_S
    assert all(silence.length_s <= LONGEST_EXPLAINED_S for silence in others)


@pytest.mark.parametrize("seat", SEATS)
async def test_without_a_fallback_the_caller_is_asked_to_wait_and_then_told_why_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: str
) -> None:
    async with theatre(tmp_path, monkeypatch, **QUICK) as stage:
        aicall = await stage.new_aicall(fallback={}, filler=FILLERS, apology=APOLOGY)
        async with dial(aicall["media_url"]) as phone:
            await ready(stage, phone, 3)
            vendor_of(stage, seat).endpoint_faults[SEATS[seat]] = STALLED
            asked_s, silence = await ask(phone)
            async with asyncio.timeout(20):
                assert await phone.closed() == (1011, "provider_error")
            closed_s = asyncio.get_running_loop().time()
            await silence
        await assert_ended(stage.api, aicall, "provider_error")
        assert_never_left_alone(phone, asked_s, closed_s)
        assert (await said_by(stage.api, aicall, "assistant"))[-1] == APOLOGY
        fillers = await data_of(stage.api, aicall, "aicall_filler_said")
        assert [it["text"] for it in fillers] == FILLERS[: len(fillers)]
        assert {it["waits_for"] for it in fillers} == {seat}
        failed = await data_of(stage.api, aicall, "aicall_provider_failed")
        assert {(it["seat"], it["error"]) for it in failed} == {(seat, "stalled")}
        assert [it["fatal"] for it in failed] == [False] * (len(failed) - 1) + [True]
        provider = "openai" if seat == "llm" else "deepgram"
        label = f'{{provider="{provider}",seat="{seat}"}}'
        assert await counted(stage, "aicall_stalls_total") == {label: len(failed)}


@pytest.mark.parametrize("seat", SEATS)
async def test_with_a_fallback_the_caller_is_asked_to_wait_and_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: str
) -> None:
    async with theatre(tmp_path, monkeypatch, **QUICK) as stage:
        aicall = await stage.new_aicall(fallback=FALLBACK, filler=FILLERS, apology=APOLOGY)
        async with dial(aicall["media_url"]) as phone:
            await ready(stage, phone, 3)
            vendor_of(stage, seat).endpoint_faults[SEATS[seat]] = STALLED
            asked_s, silence = await ask(phone)
            # The answer takes longer than any filler.
            heard = len(phone.heard)
            await phone.until(lambda: len(phone.heard) > heard + 4 * 8000)
            answered_s = asyncio.get_running_loop().time()
            assert_never_left_alone(phone, asked_s, answered_s)
            await until_said(stage, aicall, ANSWER)
            silence.cancel()
        await assert_ended(stage.api, aicall, "hangup")
        fillers = await data_of(stage.api, aicall, "aicall_filler_said")
        assert [(it["text"], it["waits_for"]) for it in fillers][:1] == [(FILLERS[0], seat)]
        assert len(fillers) == 1
        (switched,) = await data_of(stage.api, aicall, "aicall_provider_switched")
        assert (switched["seat"], switched["error"]) == (seat, "stalled")
        said = " ".join(await said_by(stage.api, aicall, "assistant"))
        assert APOLOGY not in said
        assert not any(filler in said for filler in FILLERS)


async def until_said(stage: Theatre, aicall: dict[str, Any], text: str) -> None:
    """Wait until the bot's message holds a text."""
    cursor, store = "", stage.api.services.store
    async with asyncio.timeout(20):
        while text not in " ".join(await said_by(stage.api, aicall, "assistant")):
            await store.wait_events(after=cursor, timeout_s=1)
            events = await store.list_events(limit=1000, customer_id=None)
            cursor = events[-1].id if events else ""


async def test_an_answer_follows_the_filler_without_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with theatre(tmp_path, monkeypatch) as stage:
        aicall = await stage.new_aicall(fallback={}, filler=FILLERS[0], filler_after_s=0.5)
        async with dial(aicall["media_url"]) as phone:
            await ready(stage, phone, 2)
            stage.openai.first_token_s = 1.0
            asked_s, silence = await ask(phone)
            heard = len(phone.heard)
            await phone.until(lambda: len(phone.heard) > heard + 3 * 8000)
            assert len(silences(phone.arrived, asked_s, 0)) == 1
            silence.cancel()
        await assert_ended(stage.api, aicall, "hangup")
        assert len(await data_of(stage.api, aicall, "aicall_filler_said")) == 1


async def test_a_caller_cuts_a_filler_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with theatre(tmp_path, monkeypatch, transcripts=("what are your opening hours", "never mind")) as stage:
        long = "One moment, please, I am looking for it in all of my books, which takes a while, as there are many."
        aicall = await stage.new_aicall(fallback={}, filler=long)
        async with dial(aicall["media_url"]) as phone:
            await ready(stage, phone, 2)
            stage.openai.first_token_s = 60
            heard = len(phone.heard)
            _, silence = await ask(phone)
            await phone.until(lambda: len(phone.heard) > heard)
            stage.openai.first_token_s = 0
            silence.cancel()
            await phone.say()
            await phone.until(lambda: phone.of("clear"))
            silence = asyncio.create_task(phone.stay_silent())
            await until_said(stage, aicall, ANSWER.split(",")[0])
            silence.cancel()
        await assert_ended(stage.api, aicall, "hangup")


async def test_a_quick_answer_needs_no_filler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with theatre(tmp_path, monkeypatch) as stage:
        aicall = await stage.new_aicall(filler=FILLERS)
        async with dial(aicall["media_url"]) as phone:
            await ready(stage, phone, 3)
            _, silence = await ask(phone)
            await until_said(stage, aicall, ANSWER)
            silence.cancel()
        await assert_ended(stage.api, aicall, "hangup")
        assert not await data_of(stage.api, aicall, "aicall_filler_said")
        assert not await data_of(stage.api, aicall, "aicall_provider_failed")


def test_silences_are_what_lies_between_the_audio() -> None:
    arrived = [(1.0, 4000), (1.2, 8000), (5.0, 8800)]
    found = [(it.begin_s, it.end_s) for it in silences(arrived, 0.0, 8.0)]
    assert found == [(0.0, 1.0), (2.0, 5.0), (5.1, 8.0)]
