"""All tools of one AI within one call: the built-in ones, its HTTP tools, and those of its MCP servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema

from adapters.tools.http import call_http_tool
from adapters.tools.mcp import McpConnection, McpTool, load_mcp, mcp_installed
from adapters.tools.schemas import shown_schema
from models.ai import Ai
from models.ids import NIL_ID
from models.options import CallOptions
from models.tools import TOOLS, ToolDefinition, enabled_tools
from models.user_tools import HttpTool, McpServer
from pipelines.tools.bound import BoundTool, Invocation
from pipelines.tools.dispatch import OnCall, ToolDispatch
from pipelines.tools.host import ToolHost
from pipelines.tools.result import ToolResult

MCP_LIST_S = 5.0
"""How long MCP servers may take to list their tools, seconds; the conversation goes on meanwhile."""

_LATE_TOOLS_S = 2.0
"""How long tools that change something may go on after the conversation, seconds."""
_MOST_MCP_TOOLS = 50
_MOST_DESCRIPTION_CHARS = 1_024

Offer = Callable[[Sequence[FunctionSchema]], Awaitable[None]]
"""Lets the model call these tools from now on, and no others."""


class Toolset:
    """One AI's tools within one conversation.

    Args:
        ai: The AI, with its secrets.
        options: What the call runs with; its tools are those of the AI.
        host: The call.
        on_call: Gets each finished tool call.
        more: Further tools, for example a team's transitions.
    """

    def __init__(
        self, ai: Ai, options: CallOptions, host: ToolHost, on_call: OnCall, *, more: Sequence[BoundTool] = ()
    ) -> None:
        self._secrets = ai.secrets
        self._servers = options.mcp_servers
        self._host = host
        self._connections: list[McpConnection] = []
        # The ways of a team are the team's: an AI's own tool of the same name gives way, since no vendor takes two.
        ways = {it.definition.name for it in more}
        own = [
            BoundTool(it.definition, partial(self._http, it)) for it in options.tools if it.definition.name not in ways
        ]
        self._taken = set(TOOLS) | {it.definition.name for it in (*more, *own)}
        self._dispatch = ToolDispatch(
            enabled_tools(ai.tool_names, has_knowledge=ai.rag_id != NIL_ID), host, on_call, more=[*more, *own]
        )

    def schemas(self) -> list[FunctionSchema]:
        """Return the tools as Pipecat wants them, each with its handler: those of MCP servers once they are known."""
        return self._dispatch.schemas()

    async def open(self, offer: Offer, timeout_s: float = MCP_LIST_S) -> None:
        """Ask the MCP servers for their tools. One that fails or is late is left out.

        Args:
            offer: Called with all tools, when there are more than before.
            timeout_s: Longest wait, for all servers together, seconds.
        """
        make = self._host.desk.mcp_client
        if not self._servers:
            return
        if make is None or not mcp_installed():
            logger.warning("aicall {}: MCP servers cannot be asked here", self._host.aicall_id)
            return
        # Its import takes long the first time, which is not the servers' fault.
        await load_mcp()
        headers = self._secrets.tool_headers
        opened = [(it, McpConnection(it, headers.get(it.secret_name, {}), make())) for it in self._servers]
        self._connections = [connection for _, connection in opened]
        listing = [asyncio.ensure_future(connection.tools()) for _, connection in opened]
        try:
            await asyncio.wait(listing, timeout=timeout_s)
        finally:
            for asked in listing:
                asked.cancel()
        await asyncio.wait(listing)
        found = []
        for (server, connection), asked in zip(opened, listing, strict=True):
            if asked.cancelled() or asked.exception() is not None:
                logger.warning("aicall {}: MCP server {} gave no tools", self._host.aicall_id, server.name)
            else:
                found += await self._offered(server, connection, asked.result())
        if found:
            self._dispatch.add(found)
            await offer(self.schemas())

    async def aclose(self, timeout_s: float = _LATE_TOOLS_S) -> None:
        """Let tools that change something come to their end, and close the sessions.

        Args:
            timeout_s: How long the tools may take, seconds.
        """
        connections, self._connections = self._connections, []
        try:
            await self._dispatch.aclose(timeout_s)
        finally:
            await asyncio.gather(*(it.aclose() for it in connections))

    async def _offered(self, server: McpServer, connection: McpConnection, tools: Sequence[McpTool]) -> list[BoundTool]:
        bound = []
        for tool in tools[:_MOST_MCP_TOOLS]:
            name = _function_name(tool.name)
            if name in self._taken:
                name = _function_name(f"{server.name}_{tool.name}")
            schema = await asyncio.to_thread(shown_schema, tool.schema)
            if name in self._taken or schema is None:
                logger.warning(
                    "aicall {}: a tool of MCP server {} cannot be offered", self._host.aicall_id, server.name
                )
                continue
            self._taken.add(name)
            definition = ToolDefinition(
                name,
                tool.description[:_MOST_DESCRIPTION_CHARS],
                schema["properties"],
                tuple(schema.get("required", ())),
                takes_run_llm=False,
                effect=not tool.read_only,
                deadline_s=server.timeout_s,
                schema=schema,
            )
            bound.append(BoundTool(definition, partial(self._mcp, connection, tool.name)))
        return bound

    async def _http(self, tool: HttpTool, call: Invocation) -> ToolResult:
        client = self._host.desk.http
        if client is None:
            return ToolResult.failed(f"{tool.name} is not available on this server; do without it")
        headers = self._secrets.tool_headers.get(tool.secret_name, {})
        content = await call_http_tool(
            client, tool, call.arguments, headers=headers, idempotency_key=call.idempotency_key
        )
        return _answered(content)

    async def _mcp(self, connection: McpConnection, name: str, call: Invocation) -> ToolResult:
        return _answered(await connection.call(name, call.arguments, idempotency_key=call.idempotency_key))


def _answered(content: object) -> ToolResult:
    return ToolResult(ok=True, data={} if content is None else {"answer": content})


def _function_name(name: str) -> str:
    """Return a name as every vendor takes it for a function."""
    fitting = "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in name)[:64]
    return fitting if fitting[:1].isalpha() or fitting[:1] == "_" else f"_{fitting}"[:64]
