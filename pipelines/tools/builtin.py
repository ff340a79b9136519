"""The built-in tools that are carried out here. Their definitions stand in `models.tools`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from models.errors import NotFound
from pipelines.tools.host import ToolHost
from pipelines.tools.result import ToolResult

Tool = Callable[[ToolHost, Mapping[str, Any]], Awaitable[ToolResult]]
"""Carries out one call. Its arguments fit the tool's schema."""


async def stop_service(host: ToolHost, arguments: Mapping[str, Any]) -> ToolResult:
    """End the AI's part of the call after its goodbye."""
    del arguments
    await host.stop_service()
    return ToolResult(ok=True, message="the call ends when your last words were heard")


async def stop_media(host: ToolHost, arguments: Mapping[str, Any]) -> ToolResult:
    """Stop what plays."""
    del arguments
    await host.stop_media()
    return ToolResult(ok=True, message="playback stopped")


async def set_variables(host: ToolHost, arguments: Mapping[str, Any]) -> ToolResult:
    """Remember values."""
    variables: Mapping[str, str] = arguments["variables"]
    await host.set_variables(variables)
    return ToolResult(ok=True, message="remembered", data={"variables": dict(variables)})


async def get_variables(host: ToolHost, arguments: Mapping[str, Any]) -> ToolResult:
    """Read what was remembered."""
    del arguments
    return ToolResult(ok=True, data={"variables": dict(host.variables)})


async def get_aicall_messages(host: ToolHost, arguments: Mapping[str, Any]) -> ToolResult:
    """Read the messages of this or an earlier AIcall."""
    try:
        aicall_id = UUID(arguments["aicall_id"]) if arguments.get("aicall_id") else host.aicall_id
    except ValueError:
        return ToolResult.failed("aicall_id is not a UUID")
    try:
        messages = await host.messages(aicall_id)
    except NotFound:
        return ToolResult.failed("there is no such AI call")
    return ToolResult(ok=True, data={"messages": messages})


BUILTIN: dict[str, Tool] = {
    "stop_service": stop_service,
    "stop_media": stop_media,
    "set_variables": set_variables,
    "get_variables": get_variables,
    "get_aicall_messages": get_aicall_messages,
}
"""The tools that this version carries out, by name."""
