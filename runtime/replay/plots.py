"""Plots of a report as SVG: points over time, and curves over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from runtime.replay.page import escape

_WIDTH: Final = 1080
_HEIGHT: Final = 150
_MOST_POINTS: Final = 4000


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time.

    Attributes:
        name: For people.
        points: Pairs of time, seconds, and value, ascending in time.
        style: CSS class: its colour.
    """

    name: str
    points: Sequence[tuple[float, float]]
    style: str = "first"


def scatter(title: str, note: str, series: Sequence[Series], *, end_s: float, unit: str = "ms") -> str:
    """Draw each value as a point, the time from left to right.

    Args:
        title: Name of the plot.
        note: What a point is.
        series: What to draw; '' is returned when there is no point in it.
        end_s: Right edge, seconds.
        unit: Of the values.
    """
    values = [value for it in series for _, value in it.points]
    if not values or end_s <= 0:
        return ""
    low, high = min(0.0, *values), max(values) or 1.0
    drawn = []
    for it in series:
        step = len(it.points) // _MOST_POINTS + 1
        drawn += [
            f'<circle class="point {it.style}" cx="{_x(at_s, end_s):.1f}" cy="{_y(value, low, high):.1f}" r="2.5">'
            f"<title>{escape(it.name)}, {at_s:.1f} s: {value:.0f} {unit}</title></circle>"
            for at_s, value in it.points[::step]
        ]
    return _figure(title, note, "".join(drawn), series, scale=(f"{low:.0f}", f"{high:.0f} {unit}"), end_s=end_s)


def curves(title: str, note: str, series: Sequence[Series], *, end_s: float, unit: str = "") -> str:
    """Draw each series as a curve from 0 up, all on one scale.

    Args:
        title: Name of the plot.
        note: What it shows.
        series: What to draw; '' is returned when there is no point in it.
        end_s: Right edge, seconds.
        unit: Of the values.
    """
    values = [value for it in series for _, value in it.points]
    if not values or end_s <= 0:
        return ""
    high = max(values) or 1.0
    drawn = "".join(
        f'<polyline class="curve {it.style}" points="'
        + " ".join(f"{_x(at_s, end_s):.1f},{_y(value, 0.0, high):.1f}" for at_s, value in it.points)
        + '"/>'
        for it in series
    )
    return _figure(title, note, drawn, series, scale=("0", f"{high:.0f} {unit}"), end_s=end_s)


def steps(changes: Sequence[tuple[float, int]]) -> list[tuple[float, float]]:
    """Return a curve that goes up and down by the given amounts.

    Args:
        changes: Pairs of time, seconds, and change, in any order.
    """
    level, curve = 0, [(0.0, 0.0)]
    for at_s, change in sorted(changes):
        curve.append((at_s, float(level)))
        level += change
        curve.append((at_s, float(level)))
    return curve


def _figure(
    title: str, note: str, drawn: str, series: Sequence[Series], *, scale: tuple[str, str], end_s: float
) -> str:
    bottom, top = scale
    named = [it for it in series if it.points]
    keys = "".join(f'<i class="key {it.style}"></i>{escape(it.name)}' for it in named) if len(named) > 1 else ""
    return (
        f'<figure class="panel wide"><h2>{escape(title)}</h2><p class="muted legend">{escape(note)} {keys}</p>'
        f'<svg viewBox="0 -16 {_WIDTH} {_HEIGHT + 36}" role="img" aria-label="{escape(title)}">'
        f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>{drawn}'
        f'<text class="tick" x="0" y="-4">{escape(top)}</text>'
        f'<text class="tick" x="0" y="{_HEIGHT + 16}">{escape(bottom)} at 0 s</text>'
        f'<text class="tick" x="{_WIDTH}" y="{_HEIGHT + 16}" text-anchor="end">{end_s:.0f} s</text></svg></figure>'
    )


def _x(at_s: float, end_s: float) -> float:
    return _WIDTH * min(max(at_s / end_s, 0.0), 1.0)


def _y(value: float, low: float, high: float) -> float:
    return _HEIGHT - _HEIGHT * (value - low) / ((high - low) or 1.0)
