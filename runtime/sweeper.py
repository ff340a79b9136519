"""Ends AIcalls to which no phone system connected while their media token was good."""

from __future__ import annotations

import asyncio

from loguru import logger

from models.aicall import EndReason
from runtime.ending import end_unattended
from runtime.services import Services


async def sweep(services: Services) -> int:
    """End every AIcall whose media token has expired unused.

    Returns:
        How many were ended.
    """
    expired = await services.store.expired_aicalls(now=services.clock())
    for aicall in expired:
        await end_unattended(services, aicall.id, EndReason.EXPIRED)
    return len(expired)


async def keep_sweeping(services: Services) -> None:
    """Sweep for ever, with ``sweep_interval_s`` between two sweeps. A sweep that fails is tried again."""
    while True:
        try:
            await sweep(services)
        except Exception:  # noqa: BLE001
            # Whatever it was, the next sweep may succeed, and AIcalls must not be left for ever.
            logger.exception("a sweep for unused AIcalls failed")
        await asyncio.sleep(services.settings.sweep_interval_s)
