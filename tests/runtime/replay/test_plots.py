from __future__ import annotations

import re

import pytest

from runtime.replay.plots import Series, curves, scatter, steps


def test_points_lie_where_their_values_are() -> None:
    plot = scatter("t", "n", [Series("a", [(0.0, 0.0), (5.0, 200.0), (10.0, 100.0)])], end_s=10.0)
    places = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', plot)
    assert places == [("0.0", "150.0"), ("540.0", "0.0"), ("1080.0", "75.0")]
    assert "200 ms" in plot
    assert "a, 5.0 s: 200 ms" in plot


def test_values_below_zero_are_drawn_within_the_frame() -> None:
    plot = scatter("t", "n", [Series("a", [(1.0, -50.0), (2.0, 50.0)])], end_s=2.0)
    assert re.findall(r'cy="([\d.]+)"', plot) == ["150.0", "0.0"]
    assert "-50 at 0 s" in plot


def test_many_points_are_thinned_out() -> None:
    plot = scatter("t", "n", [Series("a", [(float(n), 1.0) for n in range(10_000)])], end_s=10_000)
    assert 3000 < plot.count("<circle") <= 4000


def test_curves_share_one_scale() -> None:
    series = [Series("a", [(0.0, 0.0), (1.0, 50.0)]), Series("b", [(0.0, 100.0), (1.0, 100.0)], "second")]
    plot = curves("t", "n", series, end_s=1.0, unit="MB")
    assert re.findall(r'points="([^"]*)"', plot) == ["0.0,150.0 1080.0,75.0", "0.0,0.0 1080.0,0.0"]
    assert "100 MB" in plot
    assert plot.count('class="key') == 2


@pytest.mark.parametrize("draw", [scatter, curves])
def test_nothing_to_draw_draws_nothing(draw: object) -> None:
    assert draw("t", "n", [Series("a", [])], end_s=1.0) == ""  # type: ignore[operator]
    assert draw("t", "n", [Series("a", [(0.0, 1.0)])], end_s=0.0) == ""  # type: ignore[operator]


@pytest.mark.parametrize("draw", [scatter, curves])
def test_names_are_escaped(draw: object) -> None:
    plot = draw("<t>", "<n>", [Series("<a>", [(0.0, 1.0)]), Series("<b>", [(0.0, 1.0)])], end_s=1.0)  # type: ignore[operator]
    assert "<t>" not in plot.replace("<title>", "")
    assert "<n>" not in plot
    assert "<a>" not in plot


def test_ups_and_downs_become_a_curve() -> None:
    assert steps([(2.0, -1), (1.0, 1)]) == [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (2.0, 1.0), (2.0, 0.0)]
