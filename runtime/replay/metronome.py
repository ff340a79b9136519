"""One timer for the beats of all calls.

All beats have the same period, so whoever has just been served is due last: a queue in the order of the deadlines needs
no heap, and each call keeps its own exact phase.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from operator import itemgetter

from runtime.replay.record import FRAME_MS

Entry = tuple[float, float, int, "Beat"]
"""When it is due, the origin of its beats (both seconds of the loop's clock), how many have been, and whom to call."""

Beat = Callable[[float], bool]
"""Called with the event loop's time, seconds, once for each period; returns whether it wants to be called again."""


class Metronome:
    """Calls many callbacks once every 20 ms each, late ones once for each period that went by."""

    def __init__(self, period_ms: float = FRAME_MS) -> None:
        """Begin without anybody, on the running event loop.

        Args:
            period_ms: Time from one beat to the next, milliseconds.
        """
        self._loop = asyncio.get_running_loop()
        self._period_ms = period_ms
        self._queue: deque[Entry] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._striking = False

    def join(self, origin_s: float, beats: int, beat: Beat) -> None:
        """Call from now on at the next beat, and then at each.

        Args:
            origin_s: When the beats are counted from, seconds of the loop's clock.
            beats: How many have been; number ``beats + 1`` is due next, at once when its time has passed.
            beat: Whom to call.
        """
        queue = self._queue
        due_s = origin_s + (beats + 1) * self._period_ms / 1000
        in_order = not queue or queue[-1][0] <= due_s
        queue.append((due_s, origin_s, beats, beat))
        if not in_order:
            self._queue = deque(sorted(queue, key=itemgetter(0)))
        if not self._striking:
            self._set_timer()

    def _strike(self) -> None:
        self._timer = None
        self._striking = True
        try:
            self._serve_due()
        finally:
            self._striking = False
            self._set_timer()

    def _serve_due(self) -> None:
        clock, period_ms = self._loop.time, self._period_ms
        now_s = clock()
        limit = len(self._queue)  # beats that have to be caught up leave room for what the sockets bring
        while limit and self._queue and self._queue[0][0] <= now_s:
            queue = self._queue
            _, origin_s, beats, beat = queue.popleft()
            if beat(now_s):
                due_s = origin_s + (beats + 2) * period_ms / 1000
                if queue is self._queue and (not queue or queue[-1][0] <= due_s):
                    queue.append((due_s, origin_s, beats + 1, beat))
                else:
                    self.join(origin_s, beats + 1, beat)
            now_s = clock()
            limit -= 1

    def _set_timer(self) -> None:
        if not self._queue:
            return
        due_s = self._queue[0][0]
        if self._timer is None or self._timer.when() > due_s:
            if self._timer:
                self._timer.cancel()
            self._timer = self._loop.call_at(due_s, self._strike)
