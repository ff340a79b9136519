"""Putting numbered messages back into order, without a clock.

For phone systems that number their audio because they do not send it in order. On a WebSocket nothing gets lost on the
way, so a number that is missing is late or was never sent; which of them shows only in how much comes after it.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

T = TypeVar("T")

RESTART: Final = 1_000
"""A number so far behind the last one is no late message: the phone system has begun to count anew."""


class ChunkOrder(Generic[T]):
    """The messages of one stream.

    Args:
        window: How many messages may wait for one that is missing. The next one gives it up.
    """

    __slots__ = ("_expected", "_held", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._expected: int | None = None
        self._held: dict[int, T] = {}

    def take(self, number: int | None, item: T) -> list[T]:
        """Take a message.

        Args:
            number: Its place; None for a message without one, which is not held back.
            item: What is to be put into order.

        Returns:
            What may go on now, in order. Late messages and repeats are dropped.
        """
        if number is None:
            return [item]
        if self._expected is None or number < self._expected - RESTART:
            self._held.clear()
            self._expected = number
        if number == self._expected:
            self._expected = number + 1
            return [item, *self._consecutive()] if self._held else [item]
        if number < self._expected or number in self._held:
            return []
        self._held[number] = item
        if len(self._held) <= self._window:
            return []
        self._expected = min(self._held)
        return self._consecutive()

    def rest(self) -> list[T]:
        """Return what still waits, in order: nothing more will come."""
        rest = [self._held[number] for number in sorted(self._held)]
        self._held.clear()
        return rest

    def _consecutive(self) -> list[T]:
        ready: list[T] = []
        while self._expected in self._held:
            ready.append(self._held.pop(self._expected))
            self._expected += 1
        return ready
