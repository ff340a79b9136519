"""``/v1.0/events``: the outbox, read in pages or as a stream of server-sent events.

Stream format: the WHATWG HTML standard, "Server-sent events". Each event's ``id`` is the cursor; a client that
reconnects sends it as ``Last-Event-ID`` and misses nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse, StreamingResponse

from models.event import Event
from runtime.api.auth import CustomerId
from runtime.api.pages import Listing
from runtime.services import CurrentServices, Services

router = APIRouter(prefix="/events", tags=["Events"])

STREAM_TYPE = "text/event-stream"
HEARTBEAT = ": still here\n\n"

_BATCH = 100

After = Annotated[str, Query(max_length=512, description="Id of the last event you have; empty for the beginning.")]
OfAicall = Annotated[UUID | None, Query(description="Only the events of this AIcall.")]


@router.get("", response_model=Listing[Event])
async def list_events(
    customer_id: CustomerId,
    services: CurrentServices,
    after: After = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="Most events to return.")] = 100,
    aicall_id: OfAicall = None,
) -> JSONResponse:
    """List events, oldest first. ``next_page_token`` is the ``after`` of the next request; '' when there is no more."""
    events = await services.store.list_events(
        after=after, limit=limit + 1, customer_id=customer_id, aicall_id=aicall_id
    )
    page = events[:limit]
    token = page[-1].id if len(events) > limit else ""
    return JSONResponse({"result": [event.public() for event in page], "next_page_token": token})


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {"content": {STREAM_TYPE: {"schema": {"type": "string"}}}, "description": "Events, as they happen."}
    },
)
async def stream_events(
    customer_id: CustomerId,
    services: CurrentServices,
    after: After = "",
    aicall_id: OfAicall = None,
    last_event_id: Annotated[str, Header(max_length=512, description="Sent by a client that reconnects.")] = "",
) -> StreamingResponse:
    """Send the events after ``after``, then every new one as it happens. ``Last-Event-ID`` wins over ``after``."""
    cursor = last_event_id or after
    # Before the response begins, so that a cursor that is none is refused with a status.
    await services.store.list_events(after=cursor, limit=1, customer_id=customer_id)
    return StreamingResponse(
        _stream(services, cursor, customer_id, aicall_id),
        media_type=STREAM_TYPE,
        # nginx would hold events back in a buffer.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(services: Services, cursor: str, customer_id: UUID, aicall_id: UUID | None) -> AsyncIterator[str]:
    heartbeat_s = services.settings.event_heartbeat_s
    while not services.closing.is_set():
        # Filtered here and not in the store, so that the cursor passes the events that are left out.
        events = await services.store.list_events(after=cursor, limit=_BATCH, customer_id=customer_id)
        for event in events:
            cursor = event.id
            if aicall_id in {None, event.aicall_id}:
                yield format_event(event)
        if not events:
            woken = await _first_of(
                services.store.wait_events(after=cursor, timeout_s=heartbeat_s), services.closing.wait()
            )
            if not woken:
                yield HEARTBEAT


async def _first_of(*awaitables: Awaitable[bool]) -> bool:
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def format_event(event: Event) -> str:
    """Write an event in the stream's format: ``id``, ``event`` (its type) and ``data`` (its envelope as JSON)."""
    data = json.dumps(event.public(), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.type}\ndata: {data}\n\n"
