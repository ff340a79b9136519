"""Explains a silence: says a short sentence while an answer is due and nothing of it can be heard yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from pipelines.failover.stall_watch import StallWatch

_PAUSES_S = (4.0, 8.0)
"""Silence before the second filler of one wait, and before each further one, seconds: the first has explained it."""
_RETRY_S = 0.1
"""How soon to look again when a filler cannot be said at this moment, seconds."""


class Mouth(Protocol):
    """What says the fillers."""

    def quiet_since_s(self) -> float:
        """Since when nothing is heard of the bot, on the loop's clock; in the future while something is."""

    def say(self, text: str) -> bool:
        """Say a text now, if it is recorded. Returns whether it is."""


class Filler:
    """One call's fillers. Must be used on the event loop's thread.

    The first one is said once nothing was heard for a while since the answer became due, others after longer pauses.
    None is said while the caller speaks, or once the answer has begun.

    Args:
        texts: What can be said, in order; none for no fillers. With one, it is said once in each wait, so that the
            same is never said twice in a row.
        after_s: Silence before the first one, seconds.
        watch: Knows whether an answer is due.
        mouth: Says them.
        caller_speaks: Whether the caller speaks now.
        on_said: Gets each text that is said.
    """

    def __init__(
        self,
        texts: Sequence[str],
        after_s: float,
        *,
        watch: StallWatch,
        mouth: Mouth,
        caller_speaks: Callable[[], bool],
        on_said: Callable[[str], None],
    ) -> None:
        self._texts = tuple(texts)
        self._after_s = after_s
        self._watch = watch
        self._mouth = mouth
        self._caller_speaks = caller_speaks
        self._on_said = on_said
        self._stopped = False
        self._next = 0
        self._said = 0
        """How many were said in this wait."""
        self._wait_since_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def due(self) -> None:
        """An answer is due."""
        self._cancel()
        if self._texts:
            self._look()

    def change(self, texts: Sequence[str], after_s: float) -> None:
        """Say other texts from now on, unless there is no more to say at all.

        Args:
            texts: As in the constructor.
            after_s: As in the constructor.
        """
        if not self._stopped:
            self._texts, self._after_s, self._next = tuple(texts), after_s, 0

    def stop(self) -> None:
        """Say no more."""
        self._stopped = True
        self._texts = ()
        self._cancel()

    def _look(self) -> None:
        self._timer = None
        since_s = self._watch.due_since_s
        if since_s != self._wait_since_s:
            self._wait_since_s, self._said = since_s, 0
        if since_s is None or (len(self._texts) == 1 and self._said):
            return
        left_s = max(since_s, self._mouth.quiet_since_s()) + self._pause_s() - asyncio.get_running_loop().time()
        if left_s <= 0:
            left_s = _RETRY_S
            text = self._texts[self._next]
            if not self._caller_speaks() and self._mouth.say(text):
                self._said += 1
                self._next = (self._next + 1) % len(self._texts)
                self._on_said(text)
        self._timer = asyncio.get_running_loop().call_later(left_s, self._look)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pause_s(self) -> float:
        if not self._said:
            return self._after_s
        return _PAUSES_S[min(self._said, len(_PAUSES_S)) - 1]
