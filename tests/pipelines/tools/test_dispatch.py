import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallResultProperties
from pipecat.services.llm_service import LLMService

from models.errors import AicallError, ToolFailed
from models.message import ToolCall
from models.tools import TOOLS, ToolDefinition
from pipelines.tools.bound import BoundTool, Invocation
from pipelines.tools.builtin import BUILTIN
from pipelines.tools.dispatch import DEADLINE_S, GOODBYE_S, ToolDispatch
from pipelines.tools.result import ToolResult
from tests.pipelines.tools.hosts import CallHost

ADDRESS = {"type": "tel", "target": "+15551230001"}
FITTING: dict[str, dict[str, Any]] = {
    "connect_call": {"destinations": [ADDRESS]},
    "send_email": {"destinations": [{"type": "email", "target": "ann@example.com"}], "subject": "s", "content": "c"},
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

    def __init__(self, *definitions: ToolDefinition, connected: bool = True) -> None:
        self.host = CallHost(connected=connected)
        self.closed: list[tuple[ToolCall, ToolResult]] = []
        self.dispatch = ToolDispatch(
            definitions or tuple(TOOLS.values()), self.host, lambda call, result: self.closed.append((call, result))
        )

    def schema(self, name: str) -> FunctionSchema:
        [schema] = [schema for schema in self.dispatch.schemas() if schema.name == name]
        return schema

    async def run(self, name: str, arguments: Mapping[str, Any], tool_call_id: str = "call_1") -> Params:
        """Call a tool as Pipecat does."""
        params = Params(arguments, tool_call_id)
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
        assert schema.properties == tool.shown_properties()
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


@pytest.mark.parametrize(
    "name", ["connect_call", "send_email", "send_message", "stop_flow", "search_knowledge", "create_call"]
)
async def test_a_tool_that_is_not_available_says_so(name: str) -> None:
    tools = Tools(connected=False)
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
    assert tools.host.doing.done == []
    assert tools.host.variables == {"caller": "Ann"}
    [(call, _)] = tools.closed
    assert json.loads(call.function.arguments) == arguments


@pytest.mark.virtual_time
async def test_a_tool_that_hangs_is_given_up() -> None:
    tools = Tools()
    tools.host.doing.hangs = True
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    params = await tools.run("stop_service", {})
    assert loop.time() - began_s == pytest.approx(DEADLINE_S)
    [(answer, run_llm)] = params.answers
    assert (answer["result"], run_llm) == ("failed", True)
    assert "in time" in answer["message"]
    [(_, result)] = tools.closed
    assert (result.state, result.duration_ms) == ("timed_out", pytest.approx(DEADLINE_S * 1000, abs=1))


@pytest.mark.parametrize("error", [RuntimeError("sk-secret"), AicallError("sk-secret"), KeyError("sk-secret")])
async def test_a_tool_that_breaks_answers_all_the_same(error: Exception) -> None:
    tools = Tools()
    tools.host.doing.fails = error
    params = await tools.run("get_aicall_messages", {})
    [(answer, run_llm)] = params.answers
    assert (answer["result"], run_llm) == ("failed", True)
    # What broke may quote anything; the model is told that it broke, and the caller not what.
    assert "sk-secret" not in answer["message"]
    assert len(tools.closed) == 1


@pytest.mark.virtual_time
async def test_a_cancelled_tool_closes_its_call() -> None:
    tools = Tools()
    tools.host.doing.hangs = True
    running = asyncio.ensure_future(tools.run("stop_media", {}))
    await asyncio.sleep(1)
    assert tools.closed == []
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    [(call, result)] = tools.closed
    assert call.function.name == "stop_media"
    assert result.state == "cancelled"
    assert result.duration_ms == pytest.approx(1000, abs=1)


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


# Speaking again.


@pytest.mark.parametrize("name", ["set_variables", "stop_media", "create_call"])
@pytest.mark.parametrize("speaks", [True, False])
async def test_the_model_may_say_whether_it_speaks_again(name: str, speaks: bool) -> None:
    tools = Tools()
    params = await tools.run(name, {**FITTING.get(name, {}), "run_llm": speaks})
    [(answer, run_llm)] = params.answers
    assert (answer["result"], run_llm) == ("success", speaks)
    # It is no argument of the tool itself.
    assert all("run_llm" not in request.arguments for request in tools.host.control.requests)


async def test_after_a_failure_it_always_speaks() -> None:
    params = await Tools(connected=False).run("create_call", {**FITTING["create_call"], "run_llm": False})
    assert [run_llm for _, run_llm in params.answers] == [True]


async def test_a_wish_that_is_none_is_named() -> None:
    params = await Tools().run("stop_media", {"run_llm": "yes"})
    [(answer, run_llm)] = params.answers
    assert (answer["message"].startswith("run_llm: "), run_llm) == (True, True)


@pytest.mark.parametrize("name", ["stop_service", "stop_flow"])
async def test_the_last_words_are_the_last(name: str) -> None:
    params = await Tools().run(name, {"run_llm": True})
    assert params.answers[0][0]["result"] == "failed"


# Tools of others.


def own(carry_out: Any, **changes: Any) -> BoundTool:
    schema = {"type": "object", "properties": {"id": {"type": "integer"}, "run_llm": {"type": "string"}}}
    definition = ToolDefinition(
        "lookup",
        "Look up.",
        schema["properties"],
        takes_run_llm=False,
        schema=schema,
        **changes,  # type: ignore[arg-type]
    )
    return BoundTool(definition, carry_out)


async def test_tools_of_others() -> None:
    seen: list[Invocation] = []

    async def carry_out(call: Invocation) -> ToolResult:
        seen.append(call)
        return ToolResult(ok=True, data={"found": call.arguments["id"]})

    tools = Tools(TOOLS["stop_media"])
    tools.dispatch.add([own(carry_out)])
    assert [schema.name for schema in tools.dispatch.schemas()] == ["stop_media", "lookup"]
    # What is no word of ours to others is theirs.
    params = await tools.run("lookup", {"id": 7, "run_llm": "blue"})
    assert params.answers == [({"result": "success", "message": "", "found": 7}, True)]
    assert seen[0].arguments == {"id": 7, "run_llm": "blue"}
    wrong = await tools.run("lookup", {"id": "x"})
    assert wrong.answers[0][0]["message"].startswith("id: ")
    assert len(seen) == 1


@pytest.mark.virtual_time
async def test_a_tool_with_a_deadline_of_its_own() -> None:
    async def never(call: Invocation) -> ToolResult:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    tools = Tools(TOOLS["stop_media"])
    tools.dispatch.add([own(never, deadline_s=20.0)])
    began_s = asyncio.get_running_loop().time()
    await tools.run("lookup", {})
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(20.0)
    assert tools.closed[0][1].state == "timed_out"


async def test_what_the_other_side_said_is_told() -> None:
    async def refuse(call: Invocation) -> ToolResult:
        raise ToolFailed("the tool answered with HTTP status 404", detail="no customer 7")

    tools = Tools(TOOLS["stop_media"])
    tools.dispatch.add([own(refuse)])
    params = await tools.run("lookup", {})
    assert params.answers[0][0] == {
        "result": "failed",
        "message": "lookup failed: the tool answered with HTTP status 404: no customer 7",
    }


async def test_a_far_end_that_is_late_is_a_tool_that_is_late() -> None:
    async def late(call: Invocation) -> ToolResult:
        raise ToolFailed("the tool did not answer in time", timed_out=True)

    tools = Tools(TOOLS["stop_media"])
    tools.dispatch.add([own(late)])
    await tools.run("lookup", {})
    assert tools.closed[0][1].state == "timed_out"


# What cannot be undone.


def keys(tools: Tools) -> list[str]:
    return [request.idempotency_key for request in tools.host.control.requests]


async def test_each_call_has_a_key_of_its_own() -> None:
    used: set[str] = set()
    # The members of a team have tools each of their own, in the same call.
    for tools in (Tools(), Tools()):
        # A vendor that counts its ids anew in each answer repeats them.
        for tool_call_id in ("call_1", "call_1", "call_2"):
            await tools.run("create_call", FITTING["create_call"], tool_call_id)
        used |= set(keys(tools))
    assert len(used) == 6


@pytest.mark.virtual_time
async def test_an_interruption_breaks_nothing_off_and_a_repetition_gets_the_result() -> None:
    tools = Tools()
    tools.host.doing.until = asyncio.Event()
    running = asyncio.ensure_future(tools.run("create_call", FITTING["create_call"]))
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    # It is still going on.
    assert tools.closed == []
    again = asyncio.ensure_future(tools.run("create_call", FITTING["create_call"], "call_2"))
    await asyncio.sleep(1)
    tools.host.doing.until.set()
    params = await again
    assert params.answers[0][0]["result"] == "success"
    assert tools.host.done == ["create_call"]
    assert len(keys(tools)) == 1
    assert {call.id: result.state for call, result in tools.closed} == {"call_1": "done", "call_2": "done"}
    # Once it was told of it, the same again is something new.
    await tools.run("create_call", FITTING["create_call"], "call_3")
    assert tools.host.done == ["create_call", "create_call"]
    assert len(set(keys(tools))) == 2


@pytest.mark.virtual_time
async def test_a_repetition_with_other_arguments_is_another_call() -> None:
    tools = Tools()
    tools.host.doing.until = asyncio.Event()
    running = asyncio.ensure_future(tools.run("create_call", FITTING["create_call"]))
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait({running})
    tools.host.doing.until.set()
    await tools.run("create_call", {**FITTING["create_call"], "variables": {"a": "1"}}, "call_2")
    assert tools.host.done == ["create_call", "create_call"]


@pytest.mark.virtual_time
async def test_at_the_end_of_the_call_what_goes_on_is_waited_for_and_then_cancelled() -> None:
    loop = asyncio.get_running_loop()
    for set_after_s, state in ((1.0, "done"), (5.0, "cancelled")):
        tools = Tools()
        tools.host.doing.until = asyncio.Event()
        running = asyncio.ensure_future(tools.run("create_call", FITTING["create_call"]))
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait({running})
        timer = loop.call_later(set_after_s, tools.host.doing.until.set)
        began_s = loop.time()
        await tools.dispatch.aclose(2.0)
        assert loop.time() - began_s == pytest.approx(min(set_after_s, 2.0))
        assert [result.state for _, result in tools.closed] == [state]
        timer.cancel()


# Goodbyes.


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", ["connect_call", "stop_flow"])
async def test_what_was_said_before_is_heard_first(name: str) -> None:
    tools = Tools()
    tools.host.heard = asyncio.Event()
    running = asyncio.ensure_future(tools.run(name, FITTING.get(name, {})))
    # Longer than any tool may take: playing is not counted.
    await asyncio.sleep(DEADLINE_S + 5)
    assert tools.host.control.requests == []
    tools.host.heard.set()
    await running
    assert tools.host.done == ["heard", name, "stop_service"]


@pytest.mark.virtual_time
async def test_a_goodbye_without_end_is_not_waited_for_for_ever() -> None:
    tools = Tools()
    tools.host.heard = asyncio.Event()
    began_s = asyncio.get_running_loop().time()
    params = await tools.run("connect_call", FITTING["connect_call"])
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(GOODBYE_S)
    assert params.answers[0][0]["result"] == "success"


@pytest.mark.virtual_time
async def test_a_caller_who_interrupts_the_goodbye_is_not_connected() -> None:
    tools = Tools()
    tools.host.heard = asyncio.Event()
    running = asyncio.ensure_future(tools.run("connect_call", FITTING["connect_call"]))
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait({running})
    tools.host.heard.set()
    await tools.dispatch.aclose(2.0)
    assert tools.host.control.requests == []
    assert [result.state for _, result in tools.closed] == ["cancelled"]


def test_pipecat_waits_longer_than_any_deadline_here() -> None:
    tools = Tools()
    service = LLMService()
    service._sync_registered_tool_handlers(tools.dispatch.schemas())
    limits = {name: item.timeout_secs for name, item in service._functions.items()}
    assert limits["get_variables"] > DEADLINE_S
    assert limits["connect_call"] > DEADLINE_S + GOODBYE_S
