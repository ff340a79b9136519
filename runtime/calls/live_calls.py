"""The calls that run in this process."""

from __future__ import annotations

import asyncio
from typing import Protocol
from uuid import UUID, uuid4

from loguru import logger

from models.aicall import EndReason
from models.errors import Unavailable


class LiveCall(Protocol):
    """A call, as the registry sees it."""

    def end(self, reason: EndReason) -> None:
        """Ask the call to end. Returns at once; asking twice is the same as asking once."""

    async def wait_ended(self) -> None:
        """Wait until the call is ``terminated`` and released."""


class LiveCalls:
    """Registry of live calls, and of connections that may become one, with drain.

    Attributes:
        owner: Id of this process as the owner of AIcalls.
    """

    def __init__(self) -> None:
        self.owner = str(uuid4())
        self._calls: dict[UUID, LiveCall] = {}
        self._reserved = 0
        self._draining = False
        self._changed = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether no new call is taken any more."""
        return self._draining

    def __len__(self) -> int:
        return len(self._calls)

    def reserve(self) -> None:
        """Announce a connection that may become a call, so that a drain waits for it.

        Raises:
            Unavailable: The process drains.
        """
        if self._draining:
            raise Unavailable("this server is draining and takes no new calls", retry_after_s=5)
        self._reserved += 1

    def release(self) -> None:
        """Say that the connection has gone."""
        self._reserved -= 1
        self._changed.set()

    def add(self, aicall_id: UUID, call: LiveCall) -> None:
        """Put in the call that a reserved connection became."""
        self._calls[aicall_id] = call
        self._changed.set()

    def remove(self, aicall_id: UUID) -> None:
        """Take a call out; its connection stays reserved until it is released."""
        self._calls.pop(aicall_id, None)
        self._changed.set()

    async def terminate(self, aicall_id: UUID, reason: EndReason) -> bool:
        """End a call and wait until it is ``terminated``.

        Returns:
            False when it does not run in this process.
        """
        call = self._calls.get(aicall_id)
        if call is None:
            return False
        call.end(reason)
        await call.wait_ended()
        return True

    async def drain(self, timeout_s: float) -> None:
        """Refuse new calls from now on and return when the last live one has ended.

        A connection that is being admitted counts too: it may become a call at any moment.

        Args:
            timeout_s: When the time is over, live calls are ended with `EndReason.DRAIN`; 0 for at once, seconds.
        """
        self._draining = True
        try:
            async with asyncio.timeout(timeout_s):
                while self._busy:
                    await self._change()
        except TimeoutError:
            logger.info("ending {} live calls", len(self._calls))
        while self._busy:
            for call in list(self._calls.values()):
                call.end(EndReason.DRAIN)
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    @property
    def _busy(self) -> bool:
        return bool(self._calls or self._reserved)
