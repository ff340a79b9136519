"""The report of a run: a table for the terminal, Markdown for the README, JSON for everything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from bench.figures import Figures
from bench.knee import Climb
from bench.scenario import GREETING, REPLY, VAD_STOP_MS, System
from bench.steps import Step

HEADINGS: Final = ("", "upstream's recipe", "this runtime", "recipe / ours")

STEP_HEADINGS: Final = (
    "calls",
    "CPU per call, %",
    "v2v beyond window p50 / p95, ms",
    "beyond VAD's decision p50 / p95, ms",
    "lateness p50 / p99, ms",
    "late audio, %",
    "failed",
    "memory, MB",
    "turns",
    "callers + stand-ins, %",
    "control p99, ms",
    "disturbed",
)

METHOD: Final = (
    "One run, both systems taking turns on the same core, callers and vendor stand-ins on another one; everything on "
    "loopback, 8 kHz µ-law Twilio Media Streams. Deepgram, OpenAI and ElevenLabs are stand-ins that answer at once, "
    "or, where it says realistic vendors, after 250 ms (final transcript), 400 ms (first token) and 150 ms (first "
    "audio). Figures without a note end the caller's turn with the VAD's 200 ms of silence on both sides "
    "(`user_speech_timeout=0` in the recipe); those marked Smart Turn with Smart Turn v3, which is upstream's default. "
    "Callers are espeak-ng, a turn about every five seconds. Every term is defined in docs/benchmark.md."
)
"""How the figures came about, for people."""


def table(figures: Figures) -> Table:
    """Return the table for the terminal."""
    shown = Table(title="Upstream's recipe and this runtime, side by side")
    for number, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="right" if number else "left")
    for row in figures.rows():
        shown.add_row(*row.cells())
    return shown


def markdown(figures: Figures, climbs: Mapping[System, Climb], machine: dict[str, Any], *, plot: str | None) -> str:
    """Return the report as Markdown.

    Args:
        figures: What was measured.
        climbs: Each system's way up to its knee.
        machine: `bench.machine.describe_machine`.
        plot: File name of the plot, or None.
    """
    lines = _rows(HEADINGS, [row.cells() for row in figures.rows()])
    for system, climb in climbs.items():
        lines += ["", f"### {system}: {climb.knee}", "", *_rows(STEP_HEADINGS, map(step_cells, climb.merged()))]
    if plot:
        lines += ["", f"![Processor per call, latency and memory over the number of calls]({plot})"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    pinned = "server and callers pinned to one core each" if machine["server_core"] is not None else "not pinned"
    lines += ["", METHOD, "", f"{machine['cpu']}, {machine['cores']} cores, {pinned}; Python {machine['python']}"]
    lines[-1] += f"; {packages}."
    if figures.remarks:
        lines += ["", *(f"- {remark}" for remark in figures.remarks)]
    return "\n".join(lines) + "\n"


def step_cells(step: Step) -> tuple[str, ...]:
    """Return a step as text, a cell for each of `STEP_HEADINGS`."""
    noise = step.noise
    beyond = [None if value is None else value - VAD_STOP_MS for value in (step.v2v_p50_ms, step.v2v_p95_ms)]
    return (
        str(step.calls),
        _shown(step.cpu_per_call_pct, 1),
        _pair(*beyond),
        _pair(step.beyond_vad_p50_ms, step.beyond_vad_p95_ms),
        _pair(step.lateness_p50_ms, step.lateness_p99_ms, digits=1),
        _shown(step.late_pct, 2),
        str(step.failed),
        _shown(step.rss_mb, 0),
        str(step.turns),
        _pair(noise.callers_pct, noise.stand_ins_pct, between=" + "),
        _shown(noise.control_p99_ms, 1),
        "yes" if step.disturbed else "",
    )


def document(
    figures: Figures, climbs: Mapping[System, Climb], machine: dict[str, Any], *, duration_s: float, effort: str
) -> dict[str, Any]:
    """Return the report as JSON.

    Args:
        figures: What was measured.
        climbs: Each system's way up to its knee.
        machine: `bench.machine.describe_machine`.
        duration_s: How long the run took, seconds.
        effort: Its size, by name.
    """
    return {
        "effort": effort,
        "duration_s": round(duration_s, 1),
        "machine": machine,
        "method": METHOD,
        "greeting": GREETING,
        "reply": REPLY,
        "figures": figures.document(),
        "knee": {
            str(system): {
                "calls": climb.knee.calls,
                "broke_at": climb.knee.broke_at,
                "why": climb.knee.why,
                "steps": [step.document() for step in climb.merged()],
                "repetitions": [step.document() for steps in climb.steps.values() for step in steps],
            }
            for system, climb in climbs.items()
        },
        "remarks": figures.remarks,
    }


def _rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    return lines + ["| " + " | ".join(cells) + " |" for cells in rows]


def _shown(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def _pair(first: float | None, second: float | None, *, digits: int = 0, between: str = " / ") -> str:
    return between.join((_shown(first, digits), _shown(second, digits)))
