"""The marks of FreeSWITCH's mod_audio_fork, of which at most 30 may be pending: it drops any further one silently."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Final

from adapters.media.base import MarkReached, MediaEvent, Message, Reply

MAX_PENDING: Final = 30
"""Marks that the module holds at a time."""

_MAX_WAITING: Final = 1_024

_ODD: Final = re.compile(r'["\\\x00-\x1f]')
"""What the module does not escape when it writes a mark's name into its JSON."""


class ForkMarks:
    """One stream's marks.

    A mark beyond the 30th waits until one comes back. It then stands behind more audio than was asked for, never
    behind less. A name that the module would break goes out under another one.
    """

    def __init__(self) -> None:
        self._pending = 0
        self._waiting: deque[str] = deque(maxlen=_MAX_WAITING)
        self._names: dict[str, str] = {}
        self._named = 0

    def send(self, name: str) -> list[Message]:
        """Return the message that sets a mark; none when it has to wait."""
        if self._pending >= MAX_PENDING:
            self._waiting.append(name)
            return []
        return [self._set(name)]

    def reached(self, name: str) -> list[MediaEvent]:
        """Take a mark that came back; the next one that waits goes out."""
        self._pending = max(0, self._pending - 1)
        events: list[MediaEvent] = [MarkReached(self._names.pop(name, name))]
        if self._waiting:
            events.append(Reply((self._set(self._waiting.popleft()),)))
        return events

    def _set(self, name: str) -> str:
        self._pending += 1
        if _ODD.search(name):
            self._named += 1
            alias = f"#{self._named}"
            self._names[alias] = name
            name = alias
        return json.dumps({"type": "mark", "data": {"name": name}})
