"""Blocks the network, and remembers who wanted it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"})
"""Audit events of Python's that come before anything goes out (https://docs.python.org/3/library/audit_events.html)."""

_attempts: list[list[str]] = []


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _attempts and event in _EVENTS:
        _attempts[-1].append(event)
        raise OSError("the network is blocked")


# A hook can never be taken away, so there is one, which mostly does nothing.
sys.addaudithook(_audit)


@contextmanager
def offline() -> Iterator[list[str]]:
    """No connection can be opened and no name looked up meanwhile; yields the attempts."""
    attempts: list[str] = []
    _attempts.append(attempts)
    try:
        yield attempts
    finally:
        _attempts.remove(attempts)
