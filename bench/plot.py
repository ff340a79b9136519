"""The plot of a run as one SVG: processor per call, latency and memory over the number of calls. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from bench.scenario import VAD_STOP_MS, System
from bench.steps import Step

_COLOURS: Final = {System.RECIPE: "#b45309", System.OURS: "#1d4ed8"}
_NAMES: Final = {System.RECIPE: "upstream's recipe", System.OURS: "this runtime"}
_WIDTH: Final = 360
_HEIGHT: Final = 240
_LEFT: Final = 48
_TOP: Final = 64
_GAP: Final = 84
_TICKS: Final = 5

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        system: Whose.
        points: Calls and value, ascending.
        dashed: Whether to draw it dashed.
        name: What it is, beside the system.
    """

    system: System
    points: Points
    dashed: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram.

    Attributes:
        title: What it shows, with the unit.
        lines: Its curves.
    """

    title: str
    lines: Sequence[Line]


def panels(steps: Mapping[System, Sequence[Step]]) -> list[Panel]:
    """Return the diagrams of the steps of both systems."""

    def line(system: System, name: str, *, dashed: bool = False, less: float = 0.0) -> Line:
        values = ((step.calls, getattr(step, name)) for step in steps[system] if not step.failed)
        points = [(float(calls), value - less) for calls, value in values if value is not None]
        kind = {"v2v_p50_ms": "p50", "v2v_p95_ms": "p95"}.get(name, "")
        return Line(system, points, dashed, kind)

    return [
        Panel("processor per call, % of a core", [line(system, "cpu_per_call_pct") for system in steps]),
        Panel(
            "voice to voice beyond the VAD window, ms",
            [line(system, "v2v_p95_ms", less=VAD_STOP_MS) for system in steps]
            + [line(system, "v2v_p50_ms", dashed=True, less=VAD_STOP_MS) for system in steps],
        ),
        Panel("playout lateness p99, ms", [line(system, "lateness_p99_ms") for system in steps]),
        Panel("memory of the process, MB", [line(system, "rss_mb") for system in steps]),
    ]


def plot(steps: Mapping[System, Sequence[Step]], knees: Mapping[System, int]) -> str:
    """Return the plot as SVG text.

    Args:
        steps: Each system's steps, ascending.
        knees: The number of calls that each carried; drawn as a vertical line.
    """
    shown = panels(steps)
    most = max((step.calls for taken in steps.values() for step in taken), default=1)
    width = 2 * (_WIDTH + _GAP)
    height = _TOP + math.ceil(len(shown) / 2) * (_HEIGHT + _GAP)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Calls on one core">'
    )
    parts = [
        head,
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _legend(steps),
    ]
    for index, panel in enumerate(shown):
        x, y = _LEFT + index % 2 * (_WIDTH + _GAP), _TOP + index // 2 * (_HEIGHT + _GAP)
        parts.append(f'<g transform="translate({x} {y})">{_panel(panel, most, knees)}</g>')
    parts.append("</svg>\n")
    return "\n".join(parts)


def nice_top(highest: float) -> float:
    """Return a round number from which an axis reaches at least to ``highest``, in `_TICKS` round steps."""
    if highest <= 0:
        return 1.0
    step = highest / _TICKS
    magnitude = 10 ** math.floor(math.log10(step))
    factor = next(factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * magnitude >= step * 0.999999)
    return float(_TICKS * magnitude * factor)


def _legend(steps: Mapping[System, Sequence[Step]]) -> str:
    parts = []
    for number, system in enumerate(steps):
        x = _LEFT + number * 190
        parts.append(
            f'<line x1="{x}" x2="{x + 28}" y1="20" y2="20" stroke="{_COLOURS[system]}" stroke-width="2.5"/>'
            f'<text x="{x + 34}" y="24">{escape(_NAMES[system])}</text>'
        )
    x = _LEFT + len(parts) * 190
    parts.append(
        f'<text x="{x}" y="24" fill="#555555">solid p95, dashed p50; dotted: its knee; x: calls at once</text>'
    )
    return "".join(parts)


def _panel(panel: Panel, most: int, knees: Mapping[System, int]) -> str:
    top = nice_top(max((value for line in panel.lines for _, value in line.points), default=1.0))

    def at(calls: float, value: float) -> tuple[float, float]:
        return _WIDTH * calls / most, _HEIGHT * (1 - max(0.0, value) / top)

    parts = [f'<text x="0" y="-12" font-weight="600">{escape(panel.title)}</text>']
    for tick in range(_TICKS + 1):
        value = top * tick / _TICKS
        y = at(0, value)[1]
        parts.append(
            f'<line x1="0" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e5e5"/>'
            f'<text x="-6" y="{y + 4:.1f}" text-anchor="end" fill="#555555">{value:g}</text>'
        )
    for calls in _calls_ticks(most):
        x = at(calls, 0)[0]
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT + 18}" text-anchor="middle" fill="#555555">{calls}</text>')
    for system, calls in knees.items():
        x = at(calls, 0)[0]
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HEIGHT}" stroke="{_COLOURS[system]}" '
            'stroke-dasharray="1 4" stroke-width="1.5"/>'
        )
    parts += [_curve(line, [at(*point) for point in line.points]) for line in panel.lines]
    return "".join(parts)


def _curve(line: Line, places: Sequence[tuple[float, float]]) -> str:
    if not places:
        return ""
    colour = _COLOURS[line.system]
    dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}">'
        f"<title>{calls:g} calls: {value:.1f}</title></circle>"
        for (x, y), (calls, value) in zip(places, line.points, strict=True)
    )
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>{dots}'


def _calls_ticks(most: int) -> list[int]:
    step = max(1, round(nice_top(most) / _TICKS))
    return list(range(0, most + 1, step))
