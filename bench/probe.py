"""What is measured inside a server's process: loads of models, and how long the event loop stands still."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import onnxruntime

TICK_S: Final = 0.002
"""How often the loop is looked at, seconds."""

NOTICED_MS: Final = 5.0
"""From here on a delay of the loop counts as a stall: a quarter of an audio frame, milliseconds."""


@dataclass(slots=True)
class SessionLoads:
    """Model sessions that were made since the last `reset`.

    Attributes:
        count: How many.
        blocking_ms: Time that making them took on the main thread, where the event loop runs, milliseconds.
    """

    count: int = 0
    blocking_ms: float = 0.0

    def reset(self) -> None:
        """Begin anew."""
        self.count, self.blocking_ms = 0, 0.0


def count_model_loads() -> SessionLoads:
    """Count every ``onnxruntime.InferenceSession`` that this process makes from now on.

    It puts a counting subclass in the place of onnxruntime's class, which only a benchmark may do: neither the recipe
    nor the runtime offers a seam in front of the model's constructor. To be called before anything else imports it.
    """
    loads = SessionLoads()
    original: Any = onnxruntime.InferenceSession

    class CountingSession(original):  # type: ignore[misc]
        """An `onnxruntime.InferenceSession` that is counted."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            begun_s = time.perf_counter()
            super().__init__(*args, **kwargs)
            loads.count += 1
            if threading.current_thread() is threading.main_thread():
                loads.blocking_ms += (time.perf_counter() - begun_s) * 1000

    onnxruntime.InferenceSession = CountingSession
    return loads


@dataclass(slots=True)
class LoopWatch:
    """Looks at the running event loop every `TICK_S` and notes how late it was.

    It costs under one per cent of a core, so it runs only while something is watched.

    Attributes:
        longest_ms: Longest delay since `start`, milliseconds.
        stalled_ms: Sum of the delays over `NOTICED_MS` since `start`, milliseconds.
    """

    longest_ms: float = 0.0
    stalled_ms: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin anew."""
        self.stop()
        self.longest_ms = self.stalled_ms = 0.0
        self._arm(asyncio.get_running_loop())

    def stop(self) -> None:
        """Look no more; what was seen stays."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        due_s = loop.time() + TICK_S
        self._timer = loop.call_at(due_s, self._look, loop, due_s)

    def _look(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        late_ms = (loop.time() - due_s) * 1000
        self.longest_ms = max(self.longest_ms, late_ms)
        if late_ms > NOTICED_MS:
            self.stalled_ms += late_ms
        self._arm(loop)
