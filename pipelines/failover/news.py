"""Tells a conversation what happens in its seats with several vendors."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.failover.failover import FailoverListener, Switch
from pipelines.failover.failures import Seat


class FailoverNews(FailoverListener):
    """Hands on what happens.

    Args:
        on_switched: Told when a vendor was replaced.
        on_failed: Told of a failure that costs nothing now: its seat and category.
    """

    def __init__(self, on_switched: Callable[[Switch], None], on_failed: Callable[[Seat, str], None]) -> None:
        self._on_switched = on_switched
        self._on_failed = on_failed

    def switched(self, switch: Switch) -> None:
        """A vendor was replaced."""
        self._on_switched(switch)

    def failed(self, seat: Seat, provider: str, category: str) -> None:
        """A vendor failed in a way that costs nothing now."""
        del provider
        self._on_failed(seat, category)
