"""The calls that run in this process."""

from __future__ import annotations

import asyncio
from typing import Protocol
from uuid import UUID, uuid4

from loguru import logger

from models.aicall import EndReason
from models.errors import Unavailable
from runtime.calls.attachment import Attachment


class LiveCall(Protocol):
    """A call, as the registry sees it."""

    def end(self, reason: EndReason) -> None:
        """Ask the call to end. Returns at once; asking twice is the same as asking once."""

    async def wait_ended(self) -> None:
        """Wait until the call is ``terminated`` and released."""

    async def pause(self) -> None:
        """Put the call on hold, and wait until that is recorded.

        Raises:
            Conflict: In its status it cannot be.
        """

    async def resume(self) -> None:
        """Go on after a hold, and wait until that is recorded.

        Raises:
            Conflict: In its status it cannot.
        """

    async def take_messages(self) -> None:
        """Put in what others say in the call. What comes while it is on hold waits until it goes on."""

    async def send_dtmf(self, digits: str) -> None:
        """Send digits to the caller's side.

        Args:
            digits: ``0-9 * # A-D``, and ``w`` for half a second of pause.

        Raises:
            Conflict: Neither its media protocol nor its phone system can.
            InvalidField: Names ``digits``: they are none, or too many.
            ToolFailed: The phone system refused, or cannot be reached.
        """

    def taken(self) -> None:
        """Let go of the call: another process runs the AIcall now."""

    async def settled(self) -> None:
        """Wait until everything so far is recorded."""

    @property
    def detached(self) -> bool:
        """Whether its phone system was lost and may connect again."""

    async def attach(self, attachment: Attachment) -> None:
        """Go on with another connection; returns when it is over."""


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

    def get(self, aicall_id: UUID) -> LiveCall | None:
        """Return a call; None when it does not run in this process."""
        return self._calls.get(aicall_id)

    def ids(self) -> list[UUID]:
        """Return the calls that run in this process."""
        return list(self._calls)

    async def wait_for_any(self) -> None:
        """Wait until a call runs in this process."""
        while not self._calls:
            await self._change()

    def add(self, aicall_id: UUID, call: LiveCall) -> None:
        """Put in the call that a reserved connection became."""
        self._calls[aicall_id] = call
        self._changed.set()

    def remove(self, aicall_id: UUID, call: LiveCall | None = None) -> None:
        """Take a call out, only this one if it is given; its connection stays reserved until it is released."""
        if call is None or self._calls.get(aicall_id) is call:
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
