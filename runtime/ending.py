"""Ending AIcalls that no call worker of this process runs, and waiting for an end."""

from __future__ import annotations

import asyncio
from uuid import UUID

from loguru import logger

from adapters.store.base import Store
from models.aicall import Aicall, EndReason
from models.errors import IllegalTransition
from models.event import status_event_type
from models.status import AicallStatus, is_final
from runtime.services import Services

_BATCH = 100
_ENDED = status_event_type(AicallStatus.TERMINATED)


async def end_unattended(services: Services, aicall_id: UUID, reason: EndReason) -> Aicall:
    """Move an AIcall to ``terminated``, whoever else may be ending it at the same time.

    Returns:
        The AIcall afterwards.

    Raises:
        NotFound: There is none.
    """
    for target in (AicallStatus.TERMINATING, AicallStatus.TERMINATED):
        try:
            await services.store.move_aicall(aicall_id, target, now=services.clock(), end_reason=reason)
        except IllegalTransition:
            # Another hand made this move first; the store recorded it once.
            continue
        services.metrics.status_moved(target)
        logger.info("aicall {} {} ({})", aicall_id, target, reason)
    return await services.store.get_aicall(aicall_id, customer_id=None)


async def wait_ended(store: Store, aicall_id: UUID, *, timeout_s: float) -> bool:
    """Wait until an AIcall is ``terminated``.

    Returns:
        False when the time is over before it is.
    """
    own = await store.list_events(limit=_BATCH, customer_id=None, aicall_id=aicall_id)
    cursor = own[-1].id if own else ""
    if is_final((await store.get_aicall(aicall_id, customer_id=None)).status):
        return True
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                # Events of every AIcall are read, so that the cursor passes those that woke us for nothing.
                events = await store.list_events(after=cursor, limit=_BATCH, customer_id=None)
                if any(event.aicall_id == aicall_id and event.type == _ENDED for event in events):
                    return True
                if events:
                    cursor = events[-1].id
                else:
                    await store.wait_events(after=cursor, timeout_s=timeout_s)
    except TimeoutError:
        return False
