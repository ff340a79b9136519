"""Text that waits until the audio that speaks it has come, for vendors that do not say which audio speaks what.

Without it, an answer of three sentences would count as heard as soon as the first sound of it came.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

CHARS_PER_S = 14.0
"""How fast a voice speaks, characters per second: a slow one, since text that is held too long only costs what is lost
in an interruption, and text that is let go too early was never heard."""

T = TypeVar("T")


class WaitingText(Generic[T]):
    """The texts of one audio context, in the order in which they are spoken."""

    def __init__(self) -> None:
        self._texts: deque[tuple[float, T]] = deque()
        self._end_s = 0.0
        self._audio_s = 0.0

    def add(self, text: str, item: T) -> None:
        """Append a text.

        Args:
            text: What is spoken.
            item: What stands for it, and is given back once it was spoken.
        """
        self._end_s += len(text) / CHARS_PER_S
        self._texts.append((self._end_s, item))

    def hear(self, audio_s: float) -> list[T]:
        """Note that audio has come.

        Args:
            audio_s: Its duration, seconds.

        Returns:
            The items of the texts that were surely spoken by now.
        """
        self._audio_s += audio_s
        spoken = []
        while self._texts and self._texts[0][0] <= self._audio_s:
            spoken.append(self._texts.popleft()[1])
        return spoken

    def rest(self) -> list[T]:
        """Take what still waits: all audio has come."""
        rest = [item for _, item in self._texts]
        self._texts.clear()
        return rest
