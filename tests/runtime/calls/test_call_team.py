"""Calls of a team, over the Twilio protocol, with members that have nothing in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.calls.offices import assert_ended
from tests.runtime.calls.phones import dial
from tests.runtime.calls.test_failover import begin, listening
from tests.runtime.calls.troupes import (
    FOR_SALES,
    GREETING,
    ONE_MOMENT,
    PRICE,
    QUESTION,
    RECEPTION,
    SALES,
    SALES_HERE,
    heard,
    reception,
    sales_ai,
    troupe,
)
from tests.runtime.calls.understudies import data_of, said_by
from tests.standins.base import DEFAULT_KEY
from tests.standins.faults import Faults
from tests.standins.replies import ChatRequest, Reply

BACK = "Reception again."
SORRY = "Nobody is there."
SPOKEN = (GREETING, ONE_MOMENT, SALES_HERE, PRICE, BACK, SORRY, "Never said.")
TO_SALES = {"from_member_id": str(RECEPTION), "to_member_id": str(SALES), "function_name": "to_sales"}
TO_RECEPTION = {"from_member_id": str(SALES), "to_member_id": str(RECEPTION), "function_name": "to_reception"}


async def test_a_call_goes_to_a_member_with_everything_else_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sales(request: ChatRequest) -> Reply:
        asked = request.messages[-1].text.endswith(QUESTION)
        return Reply(PRICE, tool_calls=[("to_reception", {})]) if asked else Reply(SALES_HERE)

    def desk(request: ChatRequest) -> Reply:
        return Reply(BACK) if PRICE in str(request.messages) else reception(request)

    async with troupe(tmp_path, monkeypatch, first=desk, second=sales) as stage:
        aicall = await stage.new_team_call()
        assert (aicall["assistance_type"], aicall["current_member_id"]) == ("team", str(RECEPTION))
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            await phone.say(FOR_SALES)
            async with listening(phone):
                assert await stage.switches(aicall, 1) == [TO_SALES]
                row = await stage.api.ok("GET", f"/v1.0/aicalls/{aicall['id']}")
                assert (row["current_member_id"], row["ai_engine_model"]) == (str(SALES), "openai.gpt-4o")
                await phone.until(lambda: SALES_HERE in heard(phone, SPOKEN))
                await stage.until_events(aicall, "aicall_turn_completed", 2)
            await phone.say(QUESTION)
            async with listening(phone):
                assert await stage.switches(aicall, 2) == [TO_SALES, TO_RECEPTION]
                await phone.until(lambda: BACK in heard(phone, SPOKEN))
        row = await assert_ended(stage.api, aicall, "hangup")
        assert row["current_member_id"] == str(RECEPTION)
        # What the caller heard, each in the voice of who said it, and whole.
        assert heard(phone, SPOKEN) == [GREETING, ONE_MOMENT, SALES_HERE, PRICE, BACK]
        assert await said_by(stage.api, aicall, "user") == [FOR_SALES, QUESTION]
        _check_what_vendors_were_sent(stage, aicall)


def _check_what_vendors_were_sent(stage: Any, aicall: dict[str, Any]) -> None:
    # Each recogniser was connected once, kept warm, and heard its own member's callers only.
    (ear,), (other_ear,) = stage.deepgram.requests_to("listen"), stage.elevenlabs.requests_to("realtime")
    assert other_ear.query["language_code"] in {"en", "eng"}
    assert "language" not in ear.query
    asked = stage.anthropic.requests_to("messages")
    first = asked[0].body
    assert first["system"] == f"You are the sales department of {aicall['id']}."
    assert {tool["name"] for tool in first["tools"]} == {"get_variables", "to_reception"}
    roles = [message["role"] for message in first["messages"]]
    assert roles == ["assistant", "user", "assistant", "user"]
    conversation = str(first["messages"])
    assert FOR_SALES in conversation
    # The call of the transition and its result stand next to each other, and behind them that it has the call now.
    assert first["messages"][2]["content"][-1]["type"] == "tool_use"
    assert [part["type"] for part in first["messages"][3]["content"]] == ["tool_result", "text"]
    assert "handed over to you" in first["messages"][3]["content"][1]["text"]
    back = stage.openai.requests_to("chat")[-1].body
    assert back["messages"][0]["content"] == f"You are the reception of {aicall['id']}."
    assert "sales department" not in str(back["messages"])
    assert {tool["function"]["name"] for tool in back["tools"]} == {"to_sales"}
    assert all(text in str(back["messages"]) for text in (FOR_SALES, SALES_HERE, QUESTION))


async def test_the_teams_own_url_and_an_ai_that_is_deleted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with troupe(tmp_path, monkeypatch) as stage:
        team = await stage.new_team()
        url = (await stage.api.ok("POST", f"/v1.0/ai-teams/{team['id']}/media_token"))["media_url"]
        async with dial(url) as phone:
            await begin(phone)
            (aicall,) = (await stage.api.ok("GET", "/v1.0/aicalls"))["result"]
            assert (aicall["assistance_type"], aicall["assistance_id"]) == ("team", team["id"])
            await stage.api.ok("DELETE", f"/v1.0/ais/{team['members'][1]['ai_id']}")
            await stage.api.ok("DELETE", f"/v1.0/teams/{team['id']}")
            await phone.say(FOR_SALES)
            async with listening(phone):
                assert await stage.switches(aicall, 1) == [TO_SALES]
                await phone.until(lambda: SALES_HERE in heard(phone, SPOKEN))
        await assert_ended(stage.api, aicall, "hangup")


@pytest.mark.parametrize(("vendor", "endpoint"), [("elevenlabs", "realtime"), ("elevenlabs", "multi")])
async def test_a_member_that_cannot_be_reached_does_not_get_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str, endpoint: str
) -> None:
    def desk(request: ChatRequest) -> Reply:
        if request.tool_result is not None and "failed" in request.tool_result:
            return Reply(SORRY)
        return reception(request)

    async with troupe(tmp_path, monkeypatch, first=desk) as stage:
        getattr(stage, vendor).endpoint_faults[endpoint] = Faults(status=401)
        aicall = await stage.new_team_call()
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            await phone.say(FOR_SALES)
            async with listening(phone):
                await phone.until(lambda: SORRY in heard(phone, SPOKEN))
        row = await assert_ended(stage.api, aicall, "hangup")
        assert row["current_member_id"] == str(RECEPTION)
        assert await data_of(stage.api, aicall, "team_member_switched") == []
        assert stage.anthropic.requests_to("messages") == []


async def test_the_next_members_vendor_has_its_own_understudy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def openai(request: ChatRequest) -> Reply:
        return Reply(SALES_HERE) if "sales department" in request.messages[0].text else reception(request)

    async with troupe(tmp_path, monkeypatch, first=openai) as stage:
        stage.anthropic.endpoint_faults["messages"] = Faults(status=500)
        fallback = {"llm": [{"engine_model": "openai.gpt-4o", "key": DEFAULT_KEY}]}
        team = await stage.new_team(second=sales_ai(parameter={"fallback": fallback}))
        aicall = await stage.new_team_call(team)
        async with dial(aicall["media_url"]) as phone:
            await begin(phone)
            await phone.say(FOR_SALES)
            async with listening(phone):
                await phone.until(lambda: SALES_HERE in heard(phone, SPOKEN))
        await assert_ended(stage.api, aicall, "hangup")
        (switched,) = await data_of(stage.api, aicall, "aicall_provider_switched")
        assert (switched["seat"], switched["from"], switched["to"]) == ("llm", "anthropic", "openai")
        (failed,) = await data_of(stage.api, aicall, "aicall_provider_failed")
        assert (failed["seat"], failed["provider"], failed["fatal"]) == ("llm", "anthropic", False)
