"""What was measured: figures of both systems side by side, each the median of its repetitions. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.scenario import System


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of figure.

    Attributes:
        key: Name in the JSON report.
        title: Name for people.
        unit: Its unit.
        digits: Decimal places worth showing.
        smaller_is_better: Whether `recipe / ours` above 1 is in favour of ours; else no ratio is shown.
    """

    key: str
    title: str
    unit: str = "ms"
    digits: int = 0
    smaller_is_better: bool = True


@dataclass(slots=True)
class Figures:
    """All figures of a run.

    Attributes:
        values: For each quantity, in the order in which they came up, each system's values, one a repetition.
        remarks: What a reader of the figures has to know.
    """

    values: dict[Quantity, dict[System, list[float]]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, system: System, measured: Mapping[Quantity, float | None]) -> None:
        """Add one repetition of one system; a value of None is left out."""
        for quantity, value in measured.items():
            by_system = self.values.setdefault(quantity, {})
            if value is not None:
                by_system.setdefault(system, []).append(value)

    def rows(self) -> list[Row]:
        """Return a row for each quantity."""
        return [
            Row(quantity, median(by_system.get(System.RECIPE, ())), median(by_system.get(System.OURS, ())))
            for quantity, by_system in self.values.items()
        ]

    def document(self) -> list[dict[str, Any]]:
        """Return the figures as JSON."""
        return [
            {
                "key": row.quantity.key,
                "title": row.quantity.title,
                "unit": row.quantity.unit,
                "recipe": row.recipe,
                "ours": row.ours,
                "ratio": row.ratio,
                "repetitions": {str(system): values for system, values in self.values[row.quantity].items()},
            }
            for row in self.rows()
        ]


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity, compared.

    Attributes:
        quantity: What.
        recipe: The recipe's median, or None when there is none.
        ours: The runtime's.
    """

    quantity: Quantity
    recipe: float | None
    ours: float | None

    @property
    def ratio(self) -> float | None:
        """How many times as much the recipe takes; None when it cannot be said (nothing measured, or ours is 0)."""
        if not self.quantity.smaller_is_better or self.recipe is None or not self.ours or self.ours < 0:
            return None
        return self.recipe / self.ours

    def cells(self) -> tuple[str, str, str, str]:
        """Return the row as text: what, recipe, ours, ratio."""
        name = f"{self.quantity.title}, {self.quantity.unit}" if self.quantity.unit else self.quantity.title
        return name, self._shown(self.recipe), self._shown(self.ours), self._shown_ratio()

    def _shown(self, value: float | None) -> str:
        return "n/a" if value is None else f"{value:.{self.quantity.digits}f}"

    def _shown_ratio(self) -> str:
        if self.ratio is not None:
            return f"{self.ratio:.1f}"
        return "∞" if self.quantity.smaller_is_better and self.recipe and self.ours == 0 else ""


def median(values: Iterable[float]) -> float | None:
    """Return the median, or None without values."""
    known = list(values)
    return statistics.median(known) if known else None


def slope(points: Iterable[tuple[float, float]]) -> float | None:
    """Return the slope of the least-squares line through points (x, y), or None when they do not have one."""
    known = list(points)
    if len({x for x, _ in known}) < 2:
        return None
    return statistics.linear_regression([x for x, _ in known], [y for _, y in known]).slope
