"""What the tests of calls share: a server with vendors on loopback, and the check of an AIcall's whole history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from runtime.ending import wait_ended
from tests.runtime.calls.phones import WAIT_S
from tests.runtime.serving import Api, serving, until
from tests.standins.base import DEFAULT_KEY
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.openai import OpenAIStandIn

GREETING = "Good morning, who is calling?"
NEVER_RAN = ("initiating", "terminating", "terminated")
RAN = ("initiating", "progressing", "terminating", "terminated")


def office_ai(
    *, engine_key: str = DEFAULT_KEY, parameter: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """An AI on vendors that the stand-ins play."""
    keys = {"stt_key": DEFAULT_KEY, "tts_key": DEFAULT_KEY}
    return {
        "name": "Office",
        "engine_model": "openai.gpt-4o",
        "engine_key": engine_key,
        "init_prompt": "You answer the phone.",
        "stt_type": "deepgram",
        "tts_type": "deepgram",
        "parameter": {**keys, "greeting": GREETING, **(parameter or {})},
        **changes,
    }


@dataclass
class Office:
    """A running server and its vendors.

    Attributes:
        api: The server.
        deepgram: Recogniser and voice.
        openai: Model.
    """

    api: Api
    deepgram: DeepgramStandIn
    openai: OpenAIStandIn

    async def new_aicall(self, **ai: Any) -> dict[str, Any]:
        """Create an AI and an AIcall of it."""
        created = await self.api.ok("POST", "/v1.0/ais", json=office_ai(**ai))
        return await self.api.new_aicall(created)


@asynccontextmanager
async def office(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[Office]:
    """Run vendors and a server while the context lasts; nothing of any call is left at the vendors afterwards."""
    async with DeepgramStandIn() as deepgram, OpenAIStandIn() as openai:
        monkeypatch.setenv("AICALL_BASE_URL_DEEPGRAM", deepgram.base_url)
        monkeypatch.setenv("AICALL_BASE_URL_OPENAI", openai.base_url)
        async with serving(folder, **settings) as api:
            yield Office(api, deepgram, openai)
        await deepgram.all_closed()
        await openai.all_closed()


async def events_of(api: Api, aicall: dict[str, Any]) -> list[dict[str, Any]]:
    """Every event of an AIcall, from the API."""
    params = {"aicall_id": aicall["id"], "limit": 1000}
    events: list[dict[str, Any]] = (await api.ok("GET", "/v1.0/events", params=params))["result"]
    return events


async def statuses_of(api: Api, aicall: dict[str, Any]) -> list[str]:
    """The statuses that an AIcall went through, from its events."""
    types = [event["type"] for event in await events_of(api, aicall)]
    return [kind.removeprefix("aicall_status_") for kind in types if kind.startswith("aicall_status_")]


async def until_status(api: Api, aicall: dict[str, Any], status: str) -> None:
    """Wait until an AIcall went through a status."""
    store = api.services.store
    cursor = ""
    async with asyncio.timeout(WAIT_S):
        while status not in await statuses_of(api, aicall):
            await store.wait_events(after=cursor, timeout_s=WAIT_S)
            events = await store.list_events(limit=1000, customer_id=None)
            cursor = events[-1].id if events else ""


async def assert_ended(api: Api, aicall: dict[str, Any], reason: str, statuses: Sequence[str] = RAN) -> dict[str, Any]:
    """Wait for the end, and check all that must hold after it; returns the AIcall.

    Each status was entered once and in order, ``terminated`` is the last event of all, the row agrees with its events,
    and the process runs no call any more.
    """
    assert await wait_ended(api.services.store, UUID(aicall["id"]), timeout_s=WAIT_S), "the AIcall did not end"
    await until(lambda: len(api.services.live_calls) == 0)
    events = await events_of(api, aicall)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert tuple(await statuses_of(api, aicall)) == tuple(statuses)
    assert events[-1]["type"] == "aicall_status_terminated"
    row: dict[str, Any] = await api.ok("GET", f"/v1.0/aicalls/{aicall['id']}")
    assert (row["status"], row["end_reason"]) == ("terminated", reason)
    assert row["tm_create"] <= row["tm_end"] < "9999"
    assert events[-1]["data"] == row
    await assert_idle(api)
    return row


async def assert_untouched(api: Api, aicall: dict[str, Any]) -> None:
    """Check that a refused connection changed nothing of an AIcall that waits for its call."""
    assert await statuses_of(api, aicall) == ["initiating"]
    assert (await api.ok("GET", f"/v1.0/aicalls/{aicall['id']}"))["status"] == "initiating"
    await until(lambda: len(api.services.live_calls) == 0)
    await assert_idle(api)


async def assert_idle(api: Api) -> None:
    """Check that the metrics count no live call and that the place of every call is free again."""
    assert "aicall_live_calls 0.0" in (await api.http.get("/metrics")).text
    await until(lambda: api.services.live_calls._reserved == 0)
