"""How long to wait before a worker that died is replaced. Pure."""

from __future__ import annotations

STABLE_S = 60.0
"""A worker that served this long has not died of its start, seconds."""

LONGEST_S = 30.0
"""Longest wait, seconds."""

_FIRST_S = 1.0


class BackOff:
    """The waits of one place among the workers: none at first, then doubling while workers die young."""

    def __init__(self) -> None:
        self._deaths = 0

    def died(self, served_s: float) -> float:
        """Count a death.

        Args:
            served_s: How long the worker had been ready, seconds; 0 when it never was.

        Returns:
            How long to wait until the next one is started, seconds.
        """
        if served_s >= STABLE_S:
            self._deaths = 0
        self._deaths += 1
        if self._deaths == 1:
            return 0.0
        # The exponent is bounded, since a float is not.
        return min(LONGEST_S, _FIRST_S * 2.0 ** min(self._deaths - 2, 10))
