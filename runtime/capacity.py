"""How many calls this process takes: a fixed limit, an automatic one, and the places that were given out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from models.errors import Unavailable
from runtime.auto_limit import AutoLimit, Busy

RETRY_AFTER_S = 5.0
"""When whoever was refused may try again, seconds: about what a loaded process needs to recover."""


class Refusal(StrEnum):
    """Why no further call is taken."""

    DRAINING = "draining"
    MAX_CALLS = "max_calls"
    LOOP_LAG = Busy.LOOP_LAG.value
    LOOP_LOAD = Busy.LOOP_LOAD.value
    ENGINE_LOAD = Busy.ENGINE_LOAD.value


_MESSAGES = {
    Refusal.DRAINING: "this server is draining and takes no new calls",
    Refusal.MAX_CALLS: "this server is full",
    Refusal.LOOP_LAG: "this server is full: its event loop runs late",
    Refusal.LOOP_LOAD: "this server is full: its event loop has no time for another call",
    Refusal.ENGINE_LOAD: "this server is full: its inference threads have no time for another call",
}


class Capacity:
    """Gives out places for calls. Belongs to one event loop: nothing in it waits, so no two calls get the last place.

    Args:
        max_calls: Most calls at the same time; 0 for no fixed limit.
        auto: The automatic limit; None for none.
        draining: Whether the process drains.
        engine_busy: Returns the share of the last seconds in which the inference threads worked, 0 to 1.
        on_refused: Called for every call that is refused.
    """

    def __init__(
        self,
        *,
        max_calls: int,
        auto: AutoLimit | None,
        draining: Callable[[], bool],
        engine_busy: Callable[[], float],
        on_refused: Callable[[Refusal], None],
    ) -> None:
        self._max_calls = max_calls
        self._auto = auto
        self._draining = draining
        self._engine_busy = engine_busy
        self._on_refused = on_refused
        self._room_elsewhere: Callable[[], bool] = lambda: False
        self._taken = 0

    def is_shared(self, room_elsewhere: Callable[[], bool]) -> None:
        """Note that other processes take calls too, so that nobody is told to come back later while one has room.

        Args:
            room_elsewhere: Returns whether another process behind the same port would take a call.
        """
        self._room_elsewhere = room_elsewhere

    @property
    def taken(self) -> int:
        """Places that are taken: live calls, and connections that may become one."""
        return self._taken

    @property
    def limit(self) -> float:
        """How many calls fit in all, as far as it is known now; infinity where there is no limit."""
        return min(
            self._max_calls or math.inf,
            self._auto.room(self._taken) if self._auto else math.inf,
        )

    def refusal(self) -> Refusal | None:
        """Say why a call would be refused at this moment; None when it would be taken."""
        if self._draining():
            return Refusal.DRAINING
        if self._max_calls and self._taken >= self._max_calls:
            return Refusal.MAX_CALLS
        busy = self._auto.busy(self._taken) if self._auto else None
        return None if busy is None else Refusal(busy.value)

    def check(self) -> None:
        """Do nothing while a call would be taken, by this process or by another one behind the same port.

        Raises:
            Unavailable: It would be refused; the message says why.
        """
        refusal = self.refusal()
        if refusal and not self._room_elsewhere():
            raise _refused(refusal)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place and hold it while the context lasts, whatever ends it.

        Raises:
            Unavailable: There is none; the message says why.
        """
        if refusal := self.refusal():
            self._on_refused(refusal)
            raise _refused(refusal)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    def observe(self, *, lag_s: float, loop_busy: float) -> None:
        """Take in what the loop's watch measured over the last second.

        Args:
            lag_s: The loop's lag, 90th percentile, seconds.
            loop_busy: Share of the time that the loop's thread worked, 0 to 1.
        """
        if self._auto:
            self._auto.observe(lag_s=lag_s, loop_busy=loop_busy, engine_busy=self._engine_busy(), calls=self._taken)


def _refused(refusal: Refusal) -> Unavailable:
    return Unavailable(_MESSAGES[refusal], retry_after_s=RETRY_AFTER_S)
