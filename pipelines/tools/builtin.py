"""What the built-in tools do. Their definitions stand in `models.tools`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from adapters.callcontrol.base import ControlCommand, ControlRequest
from adapters.mail.base import Email, Recipient
from models.aicall import EndReason, ReferenceType
from models.errors import InvalidField, NotFound
from pipelines.tools.bound import Invocation
from pipelines.tools.host import ToolHost
from pipelines.tools.result import ToolResult

Tool = Callable[[ToolHost, Invocation], Awaitable[ToolResult]]
"""Carries out one call. Its arguments fit the tool's schema."""

_KNOWLEDGE_RESULTS = 5


async def stop_service(host: ToolHost, call: Invocation) -> ToolResult:
    """End the AI's part of the call after its goodbye."""
    del call
    await host.stop_service()
    return ToolResult(ok=True, message="the call ends when your last words were heard")


async def stop_media(host: ToolHost, call: Invocation) -> ToolResult:
    """Stop what plays."""
    del call
    await host.stop_media()
    return ToolResult(ok=True, message="playback stopped")


async def set_variables(host: ToolHost, call: Invocation) -> ToolResult:
    """Remember values."""
    variables: Mapping[str, str] = call.arguments["variables"]
    await host.set_variables(variables)
    return ToolResult(ok=True, message="remembered", data={"variables": dict(variables)})


async def get_variables(host: ToolHost, call: Invocation) -> ToolResult:
    """Read what was remembered."""
    del call
    return ToolResult(ok=True, data={"variables": dict(host.variables)})


async def get_aicall_messages(host: ToolHost, call: Invocation) -> ToolResult:
    """Read the messages of this or an earlier AIcall."""
    wanted = call.arguments.get("aicall_id")
    try:
        aicall_id = UUID(wanted) if wanted else host.aicall_id
    except ValueError:
        return ToolResult.failed("aicall_id is not a UUID")
    try:
        messages = await host.messages(aicall_id)
    except NotFound:
        return ToolResult.failed("there is no such AI call")
    return ToolResult(ok=True, data={"messages": messages})


async def search_knowledge(host: ToolHost, call: Invocation) -> ToolResult:
    """Search the AI's knowledge base."""
    if host.knowledge is None:
        return _unavailable("search_knowledge")
    found = await host.knowledge.search_knowledge(call.arguments["query"], _KNOWLEDGE_RESULTS)
    message = "" if found else "nothing was found; say so rather than guess"
    return ToolResult(ok=True, message=message, data={"results": found})


async def send_email(host: ToolHost, call: Invocation) -> ToolResult:
    """Send an email."""
    mailer = host.desk.mailer
    if mailer is None:
        return _unavailable("send_email")
    arguments = call.arguments
    wrong = next((it["type"] for it in arguments["destinations"] if it["type"] != "email"), None)
    if wrong is not None:
        return ToolResult.failed("destinations: every type must be email")
    to = [Recipient(it["target"], it.get("target_name", "")) for it in arguments["destinations"]]
    try:
        await mailer.send(Email(to, arguments["subject"], arguments["content"], call.idempotency_key))
    except InvalidField as error:
        return ToolResult.failed(f"{error.field}: {error.message}")
    return ToolResult(ok=True, message="the email was sent")


async def connect_call(host: ToolHost, call: Invocation) -> ToolResult:
    """Have the caller connected; the AI's part of the call ends by it."""
    if host.aicall["reference_type"] != ReferenceType.CALL:
        return ToolResult.failed("connect_call is only possible on a phone call")
    return await _parting(host, call, ControlCommand.CONNECT_CALL, EndReason.CONNECT_CALL)


async def stop_flow(host: ToolHost, call: Invocation) -> ToolResult:
    """Have the whole flow ended; the AI's part of it ends too."""
    return await _parting(host, call, ControlCommand.STOP_FLOW, EndReason.STOP_FLOW)


async def create_call(host: ToolHost, call: Invocation) -> ToolResult:
    """Have another call placed."""
    return await _controlled(host, call, ControlCommand.CREATE_CALL)


async def send_message(host: ToolHost, call: Invocation) -> ToolResult:
    """Have a text message sent."""
    return await _controlled(host, call, ControlCommand.SEND_MESSAGE)


async def _parting(host: ToolHost, call: Invocation, command: ControlCommand, reason: EndReason) -> ToolResult:
    """Ask for something by which the AI's part of the call ends."""
    done = False
    host.parting(reason)
    try:
        result = await _controlled(host, call, command)
        done = result.ok
    finally:
        host.parted(done=done)
    if done:
        await host.stop_service(reason)
    return result


async def _controlled(host: ToolHost, call: Invocation, command: ControlCommand) -> ToolResult:
    control = host.desk.control
    if control is None or not control.can(command, host.leg):
        return _unavailable(command)
    request = ControlRequest(command, call.tool_call_id, call.arguments, host.aicall, call.idempotency_key, host.leg)
    answer: dict[str, Any] = dict(await control.carry_out(request))
    message = answer.pop("message", "")
    return ToolResult(ok=True, message=str(message) or "done", data=answer)


def _unavailable(name: str) -> ToolResult:
    return ToolResult.failed(f"{name} is not available on this server; tell the caller, or do without it")


BUILTIN: dict[str, Tool] = {
    "connect_call": connect_call,
    "send_email": send_email,
    "send_message": send_message,
    "stop_media": stop_media,
    "stop_service": stop_service,
    "stop_flow": stop_flow,
    "set_variables": set_variables,
    "get_variables": get_variables,
    "get_aicall_messages": get_aicall_messages,
    "search_knowledge": search_knowledge,
    "create_call": create_call,
}
"""What each tool of `models.tools.TOOLS` does, by name."""
