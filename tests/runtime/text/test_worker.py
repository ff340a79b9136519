"""Conversations in writing, end to end: a real server, and vendors on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.llm.table import LLM_TABLE
from models.ids import DEFAULT_CUSTOMER_ID
from models.providers import LlmProvider
from models.status import AicallStatus
from tests.runtime.calls.offices import events_of, office_ai, statuses_of
from tests.runtime.calls.troupes import team_of
from tests.runtime.serving import Api, serving
from tests.runtime.text.chats import (
    WAIT_S,
    ask,
    dialogue,
    messages_of,
    new_text,
    post,
    said,
    told,
    until_at_rest,
    until_events,
    until_terminated,
)
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.base import DEFAULT_KEY
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import ChatRequest, Reply


class Model:
    """What a model was asked, and what it answers: an echo until told otherwise."""

    def __init__(self) -> None:
        self.asked: list[ChatRequest] = []
        self.answers: list[Reply | str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.free = 0
        """How many requests are answered whatever the gate says."""

    async def __call__(self, request: ChatRequest) -> Reply | str:
        self.asked.append(request)
        if len(self.asked) > self.free:
            await self.gate.wait()
        if self.answers:
            return self.answers.pop(0)
        return f"You said {request.last_user_text}"

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self.asked) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def chat(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[tuple[Api, Model]]:
    """A server and a model."""
    model = Model()
    async with OpenAIStandIn(reply=model) as openai:
        monkeypatch.setenv("AICALL_BASE_URL_OPENAI", openai.base_url)
        async with serving(folder, **settings) as api:
            api.http.timeout = httpx.Timeout(WAIT_S)
            yield api, model
        model.gate.set()
        await openai.all_closed()


async def test_a_message_is_answered_in_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api)
        assert aicall["media_url"] is None
        assert aicall["status"] == "initiating"
        model.answers = [Reply("We are open from eight to six.", token_interval_s=0.05)]
        (reply,) = await ask(api, aicall, "When are you open?")
        assert reply["content"] == "We are open from eight to six."
        assert (reply["role"], reply["direction"]) == ("assistant", "outgoing")
        events = await events_of(api, aicall)
        assert [event["type"] for event in events[:3]] == [
            "aicall_status_initiating",
            "aimessage_created",
            "aicall_status_progressing",
        ]
        deltas = [event["data"] for event in events if event["type"] == "aimessage_intermediate"]
        assert len(deltas) > 1
        assert "".join(delta["content"] for delta in deltas) == reply["content"]
        assert [delta["sequence"] for delta in deltas] == list(range(1, len(deltas) + 1))
        assert {delta["id"] for delta in deltas} == {reply["id"]}
        assert events[-1]["data"] == reply
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
        await until_at_rest(api)


async def test_each_turn_sees_those_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api, init_prompt="You are ${aicall.id}.")
        await ask(api, aicall, "one")
        await until_at_rest(api)
        await ask(api, aicall, "two")
        assert dialogue(model.asked[-1]) == [("user", "one"), ("assistant", "You said one"), ("user", "two")]
        assert model.asked[-1].messages[0].text == f"You are {aicall['id']}."


async def test_what_the_model_uses_is_counted_from_turn_to_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(tmp_path, monkeypatch) as (api, _model):
        aicall = await new_text(api)
        for text in ("one", "two"):
            await ask(api, aicall, text)
            await until_at_rest(api)
        usage = [event["data"] for event in await events_of(api, aicall) if event["type"] == "aicall_usage"]
        assert len(usage) == 2
        assert 0 < usage[0]["llm_output_tokens"] < usage[1]["llm_output_tokens"]
        assert usage[1]["llm_input_tokens"] > 2 * usage[0]["llm_input_tokens"] > 0


@pytest.mark.parametrize("kind", ["conversation", "task"])
async def test_a_conversation_or_task_that_costs_too_much_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        limits = {"name": "x", "prices": {"llm_output": 1000}, "max_spend": 1}
        await api.ok("PUT", f"/v1.0/customers/{DEFAULT_CUSTOMER_ID}", json=limits)
        aicall = await new_text(api, kind)
        if kind == "conversation":
            (reply,) = await ask(api, aicall, "one")
            assert reply["content"] == "You said one", "what was paid for is said"
        row = await until_terminated(api, aicall)
        assert row["end_reason"] == "max_spend"
        assert len(model.asked) == 1


async def test_messages_that_come_while_one_is_answered_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api)
        model.gate.clear()
        for number in range(4):
            sent = await post(api, aicall, f"line {number}")
            assert sent["delivery_status"] == "pending"
        await model.until_asked(1)
        model.gate.set()
        await until_events(api, aicall, lambda events: told(events, "assistant")[3:])
        expected: list[tuple[str, str]] = []
        for number, request in enumerate(model.asked):
            expected.append(("user", f"line {number}"))
            assert dialogue(request) == expected
            expected.append(("assistant", f"You said line {number}"))
        # Restored from the store, it is the same.
        await until_at_rest(api)
        await ask(api, aicall, "last")
        assert dialogue(model.asked[-1]) == [*expected, ("user", "last")]


async def test_too_many_messages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api)
        model.gate.clear()
        for number in range(50):
            await post(api, aicall, f"line {number}")
        body = {"aicall_id": aicall["id"], "content": "one too many"}
        problem = await api.problem("POST", "/v1.0/aimessages", 409, json=body)
        assert "too many" in problem["detail"]
        assert len(await messages_of(api, aicall)) == 50
        await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")


async def test_tools_are_carried_out_and_stay_with_their_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api, tool_names=["set_variables", "get_variables", "get_aicall_messages"])
        model.answers = [
            Reply(tool_calls=[("set_variables", {"variables": {"name": "Ada"}}), ("get_variables", {})]),
            "Noted.",
        ]
        replies = await ask(api, aicall, "I am Ada")
        assert [(it["role"], it["content"] != "") for it in replies] == [
            ("assistant", False),
            ("tool", True),
            ("assistant", False),
            ("tool", True),
            ("assistant", True),
        ]
        for call, result in ((replies[0], replies[1]), (replies[2], replies[3])):
            assert call["tool_calls"][0]["id"] == result["tool_call_id"]
            assert '"success"' in result["content"]
        kinds = [event["type"] for event in await events_of(api, aicall)]
        assert kinds.count("aicall_variables_set") == 1
        await until_at_rest(api)
        # What was remembered is known after a rest, too.
        model.answers = [Reply(tool_calls=[("get_variables", {})]), "Ada."]
        replies = await ask(api, aicall, "Who am I?")
        assert '"name": "Ada"' in replies[1]["content"]
        roles = [role for role, _ in dialogue(model.asked[-1])]
        assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant", "user", "assistant", "tool"]
        model.answers = [Reply(tool_calls=[("get_aicall_messages", {})]), "That was it."]
        replies = await ask(api, aicall, "What did I say first?")
        assert "I am Ada" in replies[1]["content"]


async def test_stop_service_ends_the_conversation_after_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api, tool_names=["stop_service"])
        model.answers = [Reply("Goodbye!", tool_calls=[("stop_service", {})])]
        await post(api, aicall, "bye")
        row = await until_terminated(api, aicall)
        assert row["end_reason"] == "stop_service"
        assert said(await messages_of(api, aicall), "assistant") == ["Goodbye!"]
        body = {"aicall_id": aicall["id"], "content": "still there?"}
        await api.problem("POST", "/v1.0/aimessages", 409, json=body)


async def test_a_model_that_never_comes_to_an_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api, tool_names=["get_variables"])
        model.answers = [Reply(tool_calls=[("get_variables", {})]) for _ in range(100)]
        await ask(api, aicall, "go")
        assert len(model.asked) == 25


async def test_an_instruction_is_in_the_context_and_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api)
        await ask(api, aicall, "The user is a doctor.", role="system")
        assert model.asked == []
        await ask(api, aicall, "I write this for the AI.", role="assistant")
        await ask(api, aicall, "hello")
        shown = dialogue(model.asked[-1])
        assert [text for _, text in shown] == ["The user is a doctor.", "I write this for the AI.", "hello"]
        assert [role for role, _ in shown] == ["system", "assistant", "user"]


async def test_another_model_goes_on_when_the_first_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        OpenAIStandIn(reply=lambda _: Reply("We are open all day.", token_interval_s=0.01)) as openai,
        AnthropicStandIn(reply=lambda _: "We are open all day long.") as anthropic,
    ):
        monkeypatch.setenv("AICALL_BASE_URL_OPENAI", openai.base_url)
        monkeypatch.setenv("AICALL_BASE_URL_ANTHROPIC", anthropic.base_url)
        openai.endpoint_faults["chat"] = Faults(drop_after=3)
        # SDKs take seconds to import where the machine is busy.
        for vendor in (LlmProvider.OPENAI, LlmProvider.ANTHROPIC):
            LLM_TABLE[vendor].load_factory()
        async with serving(tmp_path) as api:
            fallback = {"llm": [{"engine_model": "anthropic.claude-sonnet-4-6", "key": DEFAULT_KEY}]}
            aicall = await new_text(api, parameter={"fallback": fallback})
            (reply,) = await ask(api, aicall, "When?")
            assert reply["content"].startswith("We are open")
            kinds = [event["type"] for event in await events_of(api, aicall)]
            assert kinds.count("aicall_provider_switched") == 1
        await openai.all_closed()
        await anthropic.all_closed()


async def test_a_turn_that_nobody_can_answer_is_given_up_and_the_next_one_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with OpenAIStandIn() as openai:
        monkeypatch.setenv("AICALL_BASE_URL_OPENAI", openai.base_url)
        async with serving(tmp_path) as api:
            aicall = await new_text(api)
            openai.endpoint_faults["chat"] = Faults(status=500)
            (note,) = await ask(api, aicall, "first")
            assert note["role"] == "notification"
            assert '"turn_failed"' in note["content"]
            del openai.endpoint_faults["chat"]
            (reply,) = await ask(api, aicall, "second")
            assert reply["content"] == "You said: second."
            failed = [it["data"] for it in await events_of(api, aicall) if it["type"] == "aicall_provider_failed"]
            assert [it["fatal"] for it in failed] == [False, True]
        await openai.all_closed()


async def test_a_model_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch, text_stall_s=0.3) as (api, model):
        aicall = await new_text(api)
        model.gate.clear()
        (note,) = await ask(api, aicall, "first")
        assert '"stalled"' in note["content"]
        assert len(model.asked) == 2


async def test_another_server_on_the_same_database_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = str(tmp_path / "shared.db")
    async with chat(tmp_path / "one", monkeypatch, database=database, secret_key=SECRET) as (api, model):
        aicall = await new_text(api, tool_names=["set_variables"])
        await ask(api, aicall, "first")
        model.answers = [Reply(tool_calls=[("set_variables", {"variables": {"a": "b"}})])]
        model.gate.clear()
        model.free = 2
        await post(api, aicall, "second")
        await post(api, aicall, "third")
        await model.until_asked(3)
    # The first server stopped in the middle of the second turn, behind its first step.
    async with chat(tmp_path / "two", monkeypatch, database=database, secret_key=SECRET, sweep_interval_s=0.2) as (
        api,
        model,
    ):
        await until_events(api, aicall, lambda events: "You said third" in told(events, "assistant"))
        shown = dialogue(model.asked[-1])
        assert [role for role, _ in shown] == [
            *("user", "assistant"),
            *("user", "assistant", "tool", "assistant"),
            "user",
        ]
        # The tool was not called again.
        assert dialogue(model.asked[0])[-1][0] == "tool"
        assert await statuses_of(api, aicall) == ["initiating", "progressing"]


SECRET = "c2VjcmV0LWtleS1vZi10aGUtc3RvcmUncy10ZXN0cyE="


async def test_what_a_dead_process_left_is_answered_when_its_lease_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(tmp_path, monkeypatch, lease_s=0.5, sweep_interval_s=0.1) as (api, _):
        aicall = await new_text(api)
        store, now = api.services.store, api.services.clock()
        lease = now.replace(year=now.year + 1)
        assert await store.take_text(UUID(aicall["id"]), owner="dead", now=now, tm_lease=lease)
        await post(api, aicall, "anybody?")
        assert (await store.waiting_messages(UUID(aicall["id"])))[0].message.content == "anybody?"
        # Its lease ends.
        assert await store.take_text(UUID(aicall["id"]), owner="dead", now=now, tm_lease=now)
        await until_events(api, aicall, lambda events: told(events, "assistant"))


async def test_messages_are_kept_while_it_is_paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch, sweep_interval_s=0.1) as (api, model):
        aicall = await new_text(api)
        await ask(api, aicall, "one")
        await until_at_rest(api)
        await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/pause")
        sent = await post(api, aicall, "two")
        assert sent["delivery_status"] == "pending"
        await until_at_rest(api)
        assert len(model.asked) == 1
        await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/resume")
        await until_events(api, aicall, lambda events: "You said two" in told(events, "assistant"))
        statuses = ["initiating", "progressing", "pausing", "resuming", "progressing"]
        assert await statuses_of(api, aicall) == statuses


async def test_terminate_ends_it_in_the_middle_of_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api)
        model.gate.clear()
        await post(api, aicall, "one")
        await model.until_asked(1)
        row = await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
        assert (row["status"], row["end_reason"]) == ("terminated", "terminate")
        assert (await events_of(api, aicall))[-1]["type"] == "aicall_status_terminated"
        assert not len(api.services.texts)


async def test_it_ends_when_it_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch, conversation_max_age_s=0.5, sweep_interval_s=0.1) as (api, _):
        aicall = await new_text(api)
        row = await until_terminated(api, aicall)
        assert row["end_reason"] == "max_duration"


async def test_a_long_conversation_is_summed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api, parameter={"context_tokens": 1000})
        model.answers = ["Fine."] * 3
        for number in range(3):
            await ask(api, aicall, f"number {number} " + "blah " * 160)
        model.answers = ["The user counted to three.", "Yes.", "Sure."]
        await ask(api, aicall, "short")
        await until_at_rest(api)
        summaries = [it for it in await messages_of(api, aicall) if '"context_summary"' in it["content"]]
        assert summaries
        model.answers = []
        await ask(api, aicall, "What did I count to?")
        shown = dialogue(model.asked[-1])
        assert len(shown) < 9
        assert "summed up" in shown[0][1]


# Tasks.


async def test_a_task_runs_on_tools_alone_until_it_stops_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        model.answers = [
            Reply(tool_calls=[("set_variables", {"variables": {"done": "half"}})]),
            "I am thinking.",
            Reply(tool_calls=[("stop_service", {})]),
        ]
        aicall = await new_text(api, "task", tool_names=["all"], init_prompt="Do it.")
        row = await until_terminated(api, aicall)
        assert row["end_reason"] == "stop_service"
        assert await statuses_of(api, aicall) == ["initiating", "progressing", "terminating", "terminated"]
        assert len(model.asked) == 3
        body = {"aicall_id": aicall["id"], "content": "hello"}
        await api.problem("POST", "/v1.0/aimessages", 409, json=body)


async def test_a_task_that_only_talks_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api, "task", tool_names=["all"])
        row = await until_terminated(api, aicall)
        assert row["end_reason"] == "no_progress"
        assert len(model.asked) == 4


async def test_a_task_ends_when_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        model.gate.clear()
        aicall = await new_text(api, "task", tool_names=["all"], parameter={"max_duration_s": 0.5})
        row = await until_terminated(api, aicall)
        assert row["end_reason"] == "max_duration"


async def test_a_paused_conversation_in_the_store_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        aicall = await new_text(api)
        await ask(api, aicall, "one")
        await until_at_rest(api)
        await api.services.store.move_aicall(UUID(aicall["id"]), AicallStatus.PAUSING, now=api.services.clock())
        await post(api, aicall, "two")
        await until_at_rest(api)
        assert len(model.asked) == 1


async def test_an_ai_that_cannot_be_used_answers_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        aicall = await new_text(api, engine_key="")
        monkeypatch.delenv("OPENAI_API_KEY")
        (note,) = await ask(api, aicall, "hello")
        assert '"not_available"' in note["content"]
        assert model.asked == []


async def test_a_conversation_whose_ai_was_deleted_ends_with_its_next_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(tmp_path, monkeypatch) as (api, _):
        aicall = await new_text(api)
        await api.ok("DELETE", f"/v1.0/ais/{aicall['assistance_id']}")
        await post(api, aicall, "hello")
        row = await until_terminated(api, aicall)
        assert row["end_reason"] == "terminate"


async def test_a_team_hands_over_in_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(tmp_path, monkeypatch) as (api, model):
        first = await api.ok("POST", "/v1.0/ais", json=office_ai(init_prompt="You are the reception."))
        second = await api.ok("POST", "/v1.0/ais", json=office_ai(init_prompt="You are sales for ${aicall.id}."))
        team = await api.ok("POST", "/v1.0/teams", json=team_of(first["id"], second["id"]))
        way = team["members"][0]["transitions"][0]["function_name"]
        aicall = await api.new_aicall(team, assistance_type="team", reference_type="conversation")
        model.answers = [Reply(tool_calls=[(way, {})]), "Sales here."]
        replies = await ask(api, aicall, "I want to buy")
        assert said(replies, "assistant") == ["Sales here."]
        await until_at_rest(api)
        assert model.asked[0].messages[0].text == "You are the reception."
        assert model.asked[1].messages[0].text == f"You are sales for {aicall['id']}."
        await ask(api, aicall, "Still you?")
        assert model.asked[2].messages[0].text == f"You are sales for {aicall['id']}."
        row = await api.ok("GET", f"/v1.0/aicalls/{aicall['id']}")
        assert row["current_member_id"] == team["members"][1]["id"]
        kinds = [event["type"] for event in await events_of(api, aicall)]
        assert kinds.count("team_member_switched") == 1
