from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from models.event import Event
from runtime.api.events import format_event
from tests.runtime.serving import Api, serving

ENVELOPE = ["id", "type", "aicall_id", "sequence", "tm_create", "data"]


class Stream:
    """Reads server-sent events as a browser does."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, str]:
        """Return the fields of the next event, or the next comment under ``''``."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                return fields
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        raise EOFError


@asynccontextmanager
async def streaming(api: Api, headers: dict[str, str] | None = None, **params: Any) -> AsyncIterator[Stream]:
    async with api.http.stream("GET", "/v1.0/events/stream", params=params, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


async def test_events_are_listed_oldest_first_from_a_cursor(api: Api) -> None:
    ai = await api.new_ai()
    first, second = [(await api.new_aicall(ai))["id"] for _ in range(2)]
    await api.ok("POST", f"/v1.0/aicalls/{first}/terminate")
    events = (await api.ok("GET", "/v1.0/events"))["result"]
    assert [(event["aicall_id"], event["sequence"]) for event in events] == [
        (first, 1),
        (second, 1),
        (first, 2),
        (first, 3),
    ]
    assert [list(event) for event in events] == [ENVELOPE] * 4
    assert events[0]["data"] == {**events[0]["data"], "id": first, "status": "initiating"}

    paged, after = [], ""
    while True:
        page = await api.ok("GET", "/v1.0/events", params={"after": after, "limit": 2})
        paged += page["result"]
        after = page["next_page_token"]
        if not after:
            break
    assert paged == events
    only = await api.ok("GET", "/v1.0/events", params={"aicall_id": second, "after": events[0]["id"]})
    assert [event["id"] for event in only["result"]] == [events[1]["id"]]


async def test_wrong_cursors_and_limits(api: Api) -> None:
    for path in ("/v1.0/events", "/v1.0/events/stream"):
        assert await api.wrong_field("GET", path, params={"after": "yesterday"}) == "after"
        assert await api.wrong_field("GET", path, params={"aicall_id": "x"}) == "aicall_id"
    for limit in ("0", "1001", "x"):
        assert await api.wrong_field("GET", "/v1.0/events", params={"limit": limit}) == "limit"


async def test_a_stream_goes_on_where_it_broke_off(api: Api) -> None:
    ai = await api.new_ai()
    first = (await api.new_aicall(ai))["id"]
    async with streaming(api) as stream:
        event = await stream.next()
        assert event["event"] == "aicall_status_initiating"
        assert json.loads(event["data"])["aicall_id"] == first
        second = (await api.new_aicall(ai))["id"]
        live = await stream.next()
        assert json.loads(live["data"])["aicall_id"] == second
    third = (await api.new_aicall(ai))["id"]
    async with streaming(api, {"Last-Event-ID": live["id"]}, after="") as stream:
        missed = await stream.next()
        assert json.loads(missed["data"])["aicall_id"] == third
    async with streaming(api, after=event["id"]) as stream:
        assert (await stream.next())["id"] == live["id"]


async def test_a_stream_of_one_aicall(api: Api) -> None:
    ai = await api.new_ai()
    first = (await api.new_aicall(ai))["id"]
    wanted = (await api.new_aicall(ai))["id"]
    async with streaming(api, aicall_id=wanted) as stream:
        assert json.loads((await stream.next())["data"])["aicall_id"] == wanted
        await api.ok("POST", f"/v1.0/aicalls/{first}/terminate")
        await api.ok("POST", f"/v1.0/aicalls/{wanted}/terminate")
        for status in ("terminating", "terminated"):
            event = json.loads((await stream.next())["data"])
            assert (event["aicall_id"], event["type"]) == (wanted, f"aicall_status_{status}")


async def test_an_idle_stream_shows_that_it_lives(tmp_path: Path) -> None:
    async with serving(tmp_path, event_heartbeat_s=0.01) as api, streaming(api) as stream:
        assert await stream.next() == {"": "still here"}
        assert await stream.next() == {"": "still here"}


async def test_a_stream_ends_with_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as api, streaming(api) as stream:
        await api.new_aicall()
        await stream.next()
        api.services.closing.set()
        try:
            await stream.next()
        except EOFError:
            return
        raise AssertionError("the stream went on")


def test_an_event_is_one_data_line_whatever_it_holds() -> None:
    event = Event(
        id="7",
        type="aimessage_created",
        aicall_id="00000000-0000-0000-0000-000000000001",
        sequence=1,
        tm_create="2024-03-01 10:00:00.000000",
        data={"content": "two\nlines\r\nand \u2028 more"},
    )
    text = format_event(event)
    head, data = text.split("\ndata: ")
    assert head == "id: 7\nevent: aimessage_created"
    assert data.endswith("\n\n")
    assert "\n" not in data[:-2]
    assert "\r" not in data
    assert json.loads(data) == event.public()
