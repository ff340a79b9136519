"""Writes what happens in one call to the store, in order, away from the audio path.

The call hands its entries over and goes on at once. One task writes them, one after the other, and tries again while
the store does not answer, so that a slow store delays records and never audio.

What waits is bounded, in number and in bytes. At the bound, records that only measure (latencies, fillers) are dropped.
Status moves, messages and whatever else tells what happened are kept all the same: a call makes no more of them than
its length and its people allow, a few hundred kilobytes an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from loguru import logger

from models.errors import AicallError

ENTRIES_LIMIT = 2_000
"""From how many waiting entries on measurements are dropped; more than a call of an hour makes."""
BYTES_LIMIT = 4 * 1024 * 1024
"""From how many waiting bytes on measurements are dropped."""
_RETRY_DELAYS_S = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Pauses between tries; the last one repeats, seconds."""

Write = Callable[[], Awaitable[object]]
"""Does one write. Called again when it failed for a passing reason."""


class CallJournal:
    """One call's writer.

    Args:
        name: The AIcall's id, for log lines.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: asyncio.Queue[tuple[Write, int]] = asyncio.Queue()
        self._waiting_bytes = 0
        self._dropped = 0
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"journal-{name}")

    def add(self, write: Write, *, size_bytes: int = 0, dispensable: bool = False) -> None:
        """Append a write. Never waits and never raises.

        Args:
            write: The write.
            size_bytes: About how much it holds in memory.
            dispensable: Whether it may be dropped while the store is too far behind.
        """
        if dispensable and (self._queue.qsize() >= ENTRIES_LIMIT or self._waiting_bytes >= BYTES_LIMIT):
            if not self._dropped:
                logger.error("aicall {}: the store is too far behind; measurements are dropped", self._name)
            self._dropped += 1
            return
        self._waiting_bytes += size_bytes
        self._queue.put_nowait((write, size_bytes))

    async def flush(self, timeout_s: float) -> bool:
        """Wait until everything added so far is written.

        Returns:
            False when the time is over before it is, while writing goes on; or when writing has ended.
        """
        written = asyncio.get_running_loop().create_task(self._queue.join(), name=f"flush-{self._name}")
        try:
            # The writer too: a loop that shuts down cancels it, and then there is nothing to wait for.
            await asyncio.wait({written, self._task}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return written.done()
        finally:
            written.cancel()

    async def close(self) -> None:
        """Stop writing. What is not written yet is lost; `flush` first."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            write, size_bytes = await self._queue.get()
            try:
                await self._write(write)
            finally:
                self._waiting_bytes -= size_bytes
                self._queue.task_done()
            if self._dropped and self._queue.empty():
                logger.warning("aicall {}: the store has caught up; {} measurements lost", self._name, self._dropped)
                self._dropped = 0

    async def _write(self, write: Write) -> None:
        for attempt in range(1_000_000):
            try:
                await write()
            except AicallError as error:
                if not error.retryable:
                    logger.warning("aicall {}: not recorded: {}", self._name, error.message)
                    return
            except Exception:  # noqa: BLE001 - one lost record must not end the call's other records
                logger.exception("aicall {}: a record could not be written", self._name)
                return
            else:
                return
            await asyncio.sleep(_RETRY_DELAYS_S[min(attempt, len(_RETRY_DELAYS_S) - 1)])
