"""A bare timer as a process of its own, ``python -m bench.control --core N``: how late it is, nothing else is.

It shares the server's core. Where the system lets it, it has priority over the server (``SCHED_FIFO``), so what delays
it is the machine and not the load that is measured. Takes commands on stdin and answers on stdout, as `bench.server`
does; serves until the end of stdin.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
import time

import numpy as np

TICK_S = 0.01
"""How often the timer is due, seconds."""


class Timer:
    """Sleeps from tick to tick and notes how late it wakes up."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        """Tick for ever."""
        due_s = time.monotonic()
        while True:
            due_s += TICK_S
            wait_s = due_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            now_s = time.monotonic()
            with self._lock:
                self.late_ms.append((now_s - due_s) * 1000)
            # What was missed is one delay and not many.
            due_s = max(due_s, now_s - TICK_S)

    def take(self) -> list[float]:
        """Return what was noted since the last time."""
        with self._lock:
            taken, self.late_ms = self.late_ms, []
        return taken


def main(arguments: list[str] | None = None) -> None:
    """Tick, and answer every line of stdin: ``watch`` begins anew, ``report`` tells."""
    parser = argparse.ArgumentParser(prog="python -m bench.control", description=__doc__)
    parser.add_argument("--core", type=int, help="the only core to run on")
    options = parser.parse_args(arguments)
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    real_time = take_priority()
    timer = Timer()
    threading.Thread(target=timer.run, daemon=True).start()
    _say({"real_time": real_time})
    for _ in sys.stdin:
        late_ms = timer.take()
        _say(
            {
                "real_time": real_time,
                "p99_ms": float(np.percentile(late_ms, 99)) if late_ms else None,
                "max_ms": max(late_ms, default=None),
            }
        )


def take_priority() -> bool:
    """Take real-time priority for what this process does next; say whether the system allowed it."""
    if not hasattr(os, "sched_setscheduler"):
        return False
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return True
    return False


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
