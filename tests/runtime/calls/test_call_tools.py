from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from models.aicall import EndReason
from models.errors import NotFound
from models.message import Role, ToolCall, ToolCallFunction
from models.status import AicallStatus
from pipelines.conversation.conversation import Conversation
from pipelines.tools.result import ToolResult
from runtime.calls.call_records import CallRecords
from runtime.calls.call_tools import CallToolHost
from runtime.calls.caller_leg import CallerLeg
from tests.adapters.store.samples import STRANGER, make_aicall
from tests.runtime.calls.wires import services_in


class Asked:
    """The part of a conversation that tools reach; notes what it is asked."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def stop_media(self) -> None:
        self.done.append("stop_media")

    async def hang_up(self, reason: EndReason) -> None:
        self.done.append(f"hang_up {reason}")

    async def when_heard(self) -> None:
        self.done.append("heard")


@asynccontextmanager
async def a_host(folder: Path, **settings: Any) -> AsyncIterator[tuple[CallToolHost, CallRecords]]:
    async with services_in(folder, **settings) as services:
        aicall = make_aicall()
        await services.store.create_aicall(aicall, owner=services.live_calls.owner)
        records = CallRecords(services, aicall, lambda: None)
        try:
            yield CallToolHost(services, aicall, records, {"call.from": "+44 20 7946 0000"}), records
        finally:
            await records.journal.close()


async def test_variables_are_remembered_and_recorded(tmp_path: Path) -> None:
    async with a_host(tmp_path) as (host, records):
        assert host.variables == {"call.from": "+44 20 7946 0000"}
        await host.set_variables({"name": "Ada"})
        await host.set_variables({"name": "Grace", "table": "4"})
        assert host.variables == {"call.from": "+44 20 7946 0000", "name": "Grace", "table": "4"}
        await records.journal.flush(5)
        events = await records._services.store.list_events(limit=10, customer_id=None, aicall_id=host.aicall_id)
        assert [event.data for event in events[1:]] == [
            {"variables": {"name": "Ada"}},
            {"variables": {"name": "Grace", "table": "4"}},
        ]


async def test_what_a_call_was_given_is_not_changed_by_its_tools(tmp_path: Path) -> None:
    async with services_in(tmp_path) as services:
        aicall, given = make_aicall(), {"a": "1"}
        await services.store.create_aicall(aicall, owner=services.live_calls.owner)
        records = CallRecords(services, aicall, lambda: None)
        await CallToolHost(services, aicall, records, given).set_variables({"a": "2"})
        await records.journal.close()
        assert given == {"a": "1"}


async def test_its_own_messages_hold_what_was_said_just_now(tmp_path: Path) -> None:
    async with a_host(tmp_path) as (host, records):
        records.moved(AicallStatus.PROGRESSING)
        records.said(Role.ASSISTANT, "Hello!")
        records.said(Role.USER, "A table, please.")
        asked = ToolCall(id="1", function=ToolCallFunction(name="get_aicall_messages", arguments="{}"))
        records.tool_called(asked, ToolResult(ok=True))
        records.said(Role.ASSISTANT, "For how many?")
        # Calls of tools and their results are not what was said.
        assert await host.messages(host.aicall_id) == [
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": "A table, please."},
            {"role": "assistant", "content": "For how many?"},
        ]


async def test_the_latest_hundred_messages_are_shown(tmp_path: Path) -> None:
    async with a_host(tmp_path) as (host, records):
        for number in range(103):
            records.said(Role.USER, str(number))
        messages = await host.messages(host.aicall_id)
        assert [message["content"] for message in messages] == [str(number) for number in range(3, 103)]


async def test_messages_of_another_aicall(tmp_path: Path) -> None:
    async with a_host(tmp_path) as (host, records):
        store = records._services.store
        earlier, foreign = make_aicall(), make_aicall(customer_id=STRANGER)
        for aicall in (earlier, foreign):
            await store.create_aicall(aicall, owner=records._services.live_calls.owner)
            other = CallRecords(records._services, aicall, lambda: None)
            other.said(Role.USER, "It was me.")
            await other.journal.flush(5)
            await other.journal.close()
        assert await host.messages(earlier.id) == [{"role": "user", "content": "It was me."}]
        for unseen in (foreign.id, uuid4()):
            with pytest.raises(NotFound):
                await host.messages(unseen)


async def test_a_store_that_is_behind_does_not_hold_the_tool_up(tmp_path: Path) -> None:
    async with a_host(tmp_path) as (host, records):
        records.said(Role.USER, "one")
        await records.journal.flush(5)
        await records.journal.close()
        records.said(Role.USER, "never written")
        assert await host.messages(host.aicall_id) == [{"role": "user", "content": "one"}]


async def test_stopping_reaches_the_conversation_once_there_is_one(tmp_path: Path) -> None:
    async with a_host(tmp_path) as (host, _):
        await host.stop_media()
        await host.stop_service()
        conversation = Asked()
        host.serve(cast("Conversation", conversation))
        await host.stop_media()
        await host.when_heard()
        await host.stop_service()
        await host.stop_service(EndReason.CONNECT_CALL)
        assert conversation.done == ["stop_media", "heard", "hang_up stop_service", "hang_up connect_call"]


async def test_what_tools_reach(tmp_path: Path) -> None:
    async with a_host(tmp_path) as (host, records):
        await host.when_heard()
        assert host.aicall["id"] == str(host.aicall_id)
        assert host.desk is records._services.tools
        assert host.knowledge is None
        assert host.leg is None
        host.parting(EndReason.CONNECT_CALL)
        host.parted(done=True)


async def test_the_callers_leg_is_the_calls_own(tmp_path: Path) -> None:
    async with services_in(tmp_path) as services:
        aicall = make_aicall()
        await services.store.create_aicall(aicall, owner=services.live_calls.owner)
        records = CallRecords(services, aicall, lambda: None)
        caller = CallerLeg(aicall, None)
        host = CallToolHost(services, aicall, records, {}, caller=caller).beside(None)
        host.parting(EndReason.CONNECT_CALL)
        host.parted(done=True)
        assert await caller.why() is EndReason.CONNECT_CALL
        await records.journal.close()
