"""A time limit that costs nothing when there is nothing to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(limit_s: float, work: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine with a time limit.

    Like `asyncio.timeout`, which sets and cancels a timer each time. Sending on a healthy socket never waits, so here
    the timer is only set when the coroutine does: for fifty messages a second and call that is most of the cost.

    Args:
        limit_s: The limit, seconds.
        work: The coroutine, not yet begun.

    Returns:
        What it returns.

    Raises:
        TimeoutError: It did not end in time, and was cancelled.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    async with asyncio.timeout(limit_s):
        return await _Begun(work, waits_for)


class _Begun(Generator[Any, Any, T]):
    """The rest of a coroutine that waits for the first time."""

    def __init__(self, work: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._work = work
        self._waits_for = [waits_for]

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def send(self, value: Any) -> Any:
        return self._waits_for.pop() if self._waits_for else self._work.send(value)

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()
