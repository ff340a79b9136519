"""Carries the model's tool calls out: checks the arguments, keeps the deadline, and always closes the call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from jsonschema.protocols import Validator
from loguru import logger
from pipecat.adapters.llm.schemas.direct_function import tool_options
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallResultProperties

from adapters.tools.schemas import argument_problem, checker
from models.errors import ToolFailed
from models.message import ToolCall, ToolCallFunction
from models.tools import RUN_LLM, ToolDefinition, ToolState
from pipelines.tools.bound import BoundTool, Invocation
from pipelines.tools.builtin import BUILTIN
from pipelines.tools.host import ToolHost
from pipelines.tools.result import ToolResult

DEADLINE_S = 8.0
"""Longest a tool may take, unless its definition says otherwise, seconds."""

GOODBYE_S = 30.0
"""Longest that a tool which ends the conversation waits for what was said before it, seconds."""

_SPARE_S = 2.0
"""How much later Pipecat's own deadline is, seconds: ours is to be the one that is met."""
_CANCELLED = "cancelled: the caller went on speaking"


class _CallParams(Protocol):
    """The part of Pipecat's ``FunctionCallParams`` that is used here."""

    tool_call_id: str
    arguments: Mapping[str, Any]
    result_callback: Callable[..., Awaitable[None]]


OnCall = Callable[[ToolCall, ToolResult], None]
"""Gets each finished tool call."""


class ToolDispatch:
    """The tools of one call.

    A tool that changes something outside is not broken off when the caller interrupts: it is carried to its end, and
    recorded then. When the model calls it again with the same arguments, since it was told of no result, it gets the
    result of the first.

    Args:
        definitions: The built-in tools that the model may call.
        host: The call.
        on_call: Gets each finished tool call with its result.
        deadline_s: Longest a tool may take unless its definition says otherwise, seconds.
        more: Further tools, with what carries them out.
    """

    def __init__(
        self,
        definitions: Sequence[ToolDefinition],
        host: ToolHost,
        on_call: OnCall,
        *,
        deadline_s: float = DEADLINE_S,
        more: Sequence[BoundTool] = (),
    ) -> None:
        self._host = host
        self._on_call = on_call
        self._deadline_s = deadline_s
        self._tools: list[BoundTool] = []
        self._checkers: dict[str, Validator] = {}
        self.add(BoundTool(it, partial(_builtin, host, it.name)) for it in definitions)
        self.add(more)
        self._going_on: dict[tuple[str, str], asyncio.Task[ToolResult]] = {}
        """Calls that outlive their interruption, by name and arguments, until they were asked for again."""
        self._running: set[asyncio.Task[ToolResult]] = set()

    def add(self, tools: Iterable[BoundTool]) -> None:
        """Take further tools in; `schemas` returns them from now on."""
        for tool in tools:
            self._tools.append(tool)
            self._checkers[tool.definition.name] = checker(tool.definition.json_schema())

    def schemas(self) -> list[FunctionSchema]:
        """Return the tools as Pipecat wants them, each with its handler."""
        return [
            FunctionSchema(
                name=tool.definition.name,
                description=tool.definition.description,
                properties=tool.definition.shown_properties(),
                required=list(tool.definition.required),
                handler=self._handler(tool),
            )
            for tool in self._tools
        ]

    async def call(self, tool: BoundTool, tool_call_id: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Carry one call out. Never raises, unless it is cancelled.

        Args:
            tool: One of this call's tools.
            tool_call_id: The model's id of the call.
            arguments: What the model gave.
        """
        definition = tool.definition
        problem = argument_problem(self._checkers[definition.name], arguments)
        if problem:
            return ToolResult.failed(problem)
        # Not made of the model's id: some vendors' repeat within a call, and two calls must never share a key.
        invocation = Invocation(tool_call_id, arguments, str(uuid4()))
        if definition.after_goodbye:
            await self._let_goodbye_play(definition.name)
        if not definition.effect:
            return await self._bounded(tool, invocation)
        return await self._effect(tool, invocation)

    async def aclose(self, timeout_s: float) -> None:
        """Let what outlived its interruption come to its end.

        Args:
            timeout_s: How long, seconds; what still runs then is cancelled.
        """
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _handler(self, tool: BoundTool) -> Callable[[Any], Awaitable[None]]:
        definition = tool.definition
        longest_s = (definition.deadline_s or self._deadline_s) + (GOODBYE_S if definition.after_goodbye else 0.0)

        async def handle(params: _CallParams) -> None:
            arguments = dict(params.arguments)
            function = ToolCallFunction(name=definition.name, arguments=json.dumps(arguments, ensure_ascii=False))
            call = ToolCall(id=params.tool_call_id, function=function)
            speaks = arguments.get(RUN_LLM) if definition.takes_run_llm else None
            if definition.takes_run_llm and isinstance(speaks, bool):
                del arguments[RUN_LLM]
            began_s = asyncio.get_running_loop().time()
            try:
                result = await self.call(tool, call.id, arguments)
            except asyncio.CancelledError:
                self._close_cancelled(call, arguments, began_s)
                raise
            self._close(call, began_s, result)
            run_llm = not result.ok or (definition.run_llm if speaks is None else bool(speaks))
            await params.result_callback(result.document(), properties=FunctionCallResultProperties(run_llm=run_llm))

        configured: Callable[[Any], Awaitable[None]] = tool_options(timeout_secs=longest_s + _SPARE_S)(handle)
        return configured

    async def _let_goodbye_play(self, name: str) -> None:
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._host.when_heard()
        except TimeoutError:
            logger.info("aicall {}: {} waits no longer for what was said before", self._host.aicall_id, name)

    async def _effect(self, tool: BoundTool, invocation: Invocation) -> ToolResult:
        """Carry out a call that must not be broken off, and not be done twice."""
        what = (tool.definition.name, _canonical(invocation.arguments))
        task = self._going_on.pop(what, None)
        if task is None:
            task = asyncio.get_running_loop().create_task(
                self._bounded(tool, invocation), name=f"tool {tool.definition.name}"
            )
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._going_on[what] = task
            raise

    async def _bounded(self, tool: BoundTool, invocation: Invocation) -> ToolResult:
        name = tool.definition.name
        try:
            async with asyncio.timeout(tool.definition.deadline_s or self._deadline_s):
                return await tool.carry_out(invocation)
        except TimeoutError:
            return ToolResult.failed(f"{name} did not finish in time", ToolState.TIMED_OUT)
        except ToolFailed as error:
            logger.info("aicall {}: tool {} failed: {}", self._host.aicall_id, name, error.message)
            why = ToolState.TIMED_OUT if error.timed_out else ToolState.FAILED
            detail = f": {error.detail}" if error.detail else ""
            return ToolResult.failed(f"{name} failed: {error.message}{detail}", why)
        except Exception:  # noqa: BLE001 - whatever a tool raises, the model gets an answer
            logger.exception("aicall {}: tool {} failed", self._host.aicall_id, name)
            return ToolResult.failed(f"{name} failed")

    def _close_cancelled(self, call: ToolCall, arguments: Mapping[str, Any], began_s: float) -> None:
        task = self._going_on.get((call.function.name, _canonical(arguments)))
        if task is None or task.cancelled():
            self._close(call, began_s, ToolResult.failed(_CANCELLED, ToolState.CANCELLED))
        else:
            task.add_done_callback(partial(self._close_late, call, began_s))

    def _close_late(self, call: ToolCall, began_s: float, task: asyncio.Task[ToolResult]) -> None:
        cancelled = ToolResult.failed(_CANCELLED, ToolState.CANCELLED)
        self._close(call, began_s, cancelled if task.cancelled() else task.result())

    def _close(self, call: ToolCall, began_s: float, result: ToolResult) -> None:
        took_ms = (asyncio.get_running_loop().time() - began_s) * 1000
        self._on_call(call, replace(result, duration_ms=round(took_ms, 1)))


async def _builtin(host: ToolHost, name: str, invocation: Invocation) -> ToolResult:
    carry_out = BUILTIN.get(name)
    if carry_out is None:
        return ToolResult.failed(f"{name} is not available on this server; tell the caller, or do without it")
    return await carry_out(host, invocation)


def _canonical(arguments: Mapping[str, Any]) -> str:
    return json.dumps(dict(arguments), sort_keys=True)
