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
    """Registry of live calls, with admission and drain.

    Args:
        max_calls: Most calls at the same time; 0 for no limit.

    Attributes:
        owner: Id of this process as the owner of AIcalls.
    """

    def __init__(self, max_calls: int = 0) -> None:
        self.owner = str(uuid4())
        self._max_calls = max_calls
        self._calls: dict[UUID, LiveCall] = {}
        self._reserved = 0
        self._draining = False
        self._changed = asyncio.Event()

    @property
    def accepting(self) -> bool:
        """Whether new calls are taken."""
        return not self._draining and not self._full

    def __len__(self) -> int:
        return len(self._calls)

    def reserve(self) -> None:
        """Take a place for a call that is about to be accepted, so that two cannot take the last one.

        Raises:
            Unavailable: The process drains, or is full.
        """
        if self._draining:
            raise Unavailable("this server is draining and takes no new calls", retry_after_s=5)
        if self._full:
            raise Unavailable("this server is full", retry_after_s=5)
        self._reserved += 1

    def release(self) -> None:
        """Give a reserved place back."""
        self._reserved -= 1
        self._changed.set()

    def add(self, aicall_id: UUID, call: LiveCall) -> None:
        """Put a call in the place reserved for it."""
        self._calls[aicall_id] = call
        self._changed.set()

    def remove(self, aicall_id: UUID) -> None:
        """Take a call out; its place stays reserved until it is released."""
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

    @property
    def _full(self) -> bool:
        return bool(self._max_calls) and self._reserved >= self._max_calls
