"""Does what other processes ask of the one that runs a call."""

from __future__ import annotations

import asyncio

from loguru import logger

from adapters.store.life.contract import LifeRequest
from models.aicall import EndReason
from models.errors import AicallError, Conflict
from runtime.calls.live_calls import LiveCall
from runtime.services import Services

_ASKED_EVERY_S = 0.2
"""How often a process looks for what others ask of it, seconds."""


class RequestTaker:
    """Does what other processes ask of this one.

    Args:
        services: The process.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._acting: set[asyncio.Task[None]] = set()

    async def keep(self) -> None:
        """Look for requests for ever, while there are calls that they could be for."""
        live_calls = self._services.live_calls
        try:
            while True:
                await live_calls.wait_for_any()
                try:
                    await self.look()
                except Exception as error:  # noqa: BLE001 - the next look may succeed
                    if not isinstance(error, AicallError):
                        logger.exception("requests of other processes could not be read")
                await asyncio.sleep(_ASKED_EVERY_S)
        finally:
            for task in self._acting:
                task.cancel()
            if self._acting:
                await asyncio.wait(self._acting)

    async def look(self) -> None:
        """Take what was asked, and have it done.

        Raises:
            Unavailable: The store does not answer.
        """
        live_calls = self._services.live_calls
        for aicall_id, request in await self._services.store.take_requests(owner=live_calls.owner):
            call = live_calls.get(aicall_id)
            if call is not None:
                task = asyncio.get_running_loop().create_task(_act(call, request), name=f"{request}-{aicall_id}")
                self._acting.add(task)
                task.add_done_callback(self._acting.discard)


async def _act(call: LiveCall, request: LifeRequest) -> None:
    try:
        match request:
            case LifeRequest.TERMINATE:
                call.end(EndReason.TERMINATE)
            case LifeRequest.PAUSE:
                await call.pause()
            case LifeRequest.RESUME:
                await call.resume()
            case LifeRequest.MESSAGES:
                await call.take_messages()
    except Conflict as error:
        # Whoever asked sees the status.
        logger.debug("{} was asked for in vain: {}", request, error.message)
