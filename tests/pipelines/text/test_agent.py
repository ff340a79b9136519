"""The agent on a real service, whose vendor is played on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallResultProperties
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.llm.build import build_llm
from models.providers import EngineModel
from pipelines.meter import Meter
from pipelines.text.agent import TextAgent
from tests.standins.base import DEFAULT_KEY
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import ChatRequest, Reply


@asynccontextmanager
async def agent_on(
    openai: OpenAIStandIn, *, on_text: Callable[[str], None] = lambda _: None, run_llm: bool = True, stall_s: float = 20
) -> AsyncIterator[TextAgent]:
    """An agent that runs, with a tool ``look``."""

    async def look(params: Any) -> None:
        properties = FunctionCallResultProperties(run_llm=run_llm)
        await params.result_callback({"result": "success"}, properties=properties)

    clients = SharedClients()
    llm = build_llm(
        EngineModel.parse("openai.gpt-4o"),
        key=SecretStr(DEFAULT_KEY),
        system_instruction="Be kind.",
        resources=clients,
        environ={"AICALL_BASE_URL_OPENAI": openai.base_url},
    )
    tool = FunctionSchema("look", "Look.", {}, [], handler=look)
    agent = TextAgent(
        llm, [{"role": "user", "content": "hello"}], [tool], on_text=on_text, stall_s=stall_s, meter=Meter()
    )
    await agent.start()
    try:
        yield agent
    finally:
        assert await agent.stop(10)
        await clients.aclose()


def contents(agent: TextAgent) -> list[Any]:
    return [cast("Any", message).get("content") for message in agent.context.messages]


async def test_an_answer_comes_in_pieces_and_is_in_the_context_when_the_step_is_over() -> None:
    pieces: list[str] = []
    async with OpenAIStandIn(reply=["Hello, how are you?"]) as openai:
        async with agent_on(openai, on_text=pieces.append) as agent:
            step = await agent.ask()
            assert (step.tools, step.asks_again, step.failed) == (0, False, "")
            assert contents(agent) == ["hello", "Hello, how are you?"]
        await openai.all_closed()
    assert len(pieces) > 1
    assert "".join(pieces) == "Hello, how are you?"


@pytest.mark.parametrize("run_llm", [True, False])
async def test_a_step_is_over_when_its_tools_are_and_nobody_asks_on_unbidden(run_llm: bool) -> None:
    asked: list[ChatRequest] = []

    def reply(request: ChatRequest) -> Reply:
        asked.append(request)
        return Reply("One moment.", tool_calls=[("look", {}), ("look", {})])

    async with OpenAIStandIn(reply=reply) as openai:
        async with agent_on(openai, run_llm=run_llm) as agent:
            step = await agent.ask()
            assert (step.tools, step.asks_again) == (2, run_llm)
            assert "IN_PROGRESS" not in str(agent.context.messages)
            roles = sorted(str(cast("Any", message)["role"]) for message in agent.context.messages)
            assert roles == ["assistant"] * 3 + ["tool"] * 2 + ["user"]
            assert len(asked) == 1
            await agent.ask()
            assert len(asked) == 2
        await openai.all_closed()


async def test_a_failure_is_the_steps_outcome() -> None:
    async with OpenAIStandIn(endpoint_faults={"chat": Faults(status=401)}) as openai:
        async with agent_on(openai) as agent:
            step = await agent.ask()
            assert step.failed == "authentication"
        await openai.all_closed()


async def test_a_model_that_falls_silent_fails_the_step() -> None:
    async with OpenAIStandIn(endpoint_faults={"chat": Faults(stall_after=1)}) as openai:
        async with agent_on(openai, stall_s=0.2) as agent:
            assert (await agent.ask()).failed == "stalled"
        await openai.all_closed()
