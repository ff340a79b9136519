"""When a delivery that failed is tried again, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with jitter: each wait is drawn between half of what it may be and all of it.

    Attributes:
        first_s: Longest wait after the first failure, seconds; it doubles with each further one.
        longest_s: Longest wait of all, seconds.
        longest_rest_s: Longest wait that the other side may ask for (``Retry-After``), seconds.
        max_attempts: Attempts after which an event is given up; None for never.
        max_age_s: Age after which an event that failed is given up, seconds in the queue; None for never.
    """

    first_s: float = 1.0
    longest_s: float = 3600.0
    longest_rest_s: float = 3600.0
    max_attempts: int | None = None
    max_age_s: float | None = None

    def wait_s(self, attempts: int, random: Callable[[], float], rest_s: float | None = None) -> float:
        """Return how long to wait before the next attempt, seconds.

        Args:
            attempts: How many have failed, at least 1.
            random: Returns a number from 0 up to 1.
            rest_s: What the other side asked for, seconds.
        """
        # Beyond 2^64 the doubling has long met its limit.
        most_s = min(self.longest_s, self.first_s * 2.0 ** min(attempts - 1, 64))
        return max(most_s * (1 + random()) / 2, min(rest_s or 0.0, self.longest_rest_s))

    def gives_up(self, attempts: int, age_s: float) -> bool:
        """Return whether an event is given up after so many failures at this age, seconds."""
        too_often = self.max_attempts is not None and attempts >= self.max_attempts
        return too_often or (self.max_age_s is not None and age_s >= self.max_age_s)
