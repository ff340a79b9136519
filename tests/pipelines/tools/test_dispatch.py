import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallResultProperties

from models.errors import AicallError
from models.message import ToolCall
from models.tools import TOOLS, ToolDefinition
from pipelines.tools.builtin import BUILTIN
from pipelines.tools.dispatch import DEADLINE_S, ToolDispatch
from pipelines.tools.result import ToolResult
from tests.pipelines.tools.hosts import CallHost

ADDRESS = {"type": "tel", "target": "+15551230001"}
FITTING: dict[str, dict[str, Any]] = {
    "connect_call": {"destinations": [ADDRESS]},
    "send_email": {"destinations": [ADDRESS], "subject": "s", "content": "c"},
    "send_message": {"destinations": [ADDRESS], "text": "t"},
    "set_variables": {"variables": {"a": "1"}},
    "search_knowledge": {"query": "opening hours"},
    "create_call": {"destinations": [ADDRESS]},
}
"""Arguments of the tools that need some."""


@dataclass
class Params:
    """What Pipecat hands a function's handler, as far as it is used."""

    arguments: Mapping[str, Any]
    tool_call_id: str = "call_1"
    answers: list[tuple[dict[str, Any], bool | None]] = field(default_factory=list)

    async def result_callback(self, result: Any, *, properties: FunctionCallResultProperties | None = None) -> None:
        assert properties
        self.answers.append((result, properties.run_llm))


class Tools:
    """A dispatch over every tool, its host, and the calls that it closed."""

    def __init__(self, *definitions: ToolDefinition) -> None:
        self.host = CallHost()
        self.closed: list[tuple[ToolCall, ToolResult]] = []
        self.dispatch = ToolDispatch(
            definitions or tuple(TOOLS.values()), self.host, lambda call, result: self.closed.append((call, result))
        )

    def schema(self, name: str) -> FunctionSchema:
        [schema] = [schema for schema in self.dispatch.schemas() if schema.name == name]
        return schema

    async def run(self, name: str, arguments: Mapping[str, Any]) -> Params:
        """Call a tool as Pipecat does."""
        params = Params(arguments)
        handler: Any = self.schema(name).handler
        await handler(params)
        return params


# What the model is told.


def test_schemas_are_the_definitions() -> None:
    schemas = Tools().dispatch.schemas()
    assert [schema.name for schema in schemas] == list(TOOLS)
    for schema in schemas:
        tool = TOOLS[schema.name]
        assert schema.description == tool.description
        assert schema.properties == {name: dict(value) for name, value in tool.properties.items()}
        assert schema.required == list(tool.required)
        assert schema.handler


def test_only_what_is_enabled_is_told() -> None:
    assert [schema.name for schema in Tools(TOOLS["stop_media"]).dispatch.schemas()] == ["stop_media"]
    assert ToolDispatch([], CallHost(), lambda call, result: None).schemas() == []


# What comes back.


@pytest.mark.parametrize("name", BUILTIN)
async def test_a_tool_that_works_answers_and_closes_its_call(name: str) -> None:
    tools = Tools()
    params = await tools.run(name, FITTING.get(name, {}))
    [(answer, run_llm)] = params.answers
    assert answer["result"] == "success"
    assert run_llm is TOOLS[name].run_llm
    [(call, result)] = tools.closed
    assert (call.id, call.function.name) == ("call_1", name)
    assert json.loads(call.function.arguments) == FITTING.get(name, {})
    assert result.document() == answer


@pytest.mark.parametrize("name", [name for name in TOOLS if name not in BUILTIN])
async def test_a_tool_that_is_not_available_says_so(name: str) -> None:
    tools = Tools()
    params = await tools.run(name, FITTING.get(name, {}))
    [(answer, run_llm)] = params.answers
    assert answer["result"] == "failed"
    assert "not available" in answer["message"]
    # A failure always makes the model speak.
    assert run_llm is True
    assert [result.ok for _, result in tools.closed] == [False]


async def test_a_tool_that_nobody_knows() -> None:
    tool = ToolDefinition("dance", "Dance.", run_llm=False)
    params = await Tools(tool).run("dance", {})
    [(answer, run_llm)] = params.answers
    assert (answer["result"], run_llm) == ("failed", True)


@pytest.mark.parametrize(
    ("name", "arguments", "where"),
    [
        ("set_variables", {}, "arguments"),
        ("set_variables", {"variables": {"a": 1}}, "variables.a"),
        ("set_variables", {"variables": {}}, "variables"),
        ("set_variables", {"variables": {"a": "1"}, "more": 1}, "arguments"),
        ("stop_service", {"reason": "done"}, "arguments"),
        ("get_aicall_messages", {"aicall_id": 7}, "aicall_id"),
        ("connect_call", {"destinations": [ADDRESS, {"type": "tel"}]}, "destinations.1"),
    ],
)
async def test_arguments_that_do_not_fit_are_named(name: str, arguments: dict[str, Any], where: str) -> None:
    tools = Tools()
    params = await tools.run(name, arguments)
    [(answer, run_llm)] = params.answers
    assert (answer["result"], run_llm) == ("failed", True)
    assert answer["message"].startswith(f"{where}: ")
    assert tools.host.done == []
    assert tools.host.variables == {"caller": "Ann"}
    [(call, _)] = tools.closed
    assert json.loads(call.function.arguments) == arguments


@pytest.mark.virtual_time
async def test_a_tool_that_hangs_is_given_up() -> None:
    tools = Tools()
    tools.host.hangs = True
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    params = await tools.run("stop_service", {})
    assert loop.time() - began_s == pytest.approx(DEADLINE_S)
    [(answer, run_llm)] = params.answers
    assert (answer["result"], run_llm) == ("failed", True)
    assert "in time" in answer["message"]
    assert len(tools.closed) == 1


@pytest.mark.parametrize("error", [RuntimeError("sk-secret"), AicallError("sk-secret"), KeyError("sk-secret")])
async def test_a_tool_that_breaks_answers_all_the_same(error: Exception) -> None:
    tools = Tools()
    tools.host.fails = error
    params = await tools.run("get_aicall_messages", {})
    [(answer, run_llm)] = params.answers
    assert (answer["result"], run_llm) == ("failed", True)
    # What broke may quote anything; the model is told that it broke, and the caller not what.
    assert "sk-secret" not in answer["message"]
    assert len(tools.closed) == 1


@pytest.mark.virtual_time
async def test_a_cancelled_tool_closes_its_call() -> None:
    tools = Tools()
    tools.host.hangs = True
    running = asyncio.ensure_future(tools.run("stop_media", {}))
    await asyncio.sleep(1)
    assert tools.closed == []
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    [(call, result)] = tools.closed
    assert call.function.name == "stop_media"
    assert not result.ok
    assert "cancelled" in result.message


async def test_calls_at_once_are_closed_each_with_its_own_result() -> None:
    tools = Tools()
    first, second = Params({"variables": {"a": "1"}}, "call_a"), Params({"variables": {"b": 2}}, "call_b")
    handler: Any = tools.schema("set_variables").handler
    await asyncio.gather(handler(first), handler(second))
    assert {call.id: result.ok for call, result in tools.closed} == {"call_a": True, "call_b": False}
    assert [answer["result"] for answer, _ in (*first.answers, *second.answers)] == ["success", "failed"]


def test_the_arguments_here_fit_their_tools() -> None:
    for name, tool in TOOLS.items():
        assert Draft202012Validator(tool.json_schema()).is_valid(FITTING.get(name, {}))
