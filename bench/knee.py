"""How many calls a core carries: the ladder of loads, and where a system leaves it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bench.steps import Step, merged

SLOWER_MS: Final = 150.0
"""A step is over the knee when its p95 voice to voice exceeds that of a single call by more, milliseconds."""

LATE_PCT: Final = 1.0
"""A step is over the knee when more of its audio messages came over 20 ms too late, %."""


class Broken(StrEnum):
    """Why a step is over the knee."""

    FAILED = "calls failed"
    SLOW = "voice to voice over the single call's + 150 ms"
    LATE = "audio too late"


@dataclass(frozen=True, slots=True)
class Knee:
    """Where a system left the ladder.

    Attributes:
        calls: The largest number of calls that it carried; 0 when not even the smallest.
        broke_at: The number at which it did not; None when the ladder or the time ended before that.
        why: Why it did not.
    """

    calls: int
    broke_at: int | None = None
    why: Broken | None = None

    def __str__(self) -> str:
        """One line for people."""
        if self.broke_at is None:
            return f"{self.calls} calls carried, no more were tried"
        return f"{self.calls} calls carried, {self.broke_at} not: {self.why}"


@dataclass(slots=True)
class Climb:
    """One system's way up.

    A step that looks broken or disturbed is measured once more: noise makes a step worse and never better, so it is
    over the knee only when every repetition of it is.

    Attributes:
        counts: The ladder, ascending; the first is what the others are compared with.
        repeated: The counts that are measured twice in any case.
        again: Whether a step that looks broken or disturbed is measured once more.
        steps: What was measured.
    """

    counts: Sequence[int]
    repeated: Collection[int] = ()
    again: bool = True
    steps: dict[int, list[Step]] = field(default_factory=dict)

    @property
    def next_calls(self) -> int | None:
        """The number of calls to measure next; None when the knee was found, or the ladder is at its end."""
        for calls in self.counts:
            taken = self.steps.get(calls, [])
            doubtful = self.again and any(step.disturbed or self._broken(step) for step in taken)
            again = doubtful or calls in self.repeated
            if len(taken) < (2 if again else 1):
                return calls
            if all(self._broken(step) for step in taken):
                return None
        return None

    def add(self, step: Step) -> None:
        """Take a measured step."""
        self.steps.setdefault(step.calls, []).append(step)

    @property
    def knee(self) -> Knee:
        """Where the system stands so far."""
        carried = 0
        for calls in self.counts:
            taken = self.steps.get(calls)
            if not taken:
                break
            reasons = [self._broken(step) for step in taken]
            if all(reasons):
                return Knee(carried, calls, reasons[-1])
            carried = calls
        return Knee(carried)

    def merged(self) -> list[Step]:
        """Return each step's medians, ascending."""
        return [merged(self.steps[calls]) for calls in self.counts if self.steps.get(calls)]

    def _broken(self, step: Step) -> Broken | None:
        if step.failed or step.v2v_p95_ms is None:
            return Broken.FAILED
        single = self.steps.get(self.counts[0])
        single_ms = merged(single).v2v_p95_ms if single else None
        if single_ms is not None and step.v2v_p95_ms > single_ms + SLOWER_MS:
            return Broken.SLOW
        if (step.late_pct or 0.0) > LATE_PCT:
            return Broken.LATE
        return None
