"""One call's connection to an MCP server (specification 2025-06-18, streamable HTTP), by the ``mcp`` package."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx
from loguru import logger
from pydantic import SecretStr

from models.errors import ToolFailed
from models.user_tools import McpServer

if TYPE_CHECKING:
    from mcp.client.session import ClientSession
    from mcp.types import CallToolResult

IDEMPOTENCY_KEY = "aicall/idempotency-key"
"""Where the idempotency key stands in a request's ``_meta``; MCP has no place of its own for it."""

_MOST_PAGES = 10
_MOST_TOOLS = 100
_CLOSE_S = 2.0
"""How long an MCP server may take to end a session, seconds."""
_SESSION_TERMINATED = 32600
"""The code by which the package tells that the server does not know the session any more (HTTP status 404)."""
_MODULES = ("mcp.client.session", "mcp.client.streamable_http")


def mcp_installed() -> bool:
    """Return whether the ``mcp`` package is there (the extra ``mcp``)."""
    return importlib.util.find_spec("mcp") is not None


async def load_mcp() -> None:
    """Import the package, on a thread: it takes most of a second. Does nothing the second time."""
    await asyncio.to_thread(lambda: [import_module(name) for name in _MODULES])


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool as its server describes it.

    Attributes:
        name: Its name there.
        description: For the model.
        schema: JSON Schema of its arguments, as sent.
        read_only: Whether the server says that it changes nothing.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    read_only: bool


class McpConnection:
    """One session with one server. A session that broke is opened anew by the next call of a tool.

    Args:
        server: The server.
        headers: Its secret headers.
        client: For its requests alone; closed by `aclose`. Its own headers are not used.
    """

    def __init__(self, server: McpServer, headers: Mapping[str, SecretStr], client: httpx.AsyncClient) -> None:
        self._server = server
        self._client = client
        self._client.headers.update({name: value.get_secret_value() for name, value in headers.items()})
        self._live: asyncio.Task[None] | None = None
        self._session: asyncio.Future[ClientSession] | None = None
        self._over = asyncio.Event()

    async def tools(self) -> list[McpTool]:
        """Return the tools that the server has, those of ``tool_names`` only where it names some.

        Raises:
            ToolFailed: There is no connection, or the server does not speak MCP.
        """
        session = await self._open()
        found: list[McpTool] = []
        try:
            cursor: str | None = None
            for _ in range(_MOST_PAGES):
                page = await session.list_tools(cursor)
                found += [
                    McpTool(
                        it.name,
                        it.description or it.title or it.name,
                        it.inputSchema,
                        bool(it.annotations and it.annotations.readOnlyHint),
                    )
                    for it in page.tools
                ]
                cursor = page.nextCursor
                if not cursor or len(found) > _MOST_TOOLS:
                    break
        except Exception:  # noqa: BLE001 - the package raises whatever its HTTP client, its streams and pydantic do
            raise ToolFailed("the MCP server did not list its tools", retryable=True) from None
        allowed = self._server.tool_names
        return [it for it in found[:_MOST_TOOLS] if allowed is None or it.name in allowed]

    async def call(self, name: str, arguments: Mapping[str, Any], *, idempotency_key: str) -> Any:
        """Call a tool; over a new session once more, with the same key, where the session broke meanwhile.

        Args:
            name: Its name at the server.
            arguments: They fit its schema.
            idempotency_key: Goes with the request, in its ``_meta``.

        Returns:
            The structured content of the answer, else its text, else None.

        Raises:
            ToolFailed: It did not work; `detail` is what the tool said.
        """
        session = await self._open()
        try:
            result = await self._call(session, name, arguments, idempotency_key)
        except ToolFailed as error:
            if not error.retryable:
                raise
            if self._session is not None and self._session.done() and self._session.result() is session:
                # Otherwise somebody else has noticed already, and opened another one.
                await self._close()
            result = await self._call(await self._open(), name, arguments, idempotency_key)
        text = "\n".join(it.text for it in result.content if it.type == "text")
        if result.isError:
            raise ToolFailed("the tool reports an error", detail=text[:1_000])
        return result.structuredContent if result.structuredContent is not None else text or None

    async def aclose(self) -> None:
        """End the session and close the client. Bounded in time; never raises."""
        await self._close()
        await self._client.aclose()

    async def _call(
        self, session: ClientSession, name: str, arguments: Mapping[str, Any], idempotency_key: str
    ) -> CallToolResult:
        from mcp import types  # noqa: PLC0415 - an extra
        from mcp.shared.exceptions import McpError  # noqa: PLC0415

        meta = types.RequestParams.Meta.model_validate({IDEMPOTENCY_KEY: idempotency_key})
        params = types.CallToolRequestParams.model_validate({"name": name, "arguments": dict(arguments), "_meta": meta})
        try:
            # Not `call_tool`: it checks the result against a schema of the server's, whose references it would fetch.
            return await session.send_request(
                types.ClientRequest(types.CallToolRequest(params=params)),
                types.CallToolResult,
                request_read_timeout_seconds=timedelta(seconds=self._server.timeout_s),
            )
        except McpError as error:
            if error.error.code in (types.CONNECTION_CLOSED, _SESSION_TERMINATED):
                raise ToolFailed("the connection to the MCP server broke", retryable=True) from None
            if error.error.code == httpx.codes.REQUEST_TIMEOUT:
                raise ToolFailed("the MCP server did not answer in time", timed_out=True) from None
            raise ToolFailed("the MCP server refused the call", detail=error.error.message[:1_000]) from None
        except Exception:  # noqa: BLE001 - as in `tools`
            raise ToolFailed("the connection to the MCP server broke", retryable=True) from None

    async def _open(self) -> ClientSession:
        if self._session is None or self._live is None or self._live.done():
            loop = asyncio.get_running_loop()
            self._over = asyncio.Event()
            self._session = loop.create_future()
            self._live = loop.create_task(self._keep(self._session, self._over), name=f"mcp {self._server.name}")
        # A caller that is cancelled leaves the session to the next one.
        return await asyncio.shield(self._session)

    async def _keep(self, opened: asyncio.Future[ClientSession], over: asyncio.Event) -> None:
        """Hold the session open. Both its ends must be in one task, as anyio's task groups want it."""
        try:
            await load_mcp()
            from mcp.client.session import ClientSession  # noqa: PLC0415 - an extra
            from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415

            async with (
                streamable_http_client(self._server.url, http_client=self._client) as (receive, send, _),
                ClientSession(receive, send) as session,
            ):
                await session.initialize()
                if not opened.done():
                    opened.set_result(session)
                await over.wait()
        except Exception as error:  # noqa: BLE001 - as in `tools`
            # What went wrong once the session was open is seen by whoever calls a tool.
            logger.info("mcp server {}: the session ended with {}", self._server.name, type(error).__name__)
        finally:
            if not opened.done():
                opened.set_exception(ToolFailed("the MCP server cannot be reached", retryable=True))
                # Nobody may be waiting any more.
                opened.exception()

    async def _close(self) -> None:
        live, self._live, self._session = self._live, None, None
        self._over.set()
        if live is None:
            return
        await asyncio.wait({live}, timeout=_CLOSE_S)
        live.cancel()
        await asyncio.wait({live}, timeout=_CLOSE_S)
