from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.vendor_errors import STALLED, failure
from models.aicall import Aicall, AicallWrite, EndReason
from models.event import Event
from models.message import Direction, Role, ToolCall, ToolCallFunction
from models.status import AicallStatus
from models.tools import ToolState
from models.turn import TurnRecord, TurnTrigger
from pipelines.tools.result import ToolResult
from runtime.calls.call_records import CallRecords
from runtime.ending import end_unattended
from runtime.services import Services
from tests.adapters.store.samples import make_ai, make_aicall
from tests.runtime.calls.wires import services_in

S = AicallStatus


class Kept:
    """The records of one AIcall, and how often they said that it ended elsewhere."""

    def __init__(self, services: Services, aicall: Aicall) -> None:
        self.services = services
        self.aicall = aicall
        self.lost = 0
        self.records = CallRecords(services, aicall, self._lost)

    def _lost(self) -> None:
        self.lost += 1

    async def events(self) -> list[Event]:
        assert await self.records.journal.flush(5)
        return await self.services.store.list_events(limit=100, customer_id=None, aicall_id=self.aicall.id)

    async def kinds(self) -> list[str]:
        return [event.type.removeprefix("aicall_status_") for event in await self.events()]

    async def row(self) -> Aicall:
        return await self.services.store.get_aicall(self.aicall.id, customer_id=None)

    def moves(self, status: AicallStatus) -> float:
        line = f'aicall_status_moves_total{{status="{status}"}} '
        text = self.services.metrics.render().decode()
        return float(next(one for one in text.splitlines() if one.startswith(line)).removeprefix(line))


@asynccontextmanager
async def kept(folder: Path, **settings: Any) -> AsyncIterator[Kept]:
    async with services_in(folder, **settings) as services:
        aicall = make_aicall()
        await services.store.create_aicall(aicall, owner=services.live_calls.owner)
        one = Kept(services, aicall)
        try:
            yield one
        finally:
            await one.records.journal.close()


async def test_moves_are_recorded_in_order_with_the_reason_and_counted(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        assert call.records.aicall_id == call.aicall.id
        call.records.moved(S.PROGRESSING)
        call.records.moved(S.TERMINATING, EndReason.IDLE)
        call.records.moved(S.TERMINATED, EndReason.HANGUP)
        assert await call.kinds() == ["initiating", "progressing", "terminating", "terminated"]
        row = await call.row()
        assert (row.status, row.end_reason) == (S.TERMINATED, EndReason.IDLE)
        assert [call.moves(one) for one in (S.PROGRESSING, S.TERMINATING, S.TERMINATED)] == [1, 1, 1]
        assert call.lost == 0


async def test_a_moment_is_that_of_the_move_and_not_that_of_the_writing(tmp_path: Path) -> None:
    async with kept(tmp_path, database=str(tmp_path / "calls.db")) as call:
        await call.services.store.close()
        before = call.services.clock()
        call.records.moved(S.PROGRESSING)
        after = call.services.clock()
        assert not await call.records.journal.flush(0.1)
        await call.services.store.open()
        assert before <= (await call.events())[-1].tm_create <= after


async def test_moves_that_the_table_does_not_list_are_dropped(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        for target in (S.TERMINATED, S.RESUMING, S.TERMINATING, S.TERMINATING, S.PROGRESSING, S.TERMINATED):
            call.records.moved(target, EndReason.HANGUP)
        assert await call.kinds() == ["initiating", "terminating", "terminated"]
        assert call.lost == 0


async def test_failing_vendors_and_those_that_take_over(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        stalled, refused = failure("openai", "llm", STALLED), failure("groq", "llm", "authentication")
        call.records.provider_switched(stalled, "groq", 12.345)
        call.records.provider_failed(refused, fatal=True)
        events = (await call.events())[1:]
        assert [event.type for event in events] == [
            "aicall_provider_failed",
            "aicall_provider_switched",
            "aicall_provider_failed",
        ]
        assert [event.data for event in events] == [
            {**stalled.public(), "fatal": False},
            {"seat": "llm", "from": "openai", "to": "groq", "error": "stalled", "switch_ms": 12.3},
            {**refused.public(), "fatal": True},
        ]


async def test_nothing_comes_after_the_end(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        call.records.moved(S.TERMINATING, EndReason.HANGUP)
        call.records.said(Role.ASSISTANT, "Good", interrupted=True)
        call.records.moved(S.TERMINATED, EndReason.HANGUP)
        call.records.said(Role.ASSISTANT, "bye")
        call.records.variables_set({"a": "b"})
        call.records.moved(S.TERMINATED, EndReason.HANGUP)
        assert await call.kinds() == ["initiating", "terminating", "aimessage_created", "terminated"]


@pytest.mark.parametrize("unfinished", [False, True])
async def test_an_aicall_that_another_hand_ended_is_reported_and_gets_no_more_records(
    tmp_path: Path, unfinished: bool
) -> None:
    async with kept(tmp_path) as call:
        if unfinished:
            now = call.services.clock()
            await call.services.store.move_aicall(
                call.aicall.id, S.TERMINATING, now=now, end_reason=EndReason.TERMINATE
            )
        else:
            await end_unattended(call.services, call.aicall.id, EndReason.TERMINATE)
        call.records.moved(S.PROGRESSING)
        call.records.said(Role.ASSISTANT, "Hello?")
        call.records.variables_set({"a": "b"})
        await call.events()
        assert call.lost == 1
        call.records.moved(S.TERMINATING, EndReason.TERMINATE)
        call.records.moved(S.TERMINATED, EndReason.TERMINATE)
        assert await call.kinds() == ["initiating", "terminating", "terminated"]
        assert call.moves(S.PROGRESSING) == 0


async def test_an_aicall_that_is_gone_is_reported(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        await end_unattended(call.services, call.aicall.id, EndReason.TERMINATE)
        now = call.services.clock()
        await call.services.store.delete_aicall(call.aicall.id, customer_id=call.aicall.customer_id, now=now)
        call.records.moved(S.PROGRESSING)
        call.records.said(Role.USER, "Hello?")
        assert await call.kinds() == ["initiating", "terminating", "terminated"]
        assert call.lost == 1


async def test_a_move_that_was_made_although_it_seemed_to_fail_is_no_loss(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        # As when the answer to the first try was lost.
        await call.services.store.move_aicall(call.aicall.id, S.PROGRESSING, now=call.services.clock())
        call.records.moved(S.PROGRESSING)
        call.records.said(Role.USER, "Hello?")
        assert await call.kinds() == ["initiating", "progressing", "aimessage_created"]
        assert call.lost == 0


async def test_records_wait_for_a_store_that_does_not_answer(tmp_path: Path) -> None:
    async with kept(tmp_path, database=str(tmp_path / "calls.db")) as call:
        await call.services.store.close()
        call.records.moved(S.PROGRESSING)
        call.records.said(Role.USER, "one")
        call.records.said(Role.ASSISTANT, "two")
        call.records.moved(S.TERMINATING, EndReason.HANGUP)
        assert not await call.records.journal.flush(0.1)
        await call.services.store.open()
        kinds = ["initiating", "progressing", "aimessage_created", "aimessage_created", "terminating"]
        assert await call.kinds() == kinds
        assert [event.sequence for event in await call.events()] == [1, 2, 3, 4, 5]


async def test_what_was_said(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        call.records.said(Role.USER, "I'd like grüß Gott 👋 a table")
        call.records.said(Role.ASSISTANT, "Of cour", interrupted=True)
        first, second = [event.data for event in (await call.events())[1:]]
        assert (first["role"], first["content"], first["direction"], first["interrupted"]) == (
            "user",
            "I'd like grüß Gott 👋 a table",
            Direction.INCOMING,
            False,
        )
        assert (second["role"], second["content"], second["direction"], second["interrupted"]) == (
            "assistant",
            "Of cour",
            Direction.OUTGOING,
            True,
        )
        assert first["id"] != second["id"]
        assert first["customer_id"] == str(call.aicall.customer_id)


async def test_a_tool_call_and_its_result(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        asked = ToolCall(id="call_1", function=ToolCallFunction(name="get_variables", arguments="{}"))
        call.records.tool_called(asked, ToolResult(ok=True, message="done", data={"variables": {}}))
        ask, answer, _ = [event.data for event in (await call.events())[1:]]
        assert (ask["role"], ask["content"], ask["tool_calls"]) == ("assistant", "", [asked.model_dump()])
        assert (answer["role"], answer["tool_call_id"], answer["direction"]) == ("tool", "call_1", "")
        assert answer["content"] == '{"result": "success", "message": "done", "variables": {}}'


async def test_a_turn_and_variables(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        turn = TurnRecord(turn=3, trigger=TurnTrigger.SPEECH, voice_to_voice_ms=480)
        call.records.turn_completed(turn)
        given = {"name": "Ada"}
        call.records.variables_set(given)
        given["name"] = "changed later"
        turned, variables = (await call.events())[1:]
        assert (turned.type, turned.data) == ("aicall_turn_completed", turn.public())
        assert (variables.type, variables.data) == ("aicall_variables_set", {"variables": {"name": "Ada"}})
        assert b"aicall_voice_to_voice_seconds_count 1.0" in call.services.metrics.render()


async def test_each_aicall_has_its_own_journal(tmp_path: Path) -> None:
    async with services_in(tmp_path) as services:
        ai = make_ai()
        calls = []
        for _ in range(3):
            aicall = Aicall.create(AicallWrite(assistance_id=ai.id), ai, id=make_aicall().id, now=services.clock())
            await services.store.create_aicall(aicall, owner=services.live_calls.owner)
            calls.append(Kept(services, aicall))
        for call in calls:
            call.records.moved(S.PROGRESSING)
        await asyncio.gather(*(call.records.journal.flush(5) for call in calls))
        for call in calls:
            assert await call.kinds() == ["initiating", "progressing"]
            await call.records.journal.close()


async def test_stalls_and_fillers(tmp_path: Path) -> None:
    async with kept(tmp_path) as call:
        call.records.filler_said("One moment.", "llm")
        call.records.provider_failed(failure("openai", "llm", STALLED), fatal=False)
        call.records.provider_failed(failure("openai", "llm", "server"), fatal=False)
        events = (await call.events())[1:]
        assert events[0].type == "aicall_filler_said"
        assert events[0].data == {"text": "One moment.", "waits_for": "llm"}
        text = call.services.metrics.render().decode()
        assert 'aicall_stalls_total{provider="openai",seat="llm"} 1.0' in text
        assert 'aicall_fillers_total{waits_for="llm"} 1.0' in text


@pytest.mark.parametrize("state", list(ToolState))
async def test_a_tool_call_is_an_event_that_tells_nothing_of_what_was_said(tmp_path: Path, state: ToolState) -> None:
    async with kept(tmp_path) as call:
        asked = ToolCall(id="call_1", function=ToolCallFunction(name="send_email", arguments='{"subject": "secret"}'))
        ok = state is ToolState.DONE
        call.records.tool_called(asked, ToolResult(ok=ok, data={"a": "secret"}, why=state, duration_ms=12.5))
        [event] = [event for event in await call.events() if event.type == "aicall_tool_called"]
        assert event.data == {
            "tool_call_id": "call_1",
            "name": "send_email",
            "state": state.value,
            "duration_ms": 12.5,
        }
