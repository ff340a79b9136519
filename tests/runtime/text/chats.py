"""What the tests of conversations in writing share: a server with vendors on loopback, and what a conversation left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.runtime.calls.offices import office_ai
from tests.runtime.serving import Api
from tests.standins.replies import ChatRequest

WAIT_S = 60.0
"""How long anything may take on a busy machine, seconds."""


async def new_text(api: Api, reference_type: str = "conversation", **ai: Any) -> dict[str, Any]:
    """Create an AI and a conversation or task of it."""
    created = await api.ok("POST", "/v1.0/ais", json=office_ai(**ai))
    return await api.new_aicall(created, reference_type=reference_type)


async def post(api: Api, aicall: dict[str, Any], content: str, **body: Any) -> dict[str, Any]:
    """Say something, and do not wait for the answer."""
    document = {"aicall_id": aicall["id"], "content": content, **body}
    sent: dict[str, Any] = await api.ok("POST", "/v1.0/aimessages", json=document)
    return sent


async def ask(api: Api, aicall: dict[str, Any], content: str, **body: Any) -> list[dict[str, Any]]:
    """Say something, and return what the AI said and did."""
    document = {"aicall_id": aicall["id"], "content": content, **body}
    sent = await api.ok("POST", "/v1.0/aimessages", params={"wait": "true"}, json=document, timeout=WAIT_S)
    assert sent["delivery_status"] == "delivered", sent
    replies: list[dict[str, Any]] = sent["replies"]
    return replies


async def messages_of(api: Api, aicall: dict[str, Any]) -> list[dict[str, Any]]:
    """An AIcall's messages, oldest first."""
    params = {"aicall_id": aicall["id"], "page_size": 100}
    page = await api.ok("GET", "/v1.0/aimessages", params=params)
    return list(reversed(page["result"]))


async def until_events(
    api: Api, aicall: dict[str, Any], enough: Callable[[list[dict[str, Any]]], object]
) -> list[dict[str, Any]]:
    """Wait until an AIcall's events fulfil a condition; return them."""
    cursor = ""
    async with asyncio.timeout(WAIT_S):
        while not enough(events := await _events(api, aicall)):
            await api.services.store.wait_events(after=cursor, timeout_s=1.0)
            seen = await api.services.store.list_events(after=cursor, limit=1000, customer_id=None)
            cursor = seen[-1].id if seen else cursor
    return events


async def _events(api: Api, aicall: dict[str, Any]) -> list[dict[str, Any]]:
    stored = await api.services.store.list_events(limit=1000, customer_id=None, aicall_id=UUID(aicall["id"]))
    return [event.public() for event in stored]


async def until_at_rest(api: Api) -> None:
    """Wait until nothing is being done in any conversation of a server."""
    async with asyncio.timeout(WAIT_S):
        while len(api.services.texts):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_terminated(api: Api, aicall: dict[str, Any]) -> dict[str, Any]:
    """Wait until an AIcall has ended; return it."""
    await until_events(api, aicall, lambda events: events[-1]["type"] == "aicall_status_terminated")
    row: dict[str, Any] = await api.ok("GET", f"/v1.0/aicalls/{aicall['id']}")
    assert row["status"] == "terminated"
    return row


def said(messages: list[dict[str, Any]], role: str) -> list[str]:
    """What one side said."""
    return [message["content"] for message in messages if message["role"] == role and message["content"]]


def told(events: list[dict[str, Any]], role: str) -> list[str]:
    """What one side said, by the events."""
    return said([event["data"] for event in events if event["type"] == "aimessage_created"], role)


def dialogue(request: ChatRequest) -> list[tuple[str, str]]:
    """What a model was shown, but for the system prompt."""
    return [(message.role, message.text) for message in request.messages[1:]]
