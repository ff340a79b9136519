"""Carries the model's tool calls out: checks the arguments, keeps the deadline, and always closes the call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from jsonschema import Draft202012Validator
from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallResultProperties

from models.message import ToolCall, ToolCallFunction
from models.tools import ToolDefinition
from pipelines.tools.builtin import BUILTIN
from pipelines.tools.host import ToolHost
from pipelines.tools.result import ToolResult

DEADLINE_S = 8.0
"""Longest a tool may take, seconds."""


class _CallParams(Protocol):
    """The part of Pipecat's ``FunctionCallParams`` that is used here."""

    tool_call_id: str
    arguments: Mapping[str, Any]
    result_callback: Callable[..., Awaitable[None]]


OnCall = Callable[[ToolCall, ToolResult], None]
"""Gets each finished tool call."""


class ToolDispatch:
    """The tools of one call.

    Args:
        definitions: The tools that the model may call.
        host: The call.
        on_call: Gets each finished tool call with its result.
        deadline_s: Longest a tool may take, seconds.
    """

    def __init__(
        self, definitions: Sequence[ToolDefinition], host: ToolHost, on_call: OnCall, *, deadline_s: float = DEADLINE_S
    ) -> None:
        self._definitions = definitions
        self._host = host
        self._on_call = on_call
        self._deadline_s = deadline_s

    def schemas(self) -> list[FunctionSchema]:
        """Return the tools as Pipecat wants them, each with its handler."""
        return [
            FunctionSchema(
                name=tool.name,
                description=tool.description,
                properties={name: dict(schema) for name, schema in tool.properties.items()},
                required=list(tool.required),
                handler=self._handler(tool),
            )
            for tool in self._definitions
        ]

    async def call(self, tool: ToolDefinition, arguments: Mapping[str, Any]) -> ToolResult:
        """Carry one call out. Never raises, unless it is cancelled."""
        errors = sorted(
            Draft202012Validator(tool.json_schema()).iter_errors(dict(arguments)), key=lambda error: list(error.path)
        )
        if errors:
            where = ".".join(map(str, errors[0].path)) or "arguments"
            return ToolResult.failed(f"{where}: {errors[0].message}")
        carry_out = BUILTIN.get(tool.name)
        if carry_out is None:
            return ToolResult.failed(f"{tool.name} is not available on this server; tell the caller, or do without it")
        try:
            async with asyncio.timeout(self._deadline_s):
                return await carry_out(self._host, arguments)
        except TimeoutError:
            return ToolResult.failed(f"{tool.name} did not finish in time")
        except Exception:  # noqa: BLE001 - whatever a tool raises, the model gets an answer
            logger.exception("tool {} failed", tool.name)
            return ToolResult.failed(f"{tool.name} failed")

    def _handler(self, tool: ToolDefinition) -> Callable[[Any], Awaitable[None]]:
        async def handle(params: _CallParams) -> None:
            function = ToolCallFunction(name=tool.name, arguments=json.dumps(dict(params.arguments)))
            call = ToolCall(id=params.tool_call_id, function=function)
            try:
                result = await self.call(tool, params.arguments)
            except asyncio.CancelledError:
                self._on_call(call, ToolResult.failed("cancelled: the caller went on speaking"))
                raise
            self._on_call(call, result)
            run_llm = tool.run_llm or not result.ok
            await params.result_callback(result.document(), properties=FunctionCallResultProperties(run_llm=run_llm))

        return handle
