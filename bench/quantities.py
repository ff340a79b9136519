"""The figures of the ladder that stand in the table for both systems side by side. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from bench.figures import Quantity
from bench.scenario import VAD_STOP_MS
from bench.steps import Step

KNEE: Final = Quantity("knee", "Calls that the core carries", unit="", smaller_is_better=False)


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure that is shown of some steps.

    Attributes:
        key: Name in the JSON report, before the number of calls.
        title: Name for people.
        value: Where it comes from.
        calls: Of which steps it is shown.
        unit: Its unit.
        digits: Decimal places worth showing.
    """

    key: str
    title: str
    value: Callable[[Step], float | None]
    calls: Collection[int]
    unit: str = "ms"
    digits: int = 0


def _beyond(latency_ms: float | None) -> float | None:
    return None if latency_ms is None else latency_ms - VAD_STOP_MS


HEADLINES: Final = (
    Headline("cpu_per_call", "Processor per call", lambda it: it.cpu_per_call_pct, {8, 24}, "% of a core", 1),
    Headline("v2v_p50", "Voice to voice beyond the VAD window, p50", lambda it: _beyond(it.v2v_p50_ms), {1, 8}),
    Headline("v2v_p95", "Voice to voice beyond the VAD window, p95", lambda it: _beyond(it.v2v_p95_ms), {1, 8, 24}),
    Headline(
        "beyond_vad_p50", "Voice to voice beyond the VAD's decision, p50", lambda it: it.beyond_vad_p50_ms, {1, 8}
    ),
    Headline(
        "beyond_vad_p95", "Voice to voice beyond the VAD's decision, p95", lambda it: it.beyond_vad_p95_ms, {1, 8, 24}
    ),
    Headline("lateness_p50", "Playout lateness, p50", lambda it: it.lateness_p50_ms, {24}, digits=1),
    Headline("lateness_p99", "Playout lateness, p99", lambda it: it.lateness_p99_ms, {8, 24}, digits=1),
)
"""What the table shows of the ladder."""


def headlines(steps: Iterable[Step], calls: Collection[int] | None = None) -> dict[Quantity, float | None]:
    """Return the headlines of some steps.

    Args:
        steps: The steps.
        calls: Show every headline of these steps, whatever it says of itself; None: only what each says.
    """
    found: dict[Quantity, float | None] = {}
    for step in steps:
        plural = "call" if step.calls == 1 else "calls"
        for line in HEADLINES:
            if step.calls in (line.calls if calls is None else calls):
                title = f"{line.title}, {step.calls} {plural}"
                found[Quantity(f"{line.key}.{step.calls}", title, line.unit, line.digits)] = line.value(step)
    return found
