"""How a conversation comes to its end by itself: at once, or when its last words were heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from models.aicall import EndReason


class Ending:
    """The end of one conversation, which comes once. Must be used on the event loop's thread.

    Args:
        on_ending: Called whenever the conversation begins to end: nothing new is to be said.
        on_finished: Called once with why, unless `close` came first.

    Attributes:
        finished: Whether the conversation is over.
    """

    def __init__(self, on_ending: Callable[[], None], on_finished: Callable[[EndReason], None]) -> None:
        self.finished = False
        self._on_ending = on_ending
        self._on_finished = on_finished
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def begun(self) -> bool:
        """Whether the conversation is over, or its last words are being said."""
        return self.finished or self._deadline is not None

    def finish_within(self, limit_s: float, reason: EndReason) -> None:
        """Begin the end: the last words are on their way.

        Args:
            limit_s: How long they may take before the conversation is over all the same, seconds.
            reason: Why it ends. Where the end has begun already, its reason and its limit stay.
        """
        self._on_ending()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(limit_s, self.finish, reason)

    def finish(self, reason: EndReason) -> None:
        """End the conversation now. A second time does nothing."""
        if not self.finished:
            self.finished = True
            self._on_finished(reason)

    def close(self) -> None:
        """The conversation is stopped from outside: nobody is to be told any more."""
        self.finished = True

    def cancel(self) -> None:
        """Let go of the timer."""
        if self._deadline is not None:
            self._deadline.cancel()
