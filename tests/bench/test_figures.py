import pytest

from bench.figures import Figures, Quantity, Row, median, slope
from bench.scenario import System

DELAY = Quantity("delay", "Delay", digits=1)
COUNT = Quantity("count", "Count", unit="", smaller_is_better=False)


def test_each_figure_is_the_median_of_its_repetitions() -> None:
    figures = Figures()
    for value in (10.0, 30.0, 11.0):
        figures.add(System.RECIPE, {DELAY: value, COUNT: 4.0})
    figures.add(System.OURS, {DELAY: 5.0, COUNT: None})
    first, second = figures.rows()
    assert first.cells() == ("Delay, ms", "11.0", "5.0", "2.2")
    assert second.cells() == ("Count", "4", "n/a", "")
    assert figures.document()[0]["repetitions"] == {"recipe": [10.0, 30.0, 11.0], "ours": [5.0]}


@pytest.mark.parametrize(
    ("recipe", "ours", "ratio"), [(3.0, 0.0, "∞"), (0.0, 0.0, ""), (None, 1.0, ""), (1.0, -1.0, ""), (1.0, 2.0, "0.5")]
)
def test_a_ratio_is_shown_where_there_is_one(recipe: float | None, ours: float | None, ratio: str) -> None:
    assert Row(DELAY, recipe, ours).cells()[3] == ratio


def test_median_and_slope_of_too_little() -> None:
    assert median([]) is None
    assert slope([(1.0, 1.0), (1.0, 2.0)]) is None
    assert slope([(1.0, 1.0), (3.0, 2.0)]) == pytest.approx(0.5)
