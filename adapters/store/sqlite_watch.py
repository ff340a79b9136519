"""Noticing that another process has written to an SQLite file.

In WAL mode every commit goes into the file's log (https://www.sqlite.org/walformat.html), so a look at that file's size
and time of change says whether there was one: a system call of some microseconds, without a thread and a statement.
Whoever waits for events polls the database as well, so nothing depends on it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

LOOK_EVERY_S = 0.025
"""How late a commit of another process is noticed at most, seconds."""


class LogWatch:
    """Watches one database's log, on the running event loop.

    Args:
        path: The database file.
        on_change: Called when there was a commit, of another process as far as that can be told.
        look_every_s: Pause between two looks, seconds.
    """

    def __init__(self, path: str, on_change: Callable[[], None], *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._log = f"{path}-wal"
        self._on_change = on_change
        self._look_every_s = look_every_s
        self._seen = self._now()
        self._timer = asyncio.get_running_loop().call_later(look_every_s, self._look)

    def wrote(self) -> None:
        """Say that this process has just written, which is no news."""
        self._seen = self._now()

    def close(self) -> None:
        """Stop watching."""
        self._timer.cancel()

    def _look(self) -> None:
        now = self._now()
        if now != self._seen:
            self._seen = now
            self._on_change()
        self._timer = asyncio.get_running_loop().call_later(self._look_every_s, self._look)

    def _now(self) -> tuple[int, int]:
        try:
            found = os.stat(self._log)  # noqa: PTH116 - forty times a second
        except OSError:
            return 0, 0
        return found.st_size, found.st_mtime_ns
