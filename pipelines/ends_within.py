"""Asking a task to end, and waiting no longer than one has time."""

from __future__ import annotations

import asyncio
from typing import Any

from loguru import logger


async def ends_within(running: asyncio.Task[None], limit_s: float, ask: Any = None) -> bool:
    """Ask a task to end and wait for it, never longer than the limit."""
    asking = asyncio.ensure_future(ask) if ask is not None else None
    done, _ = await asyncio.wait({running}, timeout=limit_s)
    if asking is not None:
        if not asking.done():
            asking.cancel()
        await asyncio.wait({asking}, timeout=limit_s)
        if asking.done() and not asking.cancelled() and (error := asking.exception()) is not None:
            logger.opt(exception=error).warning("the pipeline could not be asked to end")
    return bool(done)
