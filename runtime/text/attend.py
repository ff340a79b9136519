"""Sees to it that everything that is to be done in conversations and tasks is done by somebody."""

from __future__ import annotations

import asyncio

from loguru import logger

from models.aicall import EndReason
from runtime.calls.control import end_aicall
from runtime.services import Services
from runtime.text.wake import attend


async def look_after_texts(services: Services) -> None:
    """End what is over, and go on with what a process left that died, or that could not be done before."""
    now = services.clock()
    for aicall in await services.store.expired_texts(now=now):
        await end_aicall(services, aicall, EndReason.MAX_DURATION)
    for aicall_id in await services.store.unattended_texts(now=now):
        attend(services, aicall_id)


async def keep_attending(services: Services) -> None:
    """Look after conversations and tasks for ever, with ``sweep_interval_s`` in between."""
    while True:
        try:
            await look_after_texts(services)
        except Exception:  # noqa: BLE001
            # Whatever it was, the next time may be better, and nobody else does it.
            logger.exception("looking after conversations failed")
        await asyncio.sleep(services.settings.sweep_interval_s)
