"""An MCP server over streamable HTTP, by the ``mcp`` package's own server, on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

WEATHER = types.Tool(
    name="weather.now",
    description="The weather in a town.",
    inputSchema={
        "type": "object",
        "properties": {"place": {"$ref": "#/$defs/Place"}},
        "required": ["place"],
        "$defs": {"Place": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}},
    },
    annotations=types.ToolAnnotations(readOnlyHint=True),
)
BOOK = types.Tool(
    name="book",
    description="Books a table.",
    inputSchema={"type": "object", "properties": {"seats": {"type": "integer", "minimum": 1}}},
)
TAKEN = types.Tool(name="stop_media", description="Another one.", inputSchema={"type": "object", "properties": {}})
LOOPING = types.Tool(
    name="looping",
    description="Its schema refers to itself.",
    inputSchema={
        "type": "object",
        "properties": {"node": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    },
)


@dataclass
class McpStandIn:
    """What the server does.

    Attributes:
        url: Its endpoint.
        headers: The headers of every request, in lower case.
        called: Names, arguments and ``_meta`` of what was called, in order.
        fails: Whether its tools report an error.
        hangs: Whether nothing is answered any more.
        key: What ``Authorization`` must hold; '' for anything.
        listed: Set once all its tools were listed.
    """

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    called: list[tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    fails: bool = False
    hangs: bool = False
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    key: str = ""
    manager: StreamableHTTPSessionManager | None = None

    def forget_sessions(self) -> None:
        """Know no session any more, as after a restart."""
        assert self.manager is not None
        self.manager._server_instances.clear()

    def make_server(self) -> Server[Any, Any]:
        server: Server[Any, Any] = Server("stand-in")

        async def list_tools(request: types.ListToolsRequest) -> types.ServerResult:
            # One on each page.
            tools = [WEATHER, BOOK, TAKEN, LOOPING]
            at = int(request.params.cursor or 0) if request.params else 0
            if at + 1 == len(tools):
                self.listed.set()
            following = str(at + 1) if at + 1 < len(tools) else None
            return types.ServerResult(types.ListToolsResult(tools=[tools[at]], nextCursor=following))

        async def call_tool(request: types.CallToolRequest) -> types.ServerResult:
            meta = request.params.meta.model_dump(exclude_none=True) if request.params.meta else {}
            self.called.append((request.params.name, request.params.arguments or {}, meta))
            if self.fails:
                content = [types.TextContent(type="text", text="no table is free")]
                return types.ServerResult(types.CallToolResult(content=content, isError=True))
            if request.params.name == "book":
                content = [types.TextContent(type="text", text="booked")]
                return types.ServerResult(types.CallToolResult(content=content))
            return types.ServerResult(types.CallToolResult(content=[], structuredContent={"celsius": 21}))

        server.request_handlers[types.ListToolsRequest] = list_tools
        server.request_handlers[types.CallToolRequest] = call_tool
        return server


@asynccontextmanager
async def mcp_stand_in() -> AsyncIterator[McpStandIn]:
    """Run an MCP server while the context lasts."""
    stand_in = McpStandIn()
    manager = StreamableHTTPSessionManager(stand_in.make_server(), json_response=False)
    stand_in.manager = manager
    over = asyncio.Event()

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        stand_in.headers.append({name.lower(): value for name, value in request.headers.items()})
        if stand_in.hangs:
            await over.wait()
        if stand_in.key and request.headers.get("authorization") != stand_in.key:
            await Response("who are you?", status_code=401)(scope, receive, send)
            return
        await manager.handle_request(scope, receive, send)

    app = Starlette(routes=[Mount("/mcp", app=handle)])
    listener = socket.create_server(("127.0.0.1", 0))
    stand_in.url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp/"
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, ws="none")
    server = uvicorn.Server(config)
    async with manager.run():
        serving = asyncio.create_task(server._serve(sockets=[listener]))
        try:
            yield stand_in
        finally:
            over.set()
            server.should_exit = True
    await serving
    listener.close()
    # The package's server-sent events leave a task behind that looks for the end of a process.
    left = {task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "_shutdown_watcher"}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)
