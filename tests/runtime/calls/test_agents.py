"""Calls with an agent that keeps the conversation itself and says when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.calls.offices import GREETING, RAN, Office, assert_ended, office
from tests.runtime.calls.phones import Phone, dial
from tests.runtime.calls.test_every_provider import QUESTION, said_in, until_said
from tests.standins.dialogflow import AGENT, AgentAnswer, DialogflowStandIn
from tests.standins.faults import Faults
from tests.standins.google_accounts import service_account

GOODBYE = "Thank you for your call, and goodbye."
MOMENT = "One moment please, I am looking it up."


@asynccontextmanager
async def asked(
    vendor: DialogflowStandIn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Office, dict[str, Any], Phone]]:
    """A call in which the caller has asked the agent something."""
    async with office(folder, monkeypatch) as desk, vendor:
        monkeypatch.setenv("AICALL_BASE_URL_DIALOGFLOW", vendor.base_url)
        desk.deepgram.transcripts = lambda _: QUESTION
        aicall = await desk.new_aicall(
            engine_model="dialogflow.cx",
            engine_key=service_account(),
            tool_names=["stop_service"],
            parameter={"llm_options": {"agent": AGENT}},
        )
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await until_said(desk, aicall, GREETING)
            await phone.say(QUESTION)
            yield desk, aicall, phone


async def test_the_goodbye_of_an_agent_is_heard_before_the_call_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = DialogflowStandIn(reply=[AgentAnswer(GOODBYE, chunks=[GOODBYE], ends=True)])
    async with asked(vendor, tmp_path, monkeypatch) as (desk, aicall, phone):
        before = len(phone.heard)
        await assert_ended(desk.api, aicall, "stop_service", RAN)
        # 8000 bytes a second.
        assert len(phone.heard) - before > 8000
        assert (await said_in(desk, aicall))["assistant"] == f"{GREETING} {GOODBYE}"
        (request,) = vendor.requests
        assert request.body["session"].endswith(f"/sessions/{aicall['id']}")


async def test_a_partial_response_is_heard_while_the_agent_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = DialogflowStandIn(
        reply=[AgentAnswer(parts=(MOMENT, GOODBYE))], endpoint_faults={"stream": Faults(stall_after=1)}
    )
    async with asked(vendor, tmp_path, monkeypatch) as (desk, _, phone):
        before = len(phone.heard)
        await desk.deepgram.until(lambda: any(MOMENT in str(it.messages) for it in desk.deepgram.requests))
        await phone.until(lambda: len(phone.heard) - before > 8000)
        # The agent has not said more.
        assert vendor.open_streams == 1
