"""The report of a run: a table for the terminal, Markdown for the README, JSON for everything else."""

from __future__ import annotations

from typing import Any, Final

from rich.table import Table

from bench.figures import Figures
from bench.scenario import GREETING, REPLY

HEADINGS: Final = ("", "upstream's recipe", "this runtime", "recipe / ours")

METHOD: Final = (
    "One run, both systems taking turns on the same core, callers and vendor stand-ins on another one; everything on "
    "loopback, 8 kHz µ-law Twilio Media Streams. Deepgram, OpenAI and ElevenLabs are stand-ins that answer at once. "
    "Each figure is the median of its repetitions. Figures without a note end the caller's turn with the VAD's 200 ms "
    "of silence on both sides (`user_speech_timeout=0` in the recipe); those marked `smart-turn` with Smart Turn v3, "
    "which is upstream's default. A stall is the delay of a 2 ms timer in the server's own event loop while one call "
    "begins beside another. Callers are espeak-ng, a turn about every five seconds."
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


def markdown(figures: Figures, machine: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in figures.rows()]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    pinned = "server and callers pinned to one core each" if machine["server_core"] is not None else "not pinned"
    lines += ["", METHOD, "", f"{machine['cpu']}, {machine['cores']} cores, {pinned}; Python {machine['python']}"]
    lines[-1] += f"; {packages}."
    if figures.remarks:
        lines += ["", *(f"- {remark}" for remark in figures.remarks)]
    return "\n".join(lines) + "\n"


def document(figures: Figures, machine: dict[str, Any], *, duration_s: float, effort: str) -> dict[str, Any]:
    """Return the report as JSON.

    Args:
        figures: What was measured.
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
        "remarks": figures.remarks,
    }
