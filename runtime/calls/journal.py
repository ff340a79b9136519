"""Writes what happens in one call to the store, in order, away from the audio path.

The call hands its entries over and goes on at once. One task writes them, one after the other, and tries again while
the store does not answer, so that a slow store delays records and never audio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from loguru import logger

from models.errors import AicallError

_QUEUE_LIMIT = 10_000
"""Entries kept while the store does not answer; far more than a call of an hour makes."""
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
        self._queue: asyncio.Queue[Write] = asyncio.Queue(_QUEUE_LIMIT)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"journal-{name}")

    def add(self, write: Write) -> None:
        """Append a write. Never waits and never raises."""
        try:
            self._queue.put_nowait(write)
        except asyncio.QueueFull:
            logger.error("aicall {}: the store is too far behind; a record is lost", self._name)

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
            write = await self._queue.get()
            try:
                await self._write(write)
            finally:
                self._queue.task_done()

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
