from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema

from models.ai import Ai, AiWrite
from models.message import ToolCall
from models.timestamps import parse_timestamp
from models.tools import TOOLS, ToolDefinition
from pipelines.tools.bound import BoundTool, Invocation
from pipelines.tools.host import ToolDesk
from pipelines.tools.result import ToolResult
from pipelines.tools.toolset import Toolset
from tests.adapters.tools.clients import local_client
from tests.pipelines.tools.hosts import CallHost
from tests.pipelines.tools.test_dispatch import Params
from tests.runtime.serving import until
from tests.standins.mcp_server import McpStandIn, mcp_stand_in
from tests.standins.tools import ToolStandIn

KEY = "Bearer tool-key"


def make_ai(tool_names: list[str] | None = None, rag: bool = False, **parameter: Any) -> Ai:
    body = AiWrite.model_validate(
        {
            "name": "Office",
            "engine_model": "openai.gpt-4o",
            "init_prompt": "You answer.",
            "tts_type": "deepgram",
            "stt_type": "deepgram",
            "tool_names": tool_names,
            "rag_id": str(uuid4()) if rag else None,
            "parameter": parameter,
        }
    )
    now = parse_timestamp("2026-03-01T10:00:00.000000Z")
    return Ai.create(body, id=uuid4(), customer_id=uuid4(), now=now)


class Tools:
    """A set of tools, and what became of their calls."""

    def __init__(self, ai: Ai, desk: ToolDesk, more: Sequence[BoundTool] = ()) -> None:
        self.host = CallHost()
        self.host.desk = desk
        self.closed: list[tuple[ToolCall, ToolResult]] = []
        self.offered: list[list[str]] = []
        self.set = Toolset(ai, ai.options, self.host, lambda *closed: self.closed.append(closed), more=more)

    @property
    def names(self) -> list[str]:
        return [schema.name for schema in self.set.schemas()]

    async def offer(self, tools: Sequence[FunctionSchema]) -> None:
        self.offered.append([schema.name for schema in tools])

    async def run(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool as Pipecat does; returns what the model is told."""
        [schema] = [schema for schema in self.set.schemas() if schema.name == name]
        params, handler = Params(arguments), schema.handler
        await handler(params)  # type: ignore[operator, arg-type]
        [(answer, _)] = params.answers
        return answer


@asynccontextmanager
async def tools(
    ai: Ai, *, allow_private: bool = True, connected: bool = True, more: Sequence[BoundTool] = ()
) -> AsyncIterator[Tools]:
    async with local_client(allow_private=allow_private) as http:
        desk = ToolDesk(http=http, mcp_client=lambda: local_client(allow_private=allow_private))
        made = Tools(ai, desk if connected else ToolDesk(), more)
        try:
            yield made
        finally:
            await made.set.aclose()


def weather(stand_in: ToolStandIn, **changes: Any) -> dict[str, Any]:
    return {
        "name": "weather",
        "description": "The weather.",
        "url": f"{stand_in.http_url}/tool",
        "headers": {"Authorization": KEY},
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
        **changes,
    }


def shop(stand_in: McpStandIn, **changes: Any) -> dict[str, Any]:
    return {"name": "shop", "url": stand_in.url, "headers": {"Authorization": KEY}, **changes}


async def test_built_in_tools_as_the_ai_names_them() -> None:
    async with tools(make_ai(["all"], rag=True)) as made:
        assert made.names == list(TOOLS)
    async with tools(make_ai(["all"])) as made:
        assert made.names == [name for name in TOOLS if name != "search_knowledge"]
    async with tools(make_ai()) as made:
        assert made.names == []


async def test_further_tools_come_with_them() -> None:
    async def transfer(call: Invocation) -> ToolResult:
        return ToolResult(ok=True, message="transferred")

    more = [BoundTool(ToolDefinition("to_billing", "Hand over to billing.", run_llm=False), transfer)]
    async with tools(make_ai(["stop_media"]), more=more) as made:
        assert made.names == ["stop_media", "to_billing"]
        assert (await made.run("to_billing", {}))["message"] == "transferred"


async def test_a_teams_way_goes_before_the_ais_own_tool_of_the_same_name() -> None:
    async def transfer(call: Invocation) -> ToolResult:
        return ToolResult(ok=True, message="transferred")

    more = [BoundTool(ToolDefinition("weather", "Hand over to the weather desk.", run_llm=False), transfer)]
    async with ToolStandIn(keys=[KEY]) as stand_in, tools(make_ai(tools=[weather(stand_in)]), more=more) as made:
        assert made.names == ["weather"]
        assert (await made.run("weather", {}))["message"] == "transferred"
        assert not stand_in.requests


async def test_an_http_tool() -> None:
    async with ToolStandIn(keys=[KEY]) as stand_in, tools(make_ai(tools=[weather(stand_in)])) as made:
        assert made.names == ["weather"]
        answer = await made.run("weather", {"town": "Bern"})
        assert answer == {"result": "success", "message": "", "answer": {"temperature": 21}}
        assert (await made.run("weather", {}))["message"].startswith("arguments: ")
        assert [it.body for it in stand_in.requests] == [{"town": "Bern"}]
        assert [result.state for _, result in made.closed] == ["done", "failed"]


async def test_an_http_tool_that_answers_nothing() -> None:
    async with ToolStandIn() as stand_in, tools(make_ai(tools=[weather(stand_in)])) as made:
        stand_in.answers["tool"] = None
        assert await made.run("weather", {"town": "Bern"}) == {"result": "success", "message": ""}


async def test_an_http_tool_in_a_private_network() -> None:
    async with ToolStandIn() as stand_in, tools(make_ai(tools=[weather(stand_in)]), allow_private=False) as made:
        assert "private network" in (await made.run("weather", {"town": "Bern"}))["message"]
        assert stand_in.requests == []


async def test_where_nothing_can_be_reached() -> None:
    async with mcp_stand_in() as server, ToolStandIn() as stand_in:
        ai = make_ai(tools=[weather(stand_in)], mcp_servers=[shop(server)])
        async with tools(ai, connected=False) as made:
            await made.set.open(made.offer)
            assert made.offered == []
            assert "not available" in (await made.run("weather", {"town": "Bern"}))["message"]


async def test_the_tools_of_an_mcp_server() -> None:
    async with mcp_stand_in() as server, tools(make_ai(["stop_media"], mcp_servers=[shop(server)])) as made:
        server.key = KEY
        assert made.names == ["stop_media"]
        await made.set.open(made.offer)
        # A name that no vendor takes is changed, one that is taken gets its server's, and one that cannot be shown
        # is left out.
        assert made.names == ["stop_media", "weather_now", "book", "shop_stop_media"]
        assert made.offered == [made.names]
        place = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
        [schema] = [schema for schema in made.set.schemas() if schema.name == "weather_now"]
        assert schema.properties == {"place": place}
        assert (await made.run("weather_now", {"place": {"town": "Bern"}}))["answer"] == {"celsius": 21}
        assert (await made.run("weather_now", {"place": {}}))["message"].startswith("place: ")
        assert (await made.run("book", {"seats": 2}))["answer"] == "booked"
        assert [name for name, _, _ in server.called] == ["weather.now", "book"]
        server.fails = True
        assert (await made.run("book", {"seats": 3}))["message"] == (
            "book failed: the tool reports an error: no table is free"
        )


async def test_the_same_tools_of_two_servers() -> None:
    async with mcp_stand_in() as first, mcp_stand_in() as second:
        servers = [shop(first, tool_names=["book"]), shop(second, name="other", tool_names=["book"])]
        async with tools(make_ai(mcp_servers=servers)) as made:
            await made.set.open(made.offer)
            assert made.names == ["book", "other_book"]
            await made.run("other_book", {})
            assert (len(first.called), len(second.called)) == (0, 1)


async def test_a_server_that_is_late_or_gone_is_left_out() -> None:
    async with mcp_stand_in() as fine, mcp_stand_in() as hanging:
        hanging.hangs = True
        gone = {"name": "gone", "url": "http://127.0.0.1:9/mcp"}
        servers = [gone, shop(hanging, name="late"), shop(fine, tool_names=["book"])]
        async with tools(make_ai(mcp_servers=servers)) as made:
            await made.set.open(made.offer, timeout_s=2.0)
            assert made.names == ["book"]


async def test_a_call_may_end_while_servers_are_asked() -> None:
    async with mcp_stand_in() as hanging, tools(make_ai(mcp_servers=[shop(hanging)])) as made:
        hanging.hangs = True
        opening = asyncio.create_task(made.set.open(made.offer))
        await until(lambda: hanging.headers)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert made.offered == []


async def test_what_was_sent_is_nowhere_to_be_read() -> None:
    async with ToolStandIn() as stand_in, tools(make_ai(tools=[weather(stand_in)])) as made:
        stand_in.statuses["tool"] = 500
        answer = await made.run("weather", {"town": "Bern"})
        assert "tool-key" not in json.dumps(answer)
