"""One step of a load: so many calls at once, and what that did to them. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Noise:
    """What disturbed a step from outside, and how close the callers' side came to being the bottleneck.

    Attributes:
        control_p99_ms: How late a bare timer on the server's core was, 99th percentile; None where it was not watched.
        control_max_ms: Its longest delay.
        control_real_time: Whether the timer's process had priority over the server's; if not, it is late as well when
            the server itself fills the core.
        foreign_pct: What processes other than the benchmark's took of the two cores, the worse one, % of a core,
            time stolen by a hypervisor included.
        callers_pct: What the callers' process took, % of a core.
        stand_ins_pct: What the vendors' stand-ins took, % of a core.
        callers_late_p99_ms: How late the callers themselves sent their frames, 99th percentile.
    """

    control_p99_ms: float | None = None
    control_max_ms: float | None = None
    control_real_time: bool = False
    foreign_pct: float | None = None
    callers_pct: float | None = None
    stand_ins_pct: float | None = None
    callers_late_p99_ms: float | None = None

    @property
    def disturbances(self) -> list[str]:
        """Why the step's figures are not to be trusted, for people; empty when they are."""
        found = []
        if self.control_real_time and (self.control_p99_ms or 0.0) > CONTROL_LATE_MS:
            found.append(f"a bare timer on the server's core was {self.control_p99_ms:.0f} ms late (p99)")
        if (self.foreign_pct or 0.0) > FOREIGN_PCT:
            found.append(f"other processes took {self.foreign_pct:.0f} % of a core")
        if (self.callers_pct or 0.0) + (self.stand_ins_pct or 0.0) > CALLERS_CORE_PCT:
            found.append(
                f"callers and stand-ins took {self.callers_pct:.0f} + {self.stand_ins_pct:.0f} % of their core"
            )
        if (self.callers_late_p99_ms or 0.0) > CALLERS_LATE_MS:
            found.append(f"the callers themselves were {self.callers_late_p99_ms:.0f} ms late (p99)")
        return found


CONTROL_LATE_MS = 5.0
"""A step in which a bare timer of higher priority is later than this at p99 is disturbed, milliseconds."""

FOREIGN_PCT = 15.0
"""A step in which others took more than this of one of the two cores is disturbed, % of a core. The kernel's own work
for the loopback, which the system's books give to no process, stays below it."""

CALLERS_CORE_PCT = 85.0
"""Above this share of their core callers and stand-ins may be what is slow, % of a core."""

CALLERS_LATE_MS = 20.0
"""Callers who are later than a frame at p99 are what is slow, milliseconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """So many calls at once. Latencies are of the turns taken while all calls were up.

    Attributes:
        calls: How many.
        turns: How many turns were answered while all calls were up.
        failed: Calls that failed.
        v2v_p50_ms: Voice to voice: from the caller's last voiced sample to the first audible one of the answer.
        v2v_p95_ms: The same at the 95th percentile.
        beyond_vad_p50_ms: Voice to voice less the time at which a VAD that judges the same audio offline confirms the
            end of the same utterance; None when it was not judged.
        beyond_vad_p95_ms: The same at the 95th percentile.
        lateness_p50_ms: How much later than its deadline the bot's audio was played (`bench.lateness`).
        lateness_p99_ms: The same at the 99th percentile.
        late_pct: Audio messages that came over 20 ms after the phone had run dry, %.
        cpu_per_call_pct: Processor time of the server's process, % of a core for each call.
        rss_mb: Resident memory of the server with all calls up, MB.
        noise: What disturbed it.
    """

    calls: int
    turns: int = 0
    failed: int = 0
    v2v_p50_ms: float | None = None
    v2v_p95_ms: float | None = None
    beyond_vad_p50_ms: float | None = None
    beyond_vad_p95_ms: float | None = None
    lateness_p50_ms: float | None = None
    lateness_p99_ms: float | None = None
    late_pct: float | None = None
    cpu_per_call_pct: float | None = None
    rss_mb: float | None = None
    noise: Noise = field(default_factory=Noise)

    @property
    def disturbed(self) -> bool:
        """Whether something else than the server may have made it slow."""
        return bool(self.noise.disturbances)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "disturbances": self.noise.disturbances}


def merged(repetitions: Sequence[Step]) -> Step:
    """Return the median of each figure over the repetitions of one step: of the undisturbed ones where there are some.

    Args:
        repetitions: At least one, all with the same number of calls.

    Raises:
        ValueError: There is none, or they differ in their calls.
    """
    if len({step.calls for step in repetitions}) != 1:
        raise ValueError("repetitions are of one number of calls")
    kept = [step for step in repetitions if not step.disturbed] or list(repetitions)
    if len(kept) == 1:
        return kept[0]
    values: dict[str, Any] = {}
    for name in (it.name for it in fields(Step)):
        known = [value for value in (getattr(step, name) for step in kept) if value is not None]
        match name:
            case "calls" | "noise":
                values[name] = known[0]
            case "turns":
                values[name] = sum(known)
            case "failed":
                values[name] = min(known)
            case _:
                values[name] = statistics.median(known) if known else None
    return Step(**values)
